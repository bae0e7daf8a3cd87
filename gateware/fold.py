"""How a fully connected layer is spread over clocks: which inputs and outputs meet when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray

__all__ = ["Fold", "fold_of"]


@dataclass(frozen=True)
class Fold:
    """A layer in ``groups`` x ``beats`` steps, a clock each.

    The outputs are computed in groups. During a group all inputs pass by, some of them a beat; then
    its sums wait in registers, from which a few a clock are requantized and handed on while the
    next group is computed.

    Parameters
    ----------
    n_in, n_out
        Of the layer.
    parallel_inputs
        Inputs of a beat, at most n_in.
    parallel_outputs
        Outputs of a group, at most n_out.
    lanes
        Outputs that are handed on per clock; a divisor of ``parallel_outputs``, and so many that
        a group is gone before the next is finished.
    image
        Whether the inputs are an image pixel by pixel, ordered channel, row, column, rather than a
        vector in order.
    """

    n_in: int
    n_out: int
    parallel_inputs: int
    parallel_outputs: int
    lanes: int = 1
    image: bool = False

    def __post_init__(self) -> None:
        for name, most in (
            ("parallel_inputs", self.n_in),
            ("parallel_outputs", self.n_out),
            ("lanes", self.parallel_outputs),
        ):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"{name} must be 1 to {most}, not {getattr(self, name)}")
        if self.parallel_outputs % self.lanes:
            raise InputError(
                f"lanes must divide the {self.parallel_outputs} outputs of a group, not be "
                f"{self.lanes}"
            )
        if self.rows > self.beats:
            raise InputError(
                f"{self.lanes} lanes hand on {self.parallel_outputs} outputs in {self.rows} "
                f"clocks, but there are {self.beats} until the next: use more lanes"
            )
        if self.image and self.n_in % self.parallel_inputs:
            raise InputError(
                f"An image of {self.n_in} values has no pixels of {self.parallel_inputs} channels"
            )

    @property
    def beats(self) -> int:
        """Beats of a vector."""
        return -(-self.n_in // self.parallel_inputs)

    @property
    def groups(self) -> int:
        """Groups of outputs."""
        return -(-self.n_out // self.parallel_outputs)

    @property
    def steps(self) -> int:
        """Clocks that a vector takes, and clocks per vector: handing on never takes longer."""
        return self.beats * self.groups

    @property
    def rows(self) -> int:
        """Clocks that it takes to hand on a group; the last may be smaller."""
        return self.parallel_outputs // self.lanes

    @property
    def out_beats(self) -> int:
        """Beats in which the outputs leave."""
        return -(-self.n_out // self.lanes)

    @property
    def last_rows(self) -> int:
        """Clocks that it takes to hand on the last group."""
        return self.out_beats - (self.groups - 1) * self.rows

    @cached_property
    def inputs(self) -> IntArray:
        """Which input each lane of each beat holds, ``[beats, parallel_inputs]``; -1 for none."""
        if self.image:
            return np.arange(self.n_in).reshape(self.parallel_inputs, self.beats).T
        return _rows_of(self.n_in, self.parallel_inputs)

    @cached_property
    def outputs(self) -> IntArray:
        """Which outputs each group has, ``[groups, parallel_outputs]``; -1 for none."""
        return _rows_of(self.n_out, self.parallel_outputs)

    @cached_property
    def handed(self) -> IntArray:
        """Which outputs leave in each beat, ``[out_beats, lanes]``; -1 for none."""
        return _rows_of(self.n_out, self.lanes)


def fold_of(
    n_in: int, n_out: int, parallel: tuple[int, int], *, taker: int | None = None, image: int = 0
) -> Fold:
    """The fold of a layer for a wish of parallel inputs and outputs.

    Outputs are spread evenly over their groups, and handed on by no more lanes than keep up.

    Parameters
    ----------
    n_in, n_out
        Of the layer.
    parallel
        Inputs and outputs at a time; more than there are means all of them.
    taker
        How many codes a beat the next stage takes; lanes that divide it are preferred, since
        others need the whole vector to be collected in between.
    image
        Channels of the image that the inputs are; 0 for a vector.
    """
    inputs = image or min(parallel[0], n_in)
    groups = -(-n_out // min(parallel[1], n_out))
    outputs = -(-n_out // groups)
    least = -(-outputs // -(-n_in // inputs))
    quick = [lanes for lanes in range(least, outputs + 1) if outputs % lanes == 0]
    fitting = [lanes for lanes in quick if taker is not None and taker % lanes == 0]
    return Fold(n_in, n_out, inputs, outputs, (fitting or quick)[0], bool(image))


def _rows_of(count: int, width: int) -> IntArray:
    rows = np.full((-(-count // width), width), -1, np.int64)
    rows.ravel()[:count] = np.arange(count)
    return rows
