"""The reference networks in few bits, as every realisation that they can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.reference_networks import parts
from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.program import ConvolutionLayer

__all__ = ["REALISATIONS", "LeftOut", "Network", "kinds", "program_of"]

FEW_BITS = ("base_bits", "spline_bits", "activation_bits", "base_table_bits", "basis_bits")
BITS: dict[str, Any] = {**dict.fromkeys(FEW_BITS, 4), "norm_bits": 10}
# How each is asked for. A layer that normalises its basis only becomes branch edge tables.
REALISATIONS: dict[str, dict[str, Any]] = {
    "edge_table": {"realisation": "edge_table", "table_bits": 5},
    "branch_edge_table": {"realisation": "edge_table", "table_bits": 5},
    "basis_table": {"realisation": "basis_table"},
    "codebook": {
        "realisation": "codebook",
        "codebook.size": 8,
        "codebook.shape_bits": 4,
        "codebook.gain_bits": 3,
        "codebook.bias_bits": 4,
    },
    "spline_evaluator": {"realisation": "spline_evaluator", "activation_bits": 9},
}
# Most rows to calibrate with and to test on.
CALIBRATED, TESTED = 1024, 500


class LeftOut(Exception):
    """Why there is no such design, in words."""


@dataclass(frozen=True, eq=False)
class Network:
    """A reference network and its data.

    Parameters
    ----------
    model
        In float.
    train_x, test_x
        Features to calibrate with and to test on.
    labels
        Of the latter; None for a formula.
    """

    model: KanModel
    train_x: Any
    test_x: Any
    labels: Any

    @classmethod
    def named(cls, name: str) -> Network:
        """A network of so many rows that every design can be simulated on all of them."""
        model, train_x, test_x, labels = parts(name)
        order = np.random.default_rng(0).permutation(len(train_x))[:CALIBRATED]
        labels = None if labels is None else labels[:TESTED]
        return cls(model, train_x[order], test_x[:TESTED], labels)


def kinds(program: kanhw.Program) -> set[str]:
    """The realisations of a Program's layers, without norms, products and pooling."""
    layers = program.layers
    found = {(s.taps if isinstance(s, ConvolutionLayer) else s).kind for s in layers}
    return found & set(REALISATIONS)


def program_of(network: Network, realisation: str) -> kanhw.Program:
    """The network in integers, with at least one layer of a realisation.

    Where the quantizer refuses the whole network, single layers are tried, the others as tables.
    """
    asked = BITS | REALISATIONS[realisation]
    try:
        program = kanhw.quantize(network.model, network.train_x, **asked)
    except InputError as error:
        return _with_one_layer(network, realisation, asked, error)
    if realisation not in kinds(program):
        raise LeftOut(f"no layer becomes one: they are {', '.join(sorted(kinds(program)))}")
    return program


def _with_one_layer(
    network: Network, realisation: str, asked: dict[str, Any], refused: InputError
) -> kanhw.Program:
    tables = asked | {"realisation": "basis_table"}
    for layer in network.model.layers:
        single = {layer.name: {"realisation": asked["realisation"]}}
        try:
            program = kanhw.quantize(network.model, network.train_x, layers=single, **tables)
        except InputError:
            continue
        if realisation in kinds(program):
            return program
    raise LeftOut(f"refused, as is every single layer: {refused}")
