"""The formula of :mod:`kanhw.targets.table_costs`, of sizes, and its fit to synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.fabric.random_networks import ADDRESS_BITS
from benchmarks.fabric.sizes import NetworkSizes
from kanhw.targets.table_costs import TableCosts

__all__ = ["fitted", "luts_of"]

Vector = npt.NDArray[np.float64]

# How much a factor may be off from what structure says before that weighs as much as an error of
# as many per cent in one network. Where networks cannot tell factors apart, structure does.
PULL = 0.3
# Beyond the address bits of the networks a table doubles with every bit.
BEYOND = 2


def luts_of(sizes: NetworkSizes, costs: TableCosts) -> float:
    """The LUTs of a network by the formula."""
    features = _features(sizes, costs.widest)
    binary = all(edge.address_bits == 1 for edge in sizes.edges if edge.output[0] == 0)
    single = costs.single * features[0] if binary else 0.0
    return float(features @ _vector(costs) - single)


def fitted(
    networks: Sequence[tuple[NetworkSizes, int]],
    structure: TableCosts,
    weights: Sequence[float] | None = None,
) -> TableCosts:
    """The factors with the least squares of relative errors.

    Parameters
    ----------
    networks
        Sizes and LUTs.
    structure
        What factors are near where the networks leave them open. Its encoder is kept, and what
        part of the widest tables counts.
    weights
        What an error of each network counts; None is the same for all.
    """
    from scipy.optimize import lsq_linear

    features = np.array([_features(sizes, structure.widest) for sizes, _ in networks])
    luts = np.array([found for _, found in networks], float)
    wanted = _vector(structure)
    # Of tables the steps from one number of address bits to the next are sought: none is negative.
    steps = np.eye(len(wanted))
    steps[:ADDRESS_BITS, :ADDRESS_BITS] = np.tri(ADDRESS_BITS)
    counts = np.ones(len(luts)) if weights is None else np.array(weights)
    rows = np.vstack([features * (counts / luts)[:, None], PULL * np.diag(1 / wanted)]) @ steps
    targets = np.concatenate([counts, np.full(len(wanted), PULL)])
    found = steps @ lsq_linear(rows, targets, bounds=(0, np.inf)).x
    return replace(_costs(found, structure.encoder), widest=structure.widest)


def _features(sizes: NetworkSizes, widest: float) -> Vector:
    """Output bits by address bits, bits and number of summands, bits of saturated codes."""
    bits = np.zeros(ADDRESS_BITS)
    outputs: dict[tuple[int, int], list[float]] = {}
    for edge in sizes.edges:
        bits[edge.address_bits - 1] += edge.output_bits
        outputs.setdefault(edge.output, []).append(edge.output_bits)
    # Tables of an output are added to the widest of them.
    added = sum(sum(widths) - (1 - widest) * max(widths) for widths in outputs.values())
    count = sum(len(widths) - 1 + widest for widths in outputs.values())
    return np.array([*bits, added, count, sizes.saturated_bits])


def _vector(costs: TableCosts) -> Vector:
    offset = costs.adder * costs.adder_offset
    return np.array([*costs.table[:ADDRESS_BITS], costs.adder, offset, costs.saturator])


def _costs(vector: Vector, encoder: float) -> TableCosts:
    *table, adder, offset, saturator = (round(float(v), 3) for v in vector)
    doubled: list[Any] = [round(table[-1] * BEYOND**k, 3) for k in (1, 2)]
    return TableCosts(
        table=(*table, *doubled),
        adder=adder,
        adder_offset=round(offset / max(adder, 1e-3), 3),
        saturator=saturator,
        encoder=encoder,
    )
