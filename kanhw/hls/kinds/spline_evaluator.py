"""B-splines by arithmetic: cell and place of a code, the live functions, banks of coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.formats import IntArray
from kanhw.hls.costs.operators import adder, choice, comparison, multiplexer_of, product
from kanhw.hls.cpp.constants import literal
from kanhw.hls.cpp.source import loop
from kanhw.hls.cpp.types import bits_of
from kanhw.hls.kinds.basis_table import kind_index
from kanhw.hls.kinds.site import EdgeSite
from kanhw.program import SplineEvaluatorLayer
from kanhw.program.functions.splines import mirrored_columns, piece_polynomials

__all__ = ["spline_evaluator"]


def spline_evaluator(site: EdgeSite) -> list[str]:
    """Statements that add up coefficients times the live functions, and weights times curves.

    The functions of a cell are neighbours, so function k is in bank k mod (p + 1): every bank gives
    one coefficient a step. Which row of a bank and which of the live functions meet, two tables
    say by the cell, since remainders are slow in hardware.
    """
    layer: Any = site.layer
    order, splines = layer.splines.order, layer.splines
    banks = order + 1
    # A cell in front of the first function's, or behind the last one's, has none: one stands
    # for all. Functions are counted from that first cell's lowest.
    lowest, highest = -1, layer.count + order
    cells = np.arange(lowest, highest + 1) - lowest
    weights = site.by_edge("COEFFICIENTS", _banked)
    first_bank = site.source.table(f"{site.name.upper()}_FIRST_BANK", cells % banks)
    first_row = site.source.table(f"{site.name.upper()}_FIRST_ROW", cells // banks)
    types = site.source.types
    ends = [
        int(end)
        for a in (0, (1 << splines.width) - 1)
        for end in (splines.multipliers * a + splines.offsets)
    ]
    position = types.holding(*ends, lowest, highest)
    value = types.holding(0, int(splines.pieces.max()))
    bank = (
        f"({weights.at('j', 'i', site.row, 'b', 'first_row[i] + (b < first_bank[i] ? 1 : 0)')})"
        " * functions[i][b]"
    )
    fraction = splines.fraction_bits
    wide, live = bits_of(position), bits_of(value)
    site.counts_terms(0, (weights.bits, live), banks)
    site.counts_each_input(
        *(product(splines.width, _bits(splines.multipliers)), adder(wide)),
        *(comparison(wide), comparison(wide), choice(wide), choice(wide)),
        *([multiplexer_of(banks)] * banks),
    )
    body = [
        (
            f"const {position} position = "
            f"({_factor(site)} * {site.addresses(0)}[i] + {_offset(site)}) >> {splines.shift};"
        ),
        f"{position} cell = position >> {fraction};",
        f"const {types.bits(fraction, signed=False)} place = position & {(1 << fraction) - 1};",
        f"cell = clamped<{position}>(cell, {lowest}, {highest});",
        f"const int own = (int)cell + {-lowest};",
        f"first_bank[i] = {first_bank.name}[own];",
        f"first_row[i] = {first_row.name}[own];",
        f"{value} live[{banks}];",
        *_pieces(site, layer),
        # Live function r is in the bank r places behind the first one's.
        *loop(
            "b",
            banks,
            [
                "const int r = (int)b - (int)first_bank[i];",
                f"functions[i][b] = live[r < 0 ? r + {banks} : r];",
            ],
            "UNROLL",
        ),
    ]
    return [
        *_position_tables(site),
        *site.source.stored(weights, (1, 2, weights.values.ndim - 1)),
        *site.source.stored(first_bank, (), readers=site.ins),
        *site.source.stored(first_row, (), readers=site.ins),
        f"{value} functions[{site.ins}][{banks}];",
        f"int first_bank[{site.ins}], first_row[{site.ins}];",
        *site.source.partitioned("functions", (1, 2)),
        *site.source.partitioned("first_bank", (1,)),
        *site.source.partitioned("first_row", (1,)),
        *site.each_input(*body),
        *site.each_edge(*loop("b", banks, [f"sums.spline[j] += {bank};"], "UNROLL")),
        *_base(site, layer),
    ]


def _banked(layer: Any) -> IntArray:
    """Coefficients ``[n_out, n_in, bank, row]``; functions that there are not are zeros."""
    order, count = layer.splines.order, layer.count
    banks = order + 1
    # Functions are k = cell - p + r; the first cell of all is -1.
    lowest, highest = -1 - order, count + order
    rows = -(-(highest - lowest + 1) // banks) + 1
    all_of_them = np.zeros((*layer.coefficients.shape[:2], rows * banks), np.int64)
    all_of_them[:, :, -lowest : -lowest + count] = layer.coefficients
    banked: IntArray = all_of_them.reshape(*all_of_them.shape[:2], rows, banks).swapaxes(2, 3)
    return banked


def _bits(values: IntArray) -> int:
    """Of the widest of these values, with a sign."""
    return int(np.abs(values).max()).bit_length() + 1


def _uniform(values: IntArray) -> bool:
    return bool((values == values[0]).all())


def _position_tables(site: EdgeSite) -> list[str]:
    layer: Any = site.layer
    lines = []
    for name, values in (
        ("MULTIPLIERS", layer.splines.multipliers),
        ("OFFSETS", layer.splines.offsets),
    ):
        if not _uniform(values):
            lines += site.source.stored(site.by_input(name, values), (1,))
    return lines


def _constant(site: EdgeSite, name: str, values: IntArray) -> str:
    type_ = site.source.types.holding(int(values.min()), int(values.max()), 0)
    if _uniform(values):
        return f"({type_}){literal(int(values[0]))}"
    beat = f"[{site.beat}]" if site.beat else ""
    return f"({type_}){site.name.upper()}_{name}[i]{beat}"


def _factor(site: EdgeSite) -> str:
    layer: Any = site.layer
    return _constant(site, "MULTIPLIERS", layer.splines.multipliers)


def _offset(site: EdgeSite) -> str:
    layer: Any = site.layer
    return _constant(site, "OFFSETS", layer.splines.offsets)


def _pieces(site: EdgeSite, layer: SplineEvaluatorLayer) -> list[str]:
    """Statements that compute the live functions of a place."""
    splines, types = layer.splines, site.source.types
    order, f = splines.order, splines.fraction_bits
    if splines.table is not None:
        site.counts_each_input(adder(f + 1))
        columns = mirrored_columns(order)
        table = site.source.table(f"{site.name.upper()}_PIECES", splines.table)
        end = types.bits(f + 1, signed=False)
        return [
            *site.source.stored(table, (2,), readers=2 * site.ins),
            f"const {end} back = {1 << f} - (int)place;",
            *(
                f"live[{r}] = "
                + table.at(*(("place", str(r)) if r < columns else ("back", str(order - r))))
                + ";"
                for r in range(order + 1)
            ),
        ]
    scale = splines.scale
    power = types.holding(0, scale)
    half = 1 << (f - 1)
    lines = [f"{power} power[{order + 1}];", f"power[0] = {literal(scale)};"]
    wide = types.holding(0, scale * ((1 << f) - 1) + half)
    site.counts_each_input(*[product(bits_of(power), f), adder(bits_of(wide))] * order)
    lines += loop(
        "d",
        order,
        [
            f"const {wide} product = power[d] * place;",
            f"power[d + 1] = (product + ({wide}){half}) >> {f};",
        ],
        "UNROLL",
    )
    pieces = piece_polynomials(order)
    guard = splines.guard_bits
    rounding = 1 << (guard - 1) if guard else 0
    reach = max(sum(abs(c) for c in piece) for piece in pieces) * scale + rounding
    total = types.holding(-reach, reach)
    for r, piece in enumerate(pieces):
        terms = [(c, d) for d, c in enumerate(piece) if c]
        lines.append(f"{total} sum{r} = {rounding};")
        site.counts_each_input(
            *(product(bits_of(power), abs(c).bit_length() + 1) for c, _ in terms if abs(c) > 1),
            *[adder(bits_of(total))] * len(terms),
        )
        lines += [f"sum{r} += ({types.holding(c, 0)}){literal(c)} * power[{d}];" for c, d in terms]
        lines.append(f"live[{r}] = sum{r} >> {guard};")
    return lines


def _base(site: EdgeSite, layer: Any) -> list[str]:
    """Statements that add the base branch: curves through every 2**l-th code, lines between."""
    if not layer.base_weights.any():
        return []
    curves, types = layer.base, site.source.types
    points = site.source.table(f"{site.name.upper()}_BASE_POINTS", curves.tables)
    weights = site.by_edge("BASE_WEIGHTS", lambda own: own.base_weights[:, :, 0])  # type: ignore[attr-defined]
    kind, more = kind_index(site, "BASE_INDEX", curves.index)
    low, guard = curves.fraction_bits, curves.guard_bits
    address = f"{site.addresses(1)}[i]"
    reach = int(np.abs(curves.tables).max())
    shift = low + guard
    rounding = 1 << (shift - 1) if shift else 0
    wide = types.holding(-(3 * reach << low) - rounding, (3 * reach << low) + rounding)
    values = types.holding(int(curves.values.min()), int(curves.values.max()))
    site.counts_terms(1, (weights.bits, bits_of(values)))
    site.counts_each_input(
        adder(points.bits + 1), product(points.bits + 1, low + 1), adder(bits_of(wide))
    )
    body = [
        f"const int point = (int)({address} >> {low});",
        f"const {points.value_type} here = {points.at(kind, 'point')};",
        f"const {points.value_type} next = {points.at(kind, 'point + 1')};",
        f"const {wide} slope = next - here;",
        f"{wide} raised = here;",
        (
            f"raised = (raised << {low}) + slope * ({types.bits(low + 1)})({address} & "
            f"{(1 << low) - 1}) + {literal(rounding)};"
        ),
        f"curve[i] = raised >> {shift};",
    ]
    return [
        *site.source.stored(weights, (1, 2)),
        *site.source.stored(points, (), readers=2 * site.ins),
        *more,
        f"{values} curve[{site.ins}];",
        *site.source.partitioned("curve", (1,)),
        *site.each_input(*body),
        *site.each_edge(f"sums.base[j] += ({weights.at('j', 'i', site.row)}) * curve[i];"),
    ]
