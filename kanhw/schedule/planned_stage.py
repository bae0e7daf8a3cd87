"""A stage before it is built, and the layout that a Program becomes under a schedule."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.program import Program
from kanhw.schedule.fold import Fold
from kanhw.schedule.transfer import Transfer
from kanhw.schedule.window_fold import WindowFold

__all__ = ["Layout", "PlannedStage"]


@dataclass(frozen=True, eq=False)
class PlannedStage:
    """A stage before it is built: its kind, layers, beats and fold.

    Parameters
    ----------
    kind
        By which a back end finds what builds it. ``pipeline``, ``layer_norm``, ``convolution``,
        ``pooling``, ``global_pooling``, ``folded``, ``resident``, ``folded_convolution`` and
        ``folded_pooling`` compute layers; ``input_ranges`` clamps what comes in, and
        ``input_conversion`` makes the network's codes of it; ``collect``,
        ``split`` and ``gather`` bring codes into other beats; ``serial_argmax`` gives an index.
    inputs, outputs
        How vectors or images come and go.
    layers
        Numbers of the layers of the Program that it computes, in order.
    as_codes
        Of each of them, which streams behind it must be codes rather than raw sums: its own, then
        those that it passes on. Of ``input_ranges``, whether the input must be.
    fold
        Which inputs and outputs meet when; None where edges do not take turns.
    windows
        How a folded layer reads the windows of an image; None for a layer of vectors.
    slots
        Clocks that an image takes in a line buffer; 0 without one.
    argmax
        Whether the index of the largest output leaves in place of the outputs.
    """

    kind: str
    inputs: Transfer
    outputs: Transfer
    layers: tuple[int, ...] = ()
    as_codes: tuple[tuple[bool, ...], ...] = ()
    fold: Fold | None = None
    windows: WindowFold | None = None
    slots: int = 0
    argmax: bool = False

    @property
    def layer(self) -> int:
        """The number of its only layer."""
        (only,) = self.layers
        return only

    @property
    def folds(self) -> Fold:
        """Its fold; only of a stage whose edges take turns."""
        if self.fold is None:
            raise TypeError(f"a stage of kind {self.kind!r} has no fold")
        return self.fold

    @property
    def reads(self) -> WindowFold:
        """The order in which it reads windows; only of a folded stage of images."""
        if self.windows is None:
            raise TypeError(f"a stage of kind {self.kind!r} reads no windows by turns")
        return self.windows

    @property
    def interval(self) -> int:
        """Clocks between two vectors or images, for hardware of a beat, step or slot a clock.

        A layer norm may take longer, for its root, and so may folded windows that wait for words.
        """
        steps = 0 if self.fold is None else self.fold.steps
        positions = 1 if self.windows is None else self.windows.window.positions
        return max(steps * positions, self.slots, self.inputs.beats, self.outputs.beats)


@dataclass(frozen=True, eq=False)
class Layout:
    """The stages of a Program under a schedule, one behind the other.

    Parameters
    ----------
    inputs
        How the network's input comes.
    stages
        In order.
    program
        What they compute, layer by layer: the Program that was laid out, or one that equals it and
        whose folded tables contain code ranges.
    """

    inputs: Transfer
    stages: tuple[PlannedStage, ...]
    program: Program

    @property
    def outputs(self) -> Transfer:
        """Values a beat and beats of the network's output."""
        return self.stages[-1].outputs if self.stages else self.inputs
