"""Products of codes."""

from __future__ import annotations

from typing import Any

from kanhw.hls.costs import operators
from kanhw.hls.cpp.constants import literal
from kanhw.hls.cpp.types import bits_of
from kanhw.hls.kinds.site import EdgeSite

__all__ = ["product"]


def product(site: EdgeSite) -> list[str]:
    """Statements that multiply the codes of every group, factor by factor."""
    layer: Any = site.layer
    types = site.source.types
    code_lo, code_hi = layer.lowest, layer.lowest + (1 << layer.width) - 1
    code = types.holding(code_lo, code_hi)
    lines = [f"{code} code[{site.ins}];"]
    lines += site.source.partitioned("code", (1,))
    address = site.addresses(0)
    lines += site.each_input(f"code[i] = {address}[i] + {literal(layer.lowest)};")
    site.counts_each_input(operators.adder(bits_of(code)))
    largest = max(abs(code_lo), abs(code_hi))
    for j, (group, shift) in enumerate(zip(layer.groups, layer.shifts, strict=True)):
        text, reach = f"code[{group[0]}]", largest
        for k, i in enumerate(group[1:]):
            site.source.uses(operators.product(min(reach.bit_length() + 1, 63), bits_of(code)))
            reach *= largest
            # Products that a Program allows fit 62 bits, whatever all codes of the format give.
            type_ = types.holding(-min(reach, 1 << 62), min(reach, 1 << 62))
            lines.append(f"const {type_} product{j}_{k} = {text} * code[{i}];")
            text = f"product{j}_{k}"
        if shift:
            half = literal(1 << (shift - 1))
            wide = types.holding(-min(reach, 1 << 62) * 2, min(reach, 1 << 62) * 2, 1 << shift)
            site.source.uses(operators.adder(bits_of(wide)))
            lines.append(f"const {wide} rounded{j} = (({wide}){text} + ({wide}){half}) >> {shift};")
            text = f"rounded{j}"
        lines.append(f"sums.product[{j}] = {text};")
    return lines
