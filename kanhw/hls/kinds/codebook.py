"""Shapes that edges share, times gains, and offsets times biases."""

from __future__ import annotations

from typing import Any

from kanhw.hls.kinds.basis_table import base_branch, kind_index
from kanhw.hls.kinds.site import EdgeSite

__all__ = ["codebook"]


def codebook(site: EdgeSite) -> list[str]:
    """Statements that add up ``gains[j][i] shapes[index[j][i]][a_i]``, offsets and the base."""
    layer: Any = site.layer
    source, address = site.source, f"{site.addresses(0)}[i]"
    shapes = source.table(f"{site.name.upper()}_SHAPES", layer.shapes)
    gains = site.by_edge("GAINS", _field("gains"))
    stored = [*source.stored(gains, (1, 2))]
    shape = "0"
    if len(layer.shapes) > 1:
        index = site.by_edge("INDEX", _field("index"))
        stored += source.stored(index, (1, 2))
        shape = f"{index.name}[j][i]" + (f"[{site.row}]" if site.row else "")
    # With a shape that is fixed for every edge, each is a table of its own.
    stored += source.stored(shapes, () if site.row else (1,), readers=site.ins * site.outs)
    value = shapes.at(shape, address)
    site.counts_terms(0, (gains.bits, shapes.bits))
    added = [f"sums.spline[j] += ({gains.at('j', 'i', site.row)}) * ({value});"]
    if layer.biases is not None:
        offsets = site.by_head("OFFSETS", _field("offsets"))
        biases = site.by_edge("BIASES", _field("biases"))
        kind, more = kind_index(site, "OFFSETS_INDEX", layer.offsets_index)
        stored += [
            *source.stored(biases, (1, 2)),
            *source.stored(offsets, (), readers=site.ins),
            *more,
        ]
        site.counts_terms(0, (biases.bits, offsets.bits), more=True)
        offset = offsets.at(site.head, kind, address)
        added.append(f"sums.spline[j] += ({biases.at('j', 'i', site.row)}) * ({offset});")
    return [*stored, *site.each_edge(*added), *base_branch(site)]


def _field(name: str) -> Any:
    return lambda layer: getattr(layer, name)
