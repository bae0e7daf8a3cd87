"""Tables of one output that become one, their sum: which, and the widths of what they become.

Hardware merges by the LUTs of whole tables (:mod:`kanhw.gateware.unrolled.merged_tables`); this is
the same rule for widths that are reals. Of an output's tables, from few address bits to many, some
at a time, the two are merged that save most, then again, what was merged included, until nothing
saves enough. Tables of inputs that may be absent stay apart. That the widest table of an output may
cost less as a summand is left out of account, which never says too much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanhw.quant.fabric.cost import FabricCost, LayerWidths
from kanhw.quant.fabric.learned.tables import round_half_up
from kanhw.targets.table_costs import MERGED_BITS, TRIED, WORTH

__all__ = ["MERGED_EVERY", "Merging"]

MERGED_EVERY = 4
"""Steps of training until it is found anew which tables become one."""

_Floats = npt.NDArray[np.float32]
_Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Merging:
    """Merges tables where that is cheaper.

    Parameters
    ----------
    cost
        Of tables and summands.
    """

    cost: FabricCost

    def leaders(self, widths: LayerWidths, fractions: Tensor, padded: Tensor) -> Tensor:
        """``[S, n_out, n_in]``: the input whose edge stands for the table of each edge.

        Parameters
        ----------
        widths
            Of tables apart.
        fractions
            ``[S, n_out, n_in]``: fraction bits of every edge's table.
        padded
            ``[n_in]``: which inputs may be absent.
        """
        with torch.no_grad():
            bits = widths.address_bits
            reach = bits.clamp(max=1) * _reach_of(widths, fractions)
            free = (round_half_up(bits) > 0) & (reach > 0) & ~padded
            tables, adders = self.cost.of_tables(widths)
            given = (
                torch.where(free, bits, torch.inf),
                reach,
                torch.exp2(fractions),
                tables + adders,
            )
            found = _Candidates(self.cost, *map(_by_output, given)).leaders()
        return torch.from_numpy(found).reshape(bits.shape).to(bits.device)

    def merged(self, widths: LayerWidths, fractions: Tensor, leaders: Tensor) -> LayerWidths:
        """Widths of the tables that are left, each in the place of its leader, others 0.

        A table of several edges has the address bits of all, the finest of their steps, and
        reaches over the sum of what they reach over; an edge of less than one address bit counts
        by that part. Gradients flow to all of them.
        """
        nothing = torch.zeros_like(widths.address_bits)
        address = nothing.scatter_add(2, leaders, widths.address_bits)
        many = nothing.scatter_add(2, leaders, torch.ones_like(nothing)).gather(2, leaders) > 1
        there = torch.where(many, widths.address_bits.clamp(max=1), 1.0)
        finest = torch.full_like(nothing, -torch.inf).scatter_reduce(2, leaders, fractions, "amax")
        reach = nothing.scatter_add(2, leaders, there * _reach_of(widths, fractions))
        # No table, no step: 0 in any.
        finest = torch.where(torch.isinf(finest), 0.0, finest)
        bits = torch.log2(reach * torch.exp2(finest) + 1)
        return replace(widths, address_bits=address, output_bits=bits)


class _Candidates:
    """Tables of outputs, some of each output at a time: ``[B, n]``.

    Places of tables that are not to be merged, or were, have infinitely many address bits.
    """

    def __init__(
        self, cost: FabricCost, bits: _Floats, reach: _Floats, steps: _Floats, luts: _Floats
    ) -> None:
        self.cost = cost
        self.outputs, self.n_in = bits.shape
        order = np.argsort(bits, axis=1, kind="stable")
        # Some at a time, the last ones filled up with none.
        self.size = min(TRIED, self.n_in)
        more = -self.n_in % self.size
        self.order = np.pad(order, ((0, 0), (0, more))).reshape(-1, self.size)
        self.bits, self.reach, self.steps, self.luts = (
            np.pad(
                np.take_along_axis(own, order, 1), ((0, 0), (0, more)), constant_values=none
            ).reshape(-1, self.size)
            for own, none in ((bits, np.inf), (reach, 0), (steps, 1), (luts, 0))
        )
        self.slot: _Places = np.tile(np.arange(self.size), (len(self.bits), 1))

    def leaders(self) -> _Places:
        """``[outputs, n_in]``: the input of the table that each has become a part of."""
        rows = np.flatnonzero(np.isfinite(self.bits).sum(axis=1) > 1)
        every = np.arange(self.size)
        saved = self._saved(rows[:, None, None], every[:, None], every)
        saved[:, np.tri(self.size, dtype=bool)] = -np.inf
        while len(rows):
            best = saved.reshape(len(rows), -1).argmax(axis=1)
            a, b = np.divmod(best, self.size)
            worth = saved[np.arange(len(rows)), a, b] >= WORTH
            rows, saved, a, b = rows[worth], saved[worth], a[worth], b[worth]
            self._merge(rows, a, b)
            self._look(rows, saved, a, b)
        result = np.empty((self.outputs, self.n_in), np.int64)
        there = (np.arange(self.order.size) % (self.order.size // self.outputs)) < self.n_in
        leading = np.take_along_axis(self.order, self.slot, 1).reshape(-1)[there]
        own = self.order.reshape(-1)[there].reshape(self.outputs, self.n_in)
        np.put_along_axis(result, own, leading.reshape(self.outputs, self.n_in), 1)
        return result

    def _merge(self, rows: _Places, a: _Places, b: _Places) -> None:
        """Put the tables of places a and b into a."""
        made = self._both(rows, a, b)
        for name, values in zip(("bits", "reach", "steps", "luts"), made, strict=True):
            getattr(self, name)[rows, a] = values
        self.bits[rows, b] = np.inf
        slots = self.slot[rows]
        self.slot[rows] = np.where(slots == b[:, None], a[:, None], slots)

    def _look(self, rows: _Places, saved: _Floats, a: _Places, b: _Places) -> None:
        """Offers of what was made, in the places of those that are gone."""
        own = np.arange(len(rows))
        saved[own, b, :] = saved[own, :, b] = -np.inf
        every = np.arange(self.size)
        offers = self._saved(rows[:, None], a[:, None], every)
        behind = every > a[:, None]
        saved[own, a, :] = np.where(behind, offers, -np.inf)
        saved[own, :, a] = np.where(every < a[:, None], offers, -np.inf)

    def _saved(self, rows: _Places, a: _Places, b: _Places) -> _Floats:
        """What merging places a and b of rows saves."""
        bits, *_, luts = self._both(rows, a, b)
        saved = self.luts[rows, a] + self.luts[rows, b] - luts
        result: _Floats = np.where(bits <= MERGED_BITS, saved, -np.inf)
        return result

    def _both(self, rows: _Places, a: _Places, b: _Places) -> tuple[_Floats, ...]:
        """Address bits, reach, steps and LUTs of the sum of two."""
        bits = self.bits[rows, a] + self.bits[rows, b]
        reach = self.reach[rows, a] + self.reach[rows, b]
        steps = np.maximum(self.steps[rows, a], self.steps[rows, b])
        out = np.log2(reach * steps + np.float32(1))
        factor = np.interp(bits, np.arange(MERGED_BITS + 1), (0.0, *self.cost.table[:MERGED_BITS]))
        luts = factor * out + self.cost.adder * (out + self.cost.adder_offset)
        return bits, reach, steps, luts.astype(bits.dtype)


def _reach_of(widths: LayerWidths, fractions: Tensor) -> Tensor:
    """``[S, n_out, n_in]``: what tables reach over, as reals."""
    return (torch.exp2(widths.output_bits) - 1) * torch.exp2(-fractions)


def _by_output(values: Tensor) -> _Floats:
    """``[S * n_out, n_in]`` of ``[S, n_out, n_in]``."""
    return values.reshape(-1, values.shape[-1]).to("cpu", torch.float32).numpy()
