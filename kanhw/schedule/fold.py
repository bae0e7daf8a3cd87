"""The fold of a layer: the clocks over which it is spread, and the inputs and outputs of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.schedule.formula import Formula

__all__ = ["Fold", "fold_of", "rows_of"]


@dataclass(frozen=True, eq=False)
class Fold:
    """A layer in ``groups`` x ``beats`` steps, a clock each.

    The outputs are computed in groups. During a group all inputs pass by, some of them a beat; then
    its sums wait in registers, from which a few a clock are requantized and handed on while the
    next group is computed. With 6 inputs, 2 at a time, and 4 outputs, 2 at a time:

        step      0     1     2     3     4     5
        group     0     0     0     1     1     1
        inputs   0 1   2 3   4 5   0 1   2 3   4 5
        outputs  0 1   0 1   0 1   2 3   2 3   2 3

    which leaves 3 clocks to hand on the 2 outputs of a group: one lane is enough.

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
    order
        Which input each lane of each beat holds, ``[beats, parallel_inputs]``, -1 for none; every
        input once. None takes a vector in order.
    padded
        Whether inputs may be absent, as taps outside of an image are. A flag beside a lane's code
        says so; it then adds nothing.
    """

    n_in: int
    n_out: int
    parallel_inputs: int
    parallel_outputs: int
    lanes: int = 1
    order: IntArray | None = None
    padded: bool = False

    def __post_init__(self) -> None:
        self._check_order()
        for name, most in (
            ("parallel_inputs", self.n_in if self.order is None else self.parallel_inputs),
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

    def _check_order(self) -> None:
        if self.order is None:
            return
        held = np.sort(self.order[self.order >= 0])
        if self.order.shape[1] != self.parallel_inputs or held.tolist() != list(range(self.n_in)):
            raise InputError(
                f"The order must have {self.parallel_inputs} inputs a beat and each of the "
                f"{self.n_in} once"
            )

    @property
    def beats(self) -> int:
        """Beats of a vector."""
        return len(self.inputs)

    @property
    def groups(self) -> int:
        """Groups of outputs."""
        return -(-self.n_out // self.parallel_outputs)

    @property
    def steps(self) -> int:
        """Clocks that a vector takes, and clocks per vector: handing on never takes longer."""
        return self.beats * self.groups

    @property
    def clocks(self) -> Formula:
        """:attr:`steps` as a formula of the sizes."""
        beats = Formula.ceil(self.n_in, self.parallel_inputs)
        if beats.value != self.beats:
            # An image, of which a beat holds part of a pixel.
            beats = Formula.of(self.beats)
        return beats * Formula.ceil(self.n_out, self.parallel_outputs)

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
        """The input in each lane of each beat, ``[beats, parallel_inputs]``; -1 for none."""
        return rows_of(self.n_in, self.parallel_inputs) if self.order is None else self.order

    @cached_property
    def outputs(self) -> IntArray:
        """The outputs of each group, ``[groups, parallel_outputs]``; -1 for none."""
        return rows_of(self.n_out, self.parallel_outputs)

    @cached_property
    def handed(self) -> IntArray:
        """The outputs that leave in each beat, ``[out_beats, lanes]``; -1 for none."""
        return rows_of(self.n_out, self.lanes)


def fold_of(
    n_in: int,
    n_out: int,
    parallel: tuple[int, int],
    *,
    consumer_codes: int | None = None,
    order: IntArray | None = None,
    padded: bool = False,
) -> Fold:
    """The fold of a layer for so many inputs and outputs at a time, or fewer.

    Outputs are spread evenly over their groups (10 at 8 a time are two groups of 5), and handed on
    by the fewest lanes that are done with a group before the next, and suit ``consumer_codes``.

    Parameters
    ----------
    n_in, n_out
        Of the layer.
    parallel
        Inputs and outputs at a time; more than there are means all of them.
    consumer_codes
        Codes a beat that the stage behind takes; lanes that divide it are preferred, since others
        need the whole vector (or pixel) to be collected in between. None where it does not matter.
    order, padded
        As for :class:`Fold`; with an order, the parallel inputs are its.
    """
    inputs = min(parallel[0], n_in) if order is None else order.shape[1]
    beats = -(-n_in // inputs) if order is None else len(order)
    groups = -(-n_out // min(parallel[1], n_out))
    outputs = -(-n_out // groups)
    # A group must leave within the beats of the next; lanes divide it, so that rows are full.
    least = -(-outputs // beats)
    quick = [lanes for lanes in range(least, outputs + 1) if outputs % lanes == 0]
    fitting = [lanes for lanes in quick if consumer_codes and consumer_codes % lanes == 0]
    return Fold(n_in, n_out, inputs, outputs, (fitting or quick)[0], order, padded)


def rows_of(count: int, width: int) -> IntArray:
    """``count`` numbers in order in rows of ``width``, the last filled up with -1."""
    rows = np.full((-(-count // width), width), -1, np.int64)
    rows.ravel()[:count] = np.arange(count)
    return rows
