"""A fit of the weights by which networks with learned widths are told what they cost.

What is counted of a network (:func:`kanhw.estimation.resource_model.features_of`) is weighed so
that the relative errors of its LUTs are least. A network of few LUTs counts less, since one of them
more or less is no error. Where networks do not tell a weight, it is what structure says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kanhw.targets.table import network_model_of
from kanhw.targets.target import PartWeights

__all__ = ["fitted_weights", "structure_of_weights"]

Parts = Mapping[str, float]

FIELDS = (
    *("adder_bits", "passing_bits", "adders", "compressor_bits", "table_luts"),
    *("table_pieces", "table_choices", "table_gates", "reset_signals"),
)
# What is counted in LUTs whatever the weights are.
EXACT = ("cells", "memory_luts")
# How much a weight may be off from what structure says, as a share, before that weighs as much as
# the same error in ten networks; and LUTs that a network has to have to count for half.
HOLD, HALF = 0.1, 15
# What structure says: a LUT for each bit of a table or place of a chain, less where one has room
# for two things, and guesses of what of wide tables and full adders is alike.
GUESSES: dict[str, dict[str, Any]] = {
    "xcup": {
        "adder_bits": 1.0,
        "passing_bits": 0.1,
        "adders": 0.0,
        "compressor_bits": 0.35,
        "table_luts": 0.9,
        "table_bits": (0.0, 0.0, 0.9, 0.9, 0.95, 1.0, 1.0),
        "table_pieces": 1.0,
        "table_choices": 0.5,
        "table_gates": 0.5,
        "reset_signals": 0.1,
    },
    "ecp5": {
        "adder_bits": 1.0,
        "adders": 0.0,
        "compressor_bits": 0.5,
        "table_luts": 1.0,
        "table_bits": (0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 4.0),
        "table_pieces": 4.0,
        "table_choices": 0.3,
        "reset_signals": 1.0,
        "narrow_chains": (0.5, 1.0, 3.0, 7.0),
    },
    "ice40": {
        "adder_bits": 1.0,
        "adders": 0.2,
        "compressor_bits": 0.5,
        "table_luts": 1.0,
        "table_bits": (0.0, 0.0, 1.0, 1.0, 1.0),
        "table_pieces": 1.2,
        "table_choices": 0.7,
        "table_gates": 0.3,
        "reset_signals": 1.0,
    },
}
# Carry cells are counted exactly: their weight is known.
KNOWN = {"ecp5": ("adder_bits",)}
KNOWN_HOLD = 20.0


def structure_of_weights(target: str) -> PartWeights:
    """The weights of a target that no network has been seen by."""
    return replace(network_model_of(target).weights, **GUESSES[target])


def fitted_weights(networks: Sequence[tuple[Parts, int]], target: str) -> PartWeights:
    """The weights with the least squares of relative errors.

    Parameters
    ----------
    networks
        What is counted, and LUTs.
    target
        Whose weights are sought.
    """
    from scipy.optimize import lsq_linear

    structure = structure_of_weights(target)
    names = _names(structure)
    guessed = np.array([_weight(structure, name) for name in names])
    parts = np.array([[own.get(name, 0) for name in names] for own, _ in networks], float)
    luts = np.array([lut - sum(own.get(k, 0) for k in EXACT) for own, lut in networks], float)
    counts = 1 / (np.array([lut for _, lut in networks], float) + HALF)
    held = [KNOWN_HOLD if name in KNOWN.get(target, ()) else HOLD for name in names]
    pull = np.array(held) / np.maximum(guessed, 0.2)
    rows = np.vstack([parts * counts[:, None], np.diag(pull)])
    found = lsq_linear(rows, np.concatenate([luts * counts, pull * guessed]), (0, np.inf)).x
    return _weights(structure, dict(zip(names, found.round(2).tolist(), strict=True)))


def _names(weights: PartWeights) -> list[str]:
    """Of what is counted that has a weight; tables of one address bit are that bit."""
    tables = [f"table_bits {k}" for k in range(2, weights.lut_inputs + 1)]
    chains = [f"narrow_chains {k}" for k in range(1, len(weights.narrow_chains) + 1)]
    return [*FIELDS, *tables, *chains]


def _weight(weights: PartWeights, name: str) -> float:
    field, _, size = name.partition(" ")
    own: Any = getattr(weights, field)
    if not size:
        return float(own)
    return float(own[int(size) - (field == "narrow_chains")])


def _weights(structure: PartWeights, found: Mapping[str, float]) -> PartWeights:
    tables = (0.0, 0.0, *(v for name, v in found.items() if name.startswith("table_bits ")))
    chains = tuple(v for name, v in found.items() if name.startswith("narrow_chains "))
    own: dict[str, Any] = {name: found[name] for name in FIELDS}
    return replace(structure, **own, table_bits=tables, narrow_chains=chains)
