"""Tables of basis functions times coefficients, and of a base activation times weights."""

from __future__ import annotations

from typing import Any

from kanhw.hls.cpp.source import Table, loop
from kanhw.hls.kinds.site import EdgeSite

__all__ = ["base_branch", "basis_table", "kind_index"]


def basis_table(site: EdgeSite) -> list[str]:
    """Statements that add up ``coefficients[j][i][k] basis[kind_i][a_i][k]``, and the base."""
    layer: Any = site.layer
    basis = site.by_head("BASIS", lambda own: own.basis)  # type: ignore[attr-defined]
    weights = site.by_edge("COEFFICIENTS", _coefficients)
    count = layer.basis.shape[2]
    # [J][I](step)[K] and [T][depth][K]: the functions of a code are read at once.
    stored = [
        *site.source.stored(weights, (1, 2, weights.values.ndim)),
        *site.source.stored(basis, (basis.values.ndim,), readers=site.ins),
    ]
    kind, more = kind_index(site, "BASIS_INDEX", layer.basis_index)
    value = basis.at(site.head, kind, f"{site.addresses(0)}[i]", "k")
    product = f"({weights.at('j', 'i', site.row, 'k')}) * values[i][k]"
    site.counts_terms(0, (weights.bits, basis.bits), count)
    each = loop("k", count, [f"sums.spline[j] += {product};"], "UNROLL")
    return [
        *stored,
        *more,
        f"{basis.value_type} values[{site.ins}][{count}];",
        *site.source.partitioned("values", (1, 2)),
        *site.each_input(*loop("k", count, [f"values[i][k] = {value};"], "UNROLL")),
        *site.each_edge(*each),
        *base_branch(site),
    ]


def base_branch(site: EdgeSite) -> list[str]:
    """Statements that add up ``base_weights[j][i] base[kind_i][a'_i]``; none without weights."""
    layer: Any = site.layer
    if not any(own.base_weights.any() for own in site.layers):  # type: ignore[attr-defined]
        return []
    base = site.by_head("BASE", lambda own: own.base[:, :, 0])  # type: ignore[attr-defined]
    weights = site.by_edge("BASE_WEIGHTS", _base_weights)
    kind, more = kind_index(site, "BASE_INDEX", layer.base_index)
    value = base.at(site.head, kind, f"{site.addresses(1)}[i]")
    site.counts_terms(1, (weights.bits, base.bits))
    return [
        *site.source.stored(weights, (1, 2)),
        *site.source.stored(base, (), readers=site.ins),
        *more,
        *site.each_edge(f"sums.base[j] += ({weights.at('j', 'i', site.row)}) * ({value});"),
    ]


def kind_index(site: EdgeSite, name: str, index: Any) -> tuple[str, list[str]]:
    """Which of several tables input i has, as an index; 0 where there is only one."""
    if not index.any():
        return "0", []
    table: Table = site.by_input(name, index)
    place = f"{table.name}[i]" + (f"[{site.beat}]" if site.beat else "")
    return place, site.source.stored(table, (1,))


def _coefficients(layer: Any) -> Any:
    return layer.coefficients


def _base_weights(layer: Any) -> Any:
    return layer.base_weights[:, :, 0]
