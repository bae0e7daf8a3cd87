"""From a Program and a schedule to planned stages: all that back ends, costs and clocks share."""

from __future__ import annotations

from itertools import groupby

from kanhw.errors import InputError
from kanhw.program import Program, ProgramLayer
from kanhw.schedule.code_streams import inputs_as_codes, streams_as_codes
from kanhw.schedule.fold import Fold
from kanhw.schedule.layer_fold import codes_a_beat, fold_layer, input_transfer
from kanhw.schedule.layer_layouts import (
    LINE_BUFFERS,
    PIPELINE,
    is_folded,
    is_pipelined,
    layout_of,
    unrolled_stage,
    window_of,
)
from kanhw.schedule.planned_stage import Layout, PlannedStage
from kanhw.schedule.raster import Raster
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.table_ranges import ranges_in_tables
from kanhw.schedule.transfer import Transfer
from kanhw.windows import Window

__all__ = ["lay_out", "planned_alone"]


def lay_out(program: Program, schedule: Schedule) -> Layout:
    """The stages of a Program, in order; neighbours that are pipelines become one stage.

    Raises
    ------
    InputError
        If nothing says how layers of some kind are laid out, a layer is always folded and the
        schedule is not, images come behind vectors, or the schedule names a layer that is not
        there.
    """
    _check_names(program, schedule)
    program = ranges_in_tables(program, schedule)
    first = program.layers[0]
    parallel = schedule.parallel(first.name) if is_folded(first, schedule) else None
    inputs = input_transfer(first, parallel)
    plan = _Plan(program, schedule, inputs)
    if program.conversion is not None:
        plan.append("input_conversion", inputs)
    elif program.input.ranged:
        plan.append(
            "input_ranges", inputs, as_codes=((inputs_as_codes(program.layers, schedule.folded),),)
        )
    # Neighbours that take a vector at every clock become one stage; every other layer is one.
    runs = [
        (pipelined, list(run))
        for pipelined, run in groupby(
            range(len(program.layers)),
            key=lambda index: is_pipelined(program.layers[index], schedule),
        )
    ]
    for number, (pipelined, run) in enumerate(runs):
        if pipelined:
            plan.append_pipeline(run, argmax=program.argmax and number == len(runs) - 1)
            continue
        for index in run:
            plan.append_layer(index, after=index + 1 if index + 1 in run else None)
    plan.append_end(argmax=program.argmax and not runs[-1][0])
    return Layout(inputs, tuple(plan.stages), program)


def planned_alone(
    layer: ProgramLayer, schedule: Schedule, parallel: tuple[int, int]
) -> PlannedStage:
    """The stage of one layer by itself, for weighing folds before the others are chosen.

    Its input comes as it takes it, and its outputs leave as suits it best.

    Parameters
    ----------
    layer
        Of a Program.
    schedule
        Which says whether such layers are folded.
    parallel
        Inputs and outputs at a time if they are.
    """
    if not is_folded(layer, schedule):
        kind, inputs = unrolled_stage(layer), input_transfer(layer, None)
        return PlannedStage(kind, inputs, _outputs(layer), slots=_slots(kind, layer))
    fold, windows = fold_layer(layer, parallel)
    inputs = input_transfer(layer, parallel)
    if windows is not None and windows.pixel_beats > 1:
        inputs = inputs.split(windows.channels)
    kind, outputs = str(layout_of(layer).folded), _folded_outputs(fold, window_of(layer))
    return PlannedStage(kind, inputs, outputs, fold=fold, windows=windows)


