"""A table for every edge, or one for each of its branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kanhw.hls.kinds.site import EdgeSite

__all__ = ["branch_edge_table", "edge_table"]


def edge_table(site: EdgeSite) -> list[str]:
    """Statements that add up ``tables[j][i][a_i]``."""
    return _sums(site, ["tables"])


def branch_edge_table(site: EdgeSite) -> list[str]:
    """The same of both branches."""
    return _sums(site, ["spline_tables", "base_tables"])


def _sums(site: EdgeSite, fields: Sequence[str]) -> list[str]:
    stored, added = [], []
    for branch, field in enumerate(fields):

        def values(layer: Any, field: str = field) -> Any:
            return getattr(layer, field)

        table = site.by_edge(field.upper(), values)
        stored += site.source.stored(table, (1, 2))
        address = f"{site.addresses(branch)}[i]"
        own = site.layer.branches[branch]
        site.counts_terms(branch)
        added.append(f"sums.{own}[j] += {table.at('j', 'i', site.row, address)};")
    if not site.row and not site.layer.active.all():
        # With hardware for every edge, those that are absent have none.
        edges = site.by_edge("EDGES", _active)
        stored += site.source.stored(edges, (1, 2))
        added = [f"if ({edges.name}[j][i]) {line}" for line in added]
    return [*stored, *site.each_edge(*added)]


def _active(layer: Any) -> Any:
    return layer.active * 1
