"""A convolution over many clocks: some taps and some output channels of a window at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data

from kanhw.gateware.folded.folded_costs import folded_costs
from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.image.window_buffer import WindowBuffer
from kanhw.gateware.image.window_pace import FoldedPace
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.stream.cycle_model import simulated_timing
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.program import ConvolutionLayer
from kanhw.schedule.fold import Fold
from kanhw.schedule.formula import Formula
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.window_fold import WindowFold

__all__ = ["FoldedConvolutionStage"]


class FoldedConvolutionStage(Stage):
    """A layer of tables on every window of an image, folded; equals the Program's layer.

    Takes the words of the image pixel by pixel; the last of its rows are in a memory
    (:class:`~kanhw.gateware.image.window_buffer.WindowBuffer`), from which every window is read
    once for every group of output channels. They leave some at a time, pixel by pixel.

    Parameters
    ----------
    layer
        The convolution, of a Program, so that its widths are known.
    inputs
        Codes' own addresses, ``windows.channels`` a beat.
    schedule
        Adder levels between registers.
    fold
        Which taps and output channels meet when, in the order of ``windows``.
    windows
        How windows are read.
    """

    def __init__(
        self,
        layer: ConvolutionLayer,
        inputs: Payload,
        schedule: Schedule,
        fold: Fold,
        windows: WindowFold,
    ) -> None:
        self._layer = layer
        self._fold = fold
        self._windows = windows
        # In the order in which they sit in a word of the buffer.
        self._read = sorted(set(layer.streams))
        members = inputs.layout.members
        self._word = data.StructLayout({str(k): members[str(k)] for k in self._read})
        self._buffer = WindowBuffer(windows, self._word.size, fold.groups)
        self._folded = FoldedLayer(layer.taps, inputs, schedule, fold)
        pixel, positions = self._folded.outputs, layer.window.positions
        if positions > 1:
            channels = pixel.length
            pixel = replace(pixel, beats=pixel.beats * positions, length=None, channels=channels)
        super().__init__(inputs, pixel)

    @property
    def fold(self) -> Fold:
        """The fold of a window: which taps and output channels meet at which clock."""
        return self._fold

    @property
    def windows(self) -> WindowFold:
        """The order in which windows are read from the memory."""
        return self._windows

    @property
    def accumulators(self) -> tuple[Range, ...]:
        """Ranges of every branch's accumulators; 0 to 0 for one that has none."""
        return self._folded.accumulators

    @property
    def costs(self) -> HardwareCosts:
        """The buffer of rows, and what is computed of its steps."""
        return self._buffer.costs + folded_costs(self._layer.taps, self._folded, self._fold)

    @property
    def latency(self) -> int:
        """Clock edges from an image's last word to its last output, words coming at every clock.

        Found by simulating the handshakes: the words wait for the windows before.
        """
        return self._timing[0]

    @property
    def initiation_interval(self) -> int:
        """Clocks per image: the steps of its windows, unless they wait for what they read."""
        return self._timing[1]

    @property
    def reads_windows(self) -> bool:
        """Windows are read when their last word has come."""
        return True

    @property
    def waits_for_words(self) -> bool:
        """Windows may be read faster than words come, and words wait for room."""
        return True

    def clocks(self) -> tuple[Formula, Formula]:
        """The steps of all windows, and the clocks in which these wait for words."""
        steps = Formula.of(self._windows.window.positions) * Formula.of(self._fold.beats)
        steps *= Formula.ceil(self._fold.n_out, self._fold.parallel_outputs)
        interval = self.initiation_interval
        if interval != steps.value:
            # Found by simulating the handshakes: words arrive more slowly than windows are read.
            steps = Formula(f"{steps.text} + {interval - steps.value} waiting", interval)
        return steps, Formula.of(self.latency)

    def pace(self) -> FoldedPace:
        """A model of its handshake, which timing is simulated with."""
        depths = self._folded.depth, self._folded.serializer_depth
        return FoldedPace(self._buffer, self._fold, *depths)

    @cached_property
    def _timing(self) -> tuple[int, int]:
        return simulated_timing([self.pace()], self.inputs.beats, self.outputs.beats)

    def elaborate(self, platform: object) -> Module:
        """Buffer, and what becomes of its steps."""
        m = Module()
        m.submodules.buffer = buffer = self._buffer
        m.submodules.folded = folded = self._folded
        step, word = buffer.o.payload, self.i.payload
        m.d.comb += [
            buffer.i.payload.eq(Cat(Value.cast(word[str(stream)]) for stream in self._read)),
            buffer.i.valid.eq(self.i.valid),
            self.i.ready.eq(buffer.i.ready),
            # A step of a window is to the layer what a step of a vector is.
            folded.i.payload.step.eq(step.step),
            folded.i.payload.first.eq(step.first),
            folded.i.payload.last.eq(step.last),
            folded.i.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(folded.i.ready),
            self.o.payload.eq(folded.o.payload),
            self.o.valid.eq(folded.o.valid),
            folded.o.ready.eq(self.o.ready),
        ]
        # A word has the codes of its channels stream by stream; the layer wants them lane by lane,
        # tap after tap, each with a flag where the tap is padding.
        taps = range(self._windows.taps)
        words = [data.View(self._word, step.words[tap]) for tap in taps]
        for stream in map(str, self._read):
            codes = Cat(Value.cast(each[stream]) for each in words)
            m.d.comb += Value.cast(folded.i.payload.codes[stream]).eq(codes)
        if self._fold.padded:
            flags = Cat(step.pad[tap].replicate(self._windows.channels) for tap in taps)
            m.d.comb += folded.i.payload.pad.eq(flags)
        return m
