"""Stages, of which a design is a chain: components between two streams of addresses."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Member, Out

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import shape_of
from kanhw.gateware.stream.cycle_model import BeatPace, Pace
from kanhw.schedule.formula import Formula
from kanhw.schedule.transfer import Transfer

__all__ = ["Payload", "Stage", "vector_layout"]


def vector_layout(shapes: list[Shape]) -> data.StructLayout:
    """Values of different shapes, named by their number."""
    return data.StructLayout({str(k): shape for k, shape in enumerate(shapes)})


@dataclass(frozen=True)
class Payload:
    """The beats between two stages: how many values, and what each of them is.

    Parameters
    ----------
    streams
        The addresses of every stream of codes in one beat, ``[streams][values]``.
    beats, length, channels
        How a vector or an image is spread over beats, as for
        :class:`~kanhw.schedule.transfer.Transfer`.
    sums
        Formats of the values where a last layer hands out its sums instead of addresses; then
        ``streams`` is ``((),)``.
    """

    streams: tuple[tuple[Address, ...], ...]
    beats: int = 1
    sums: tuple[CodeFormat, ...] = ()
    length: int | None = None
    channels: int | None = None

    @property
    def count(self) -> int:
        """Values of each stream in one beat."""
        return len(self.sums or self.streams[0])

    @property
    def transfer(self) -> Transfer:
        """Values a beat and beats, whatever the values are."""
        return Transfer(self.count, self.beats, self.length, self.channels)

    @property
    def pixel(self) -> int:
        """Values of a vector, or of a pixel of an image."""
        return self.transfer.pixel

    @property
    def pixel_beats(self) -> int:
        """Beats of a vector, or of a pixel of an image."""
        return self.transfer.pixel_beats

    def places(self, total: int) -> IntArray:
        """The number of the value at every place of every beat: :meth:`Transfer.places`."""
        return self.transfer.places(total)

    @property
    def layout(self) -> data.StructLayout:
        """A struct of streams "0", "1" ..., each a struct of values "0", "1" ..."""
        vectors = [[unsigned(address.width) for address in stream] for stream in self.streams]
        if self.sums:
            vectors = [[shape_of(format) for format in self.sums]]
        return vector_layout([vector_layout(shapes) for shapes in vectors])


class Stage(Component):
    """A part of a network between two streams, which it may stall and be stalled by.

    Sub-classes document the layers that they compute, and the ports that they add to these.

    Parameters
    ----------
    inputs, outputs
        The two payloads.
    **members
        Further ports, of the few stages that have some.

    Members
    -------
    i : In(stream of inputs.layout)
    o : Out(stream of outputs.layout)
    """

    def __init__(self, inputs: Payload, outputs: Payload, **members: Member) -> None:
        self._inputs = inputs
        self._outputs = outputs
        super().__init__(
            {
                "i": In(stream.Signature(inputs.layout)),
                "o": Out(stream.Signature(outputs.layout)),
                **members,
            }
        )

    @property
    def inputs(self) -> Payload:
        """The payload that it takes."""
        return self._inputs

    @property
    def outputs(self) -> Payload:
        """The payload that it gives."""
        return self._outputs

    @property
    @abstractmethod
    def latency(self) -> int:
        """Clock edges from the one that accepts an input (its last beat) to its output's.

        From idle, without stalls. An output of several beats counts by its last.
        """

    @property
    @abstractmethod
    def initiation_interval(self) -> int:
        """Clocks between two inputs (vectors or images) in steady state, when nothing stalls it.

        A stage keeps it whatever its neighbours do, so that a chain's is the largest of them.
        """

    @abstractmethod
    def clocks(self) -> tuple[Formula, Formula]:
        """The interval and the latency as formulas of sizes, with the numbers in them."""

    @property
    def costs(self) -> HardwareCosts:
        """What it is made of, without building it.

        Raises
        ------
        InputError
            If a sub-class does not say it.
        """
        raise InputError(
            f"There are no costs of {type(self).__name__}, so designs with one cannot be "
            "modelled: give it a property 'costs', or estimate by synthesis"
        )

    @abstractmethod
    def pace(self) -> Pace:
        """A fresh model of the handshake, to be simulated clock by clock."""

    def beat_pace(self) -> Pace:
        """The pace of a stage that makes a result of its beats, and is stalled as a whole."""
        return BeatPace(self.inputs.beats, self.initiation_interval, self.latency)

    @property
    def is_wires(self) -> bool:
        """True where no register is between its ends; a latency of 0 alone does not say so.

        (The last window of an image may be complete before its last pixel.)
        """
        return False

    @property
    def reads_windows(self) -> bool:
        """True where the rhythm of its input decides when its outputs come: it waits for rows."""
        return False

    @property
    def waits_for_words(self) -> bool:
        """True where windows may wait for their words even if these come at every clock."""
        return False

    @property
    def holds_vectors(self) -> bool:
        """True where a vector is kept while the next one comes in, so that rhythms end here."""
        return (self.inputs.length, self.outputs.length) != (None, None)


class BeatStage(Stage):
    """A stage that takes a beat a clock: its interval is the beats that come."""

    @property
    def initiation_interval(self) -> int:
        """A clock per beat."""
        return self.inputs.beats

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock per beat, and those of its registers."""
        return Formula.of(self.inputs.beats), Formula.of(self.latency)
