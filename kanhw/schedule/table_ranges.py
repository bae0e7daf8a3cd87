"""Code ranges moved from where codes are made into the folded tables that they address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np

from kanhw.formats import IntArray
from kanhw.program import (
    ConvolutionLayer,
    InputEncoder,
    Interval,
    Program,
    ProgramLayer,
    Requantizer,
)
from kanhw.schedule.layer_layouts import edges_of, is_folded, layout_of, window_of
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

__all__ = ["ranges_in_tables"]


class _WithTables(Protocol):
    """A layer whose edges have tables of their own."""

    def clamped(self, addresses: tuple[Interval, ...]) -> ProgramLayer:
        """The same layer of addresses that are limited to these."""


def ranges_in_tables(program: Program, schedule: Schedule) -> Program:
    """The same function, where folded tables contain the ranges of the codes that they read.

    The codes need no clamp where they are made: they have all codes of their format, and the tables
    repeat the entries at the ends of what was a range. That costs nothing where every edge has
    tables of its own. Codes that something else reads too keep their ranges, and so do those of
    networks with heads. (Unrolled tables contain ranges by their addresses:
    :class:`kanhw.gateware.parts.address.Address`.)

    Parameters
    ----------
    program
        The network; every declared width stays as it is.
    schedule
        Which says what is folded.
    """
    if not program.ranged or program.encoders is not None:
        return program
    made, grid = list(program.layers), program.grid
    for number, layer in enumerate(program.layers):
        if not is_folded(layer, schedule) or not layout_of(edges_of(layer)).own_tables:
            continue
        before = program.layers[number - 1].requantizers if number else (grid,)
        moved = [
            stream
            for stream in set(layer.streams) - set(layer.passes)
            if stream < len(before) and before[stream].ranged
        ]
        if not moved:
            continue
        ends = tuple(
            _addresses(before[stream]) if stream in moved else _all(layer.n_in, depth)
            for stream, depth in zip(layer.streams, layer.depths, strict=True)
        )
        made[number] = _clamped(made[number], ends)
        if number:
            made[number - 1] = _without_ranges(made[number - 1], moved)
        else:
            grid = replace(grid, lo=None, hi=None)
    if all(mine is theirs for mine, theirs in zip(made, program.layers, strict=True)):
        return program
    if program.conversion is None:
        return replace(program, layers=tuple(made), input=grid)
    return replace(
        program, layers=tuple(made), conversion=replace(program.conversion, codes=grid)
    )


def _addresses(maker: InputEncoder | Requantizer) -> Interval:
    """The table addresses of values with ranges."""
    if maker.format is None:
        raise TypeError("sums that leave a network have no addresses")
    lo, hi = maker.code_ends
    return Interval(lo - maker.format.lo, hi - maker.format.lo)


def _all(count: int, depth: int) -> Interval:
    return Interval(np.zeros(count, np.int64), np.full(count, depth - 1, np.int64))


def _clamped(layer: ProgramLayer, ends: tuple[Interval, ...]) -> ProgramLayer:
    """A layer, or that of its windows, whose tables limit addresses to ``[n_in]`` ends."""
    edges, window = edges_of(layer), window_of(layer)
    if window is not None:
        # All positions of a channel are alike; taps are in the order channel, row, column.
        times = edges.n_in // window.shape[0]
        ends = tuple(Interval(*(_by_tap(e, window, times) for e in (i.lo, i.hi))) for i in ends)
    return _with_edges(layer, cast(_WithTables, edges).clamped(ends))


def _by_tap(end: IntArray, window: Window, times: int) -> IntArray:
    return end.reshape(window.shape[0], -1)[:, 0].repeat(times)


def _without_ranges(layer: ProgramLayer, streams: Collection[int]) -> ProgramLayer:
    """A layer some of whose requantizers give all codes of their formats."""
    edges = edges_of(layer)
    joins = tuple(
        replace(join, lo=None, hi=None) if number in streams else join
        for number, join in enumerate(edges.requantizers)
    )
    fields: dict[str, Any] = {"requantizers": joins}
    return _with_edges(layer, replace(edges, **fields))


def _with_edges(layer: ProgramLayer, edges: Any) -> ProgramLayer:
    """A layer with other edges: its own, or those of one window of it."""
    if edges_of(layer) is layer:
        return cast(ProgramLayer, edges)
    return replace(cast(ConvolutionLayer, layer), taps=edges)