class _Plan:
    """A layout under construction: the stages so far, and the transfer behind the last.

    A layer states how it wants its codes (a vector in one beat, whole pixels, some codes a beat);
    if they do not come so, a stage that collects, splits or gathers them goes in between.
    """

    def __init__(self, program: Program, schedule: Schedule, inputs: Transfer) -> None:
        self._layers = program.layers
        self._schedule = schedule
        self._as_codes = [
            streams_as_codes(program.layers, index, schedule.folded)
            for index in range(len(program.layers))
        ]
        self._at = inputs
        self.stages: list[PlannedStage] = []

    def append(
        self, kind: str, outputs: Transfer, *, as_codes: tuple[tuple[bool, ...], ...] = ()
    ) -> None:
        """One more stage that computes no layer."""
        self.stages.append(PlannedStage(kind, self._at, outputs, as_codes=as_codes))
        self._at = outputs

    def append_pipeline(self, layers: list[int], *, argmax: bool) -> None:
        """Neighbours that take a vector at every clock, as one stage."""
        self._as_vector()
        count = self._layers[layers[-1]].n_out if layers else self._at.count
        self._append_layers(PIPELINE, Transfer(1 if argmax else count), *layers, argmax=argmax)

    def append_layer(self, index: int, after: int | None) -> None:
        """A layer that is a stage of its own, and which of the next layers takes turns as well."""
        layer = self._layers[index]
        window = window_of(layer)
        if window is not None:
            self._check_image(layer, window)
        if is_folded(layer, self._schedule):
            self._append_folded(index, after)
            return
        kind = unrolled_stage(layer)
        if kind == "pooling" and window is not None and window.size == window.shape[1:]:
            if self._at.channels is not None:
                # Parts of pixels are pooled as they come.
                outputs = Transfer(self._at.count, self._at.pixel_beats, length=layer.n_out)
                self._append_layers("folded_pooling", outputs, index)
                return
            kind = "global_pooling"
        if window is None:
            self._as_vector()
        else:
            self._as_pixels()
        self._append_layers(kind, _outputs(layer), index)

    def append_end(self, *, argmax: bool) -> None:
        """The stages that bring the last layer's outputs into beats for the user, and rank them."""
        if self._at.channels is not None:
            self._as_pixels()
        if not argmax:
            return
        if self._at.length is not None and self._at.count == 1:
            self._append_layers("serial_argmax", Transfer(1), argmax=True)
            return
        self.append_pipeline([], argmax=True)

    def _append_layers(
        self, kind: str, outputs: Transfer, *layers: int, argmax: bool = False
    ) -> None:
        as_codes = tuple(self._as_codes[index] for index in layers)
        slots = max((_slots(kind, self._layers[index]) for index in layers), default=0)
        stage = PlannedStage(kind, self._at, outputs, layers, as_codes, slots=slots, argmax=argmax)
        self.stages.append(stage)
        self._at = outputs

    def _append_folded(self, index: int, after: int | None) -> None:
        layer = self._layers[index]
        parallel, window = self._schedule.parallel(layer.name), window_of(layer)
        # A layer of vectors behind an image takes its pixels as they come, some codes or some
        # pixels a beat: its parameters are put into that order, and nothing gathers the image.
        channels = self._at.pixel if self._at.pixels > 1 else None
        self._as_beats_of(codes_a_beat(layer, parallel[0], channels))
        image = window is not None and window.positions > 1
        fold, windows = fold_layer(
            *(layer, parallel),
            consumer_codes=self._consumer_codes(after, _channels_behind(layer) if image else None),
            order=self._at.places(layer.n_in) if window is None else None,
        )
        outputs = _folded_outputs(fold, window)
        kind = str(layout_of(layer).folded)
        self.stages.append(
            PlannedStage(kind, self._at, outputs, (index,), (self._as_codes[index],), fold, windows)
        )
        self._at = outputs

    def _consumer_codes(self, after: int | None, channels: int | None) -> int | None:
        """Codes a beat of a folded layer behind vectors, or behind pixels of so many channels."""
        if after is None or not is_folded(self._layers[after], self._schedule):
            return None
        layer = self._layers[after]
        wanted = codes_a_beat(layer, self._schedule.parallel(layer.name)[0], channels)
        return wanted if channels is None else min(wanted, channels)

    def _as_pixels(self) -> None:
        """An image by whole pixels, or a whole vector, collected by one stage more if need be."""
        if self._at.count != self._at.pixel:
            self.append("collect", self._at.collected(self._at.pixel))

    def _as_vector(self) -> None:
        """One vector in one beat."""
        self._as_pixels()
        if self._at.beats > 1:
            self.append("gather", self._at.gathered())

    def _as_beats_of(self, count: int) -> None:
        """``count`` codes a beat: of a vector or a pixel, or several whole pixels."""
        at = self._at
        if at.count == count:
            return
        # Larger beats of the same vector or pixel are collected at once; anything else goes by
        # whole vectors or pixels.
        divides = count % at.count == 0 or count == at.pixel
        if at.count < count <= at.pixel and divides:
            self.append("collect", at.collected(count))
            return
        self._as_pixels()
        if self._at.count == count:
            return
        if count < at.pixel:
            self.append("split", self._at.split(count))
        else:
            self.append("collect", self._at.collected(count))

    def _check_image(self, layer: ProgramLayer, window: Window) -> None:
        if self._at.pixels != window.shape[1] * window.shape[2]:
            raise InputError(
                f"Layer {layer.name!r}: an image of {window.shape} cannot come from a layer that "
                "hands out vectors: convolution and pooling must follow one another from the "
                "input on"
            )


def _slots(kind: str, layer: ProgramLayer) -> int:
    """Clocks that an image takes in the line buffer of a stage; 0 for a stage without one."""
    window = window_of(layer)
    return 0 if window is None or kind not in LINE_BUFFERS else Raster(window).interval


def _channels_behind(layer: ProgramLayer) -> int:
    """Values of a pixel that a layer of windows gives."""
    window = window_of(layer)
    return layer.n_out if window is None else layer.n_out // window.positions


def _outputs(layer: ProgramLayer) -> Transfer:
    """The outputs of a layer that is not folded: a vector, or an image by pixels."""
    window = window_of(layer)
    return Transfer(_channels_behind(layer), 1 if window is None else window.positions)


def _folded_outputs(fold: Fold, window: Window | None) -> Transfer:
    """The outputs of a folded layer: some values a beat of a vector, or of pixel after pixel."""
    length = fold.n_out if fold.out_beats > 1 else None
    if window is None or window.positions == 1:
        return Transfer(fold.lanes, fold.out_beats, length)
    return Transfer(fold.lanes, fold.out_beats * window.positions, channels=length)


def _check_names(program: Program, schedule: Schedule) -> None:
    known = [layer.name for layer in program.layers if is_folded(layer, schedule)]
    for name in schedule.named:
        if name not in known:
            raise InputError(
                f"The schedule names layer {name!r}, but the layers that can be folded are "
                f"{', '.join(map(repr, known)) or 'none'}"
            )
    unrolled = [layer.name for layer in program.layers if layer.name not in known]
    for name in schedule.registered:
        if name not in unrolled:
            raise InputError(
                f"table_registers names layer {name!r}, but the layers that are unrolled are "
                f"{', '.join(map(repr, unrolled)) or 'none'}"
            )
