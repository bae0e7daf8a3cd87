"""The edge realisation that a layer gets: what is possible, then a rough LUT count of each.

The count knows bits only, since there are no integers yet; those of integers are counted by
:class:`kanhw.program.costs.NetworkCosts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kanhw.errors import InputError
from kanhw.model.network import KanLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.splines.spline_grid import obstacle
from kanhw.targets.lut import LUT_INPUTS

__all__ = [
    "check_table_bits",
    "chosen_realisation",
    "planned_basis_table_luts",
    "planned_edge_table_luts",
    "with_free_bits",
]

# Tables of more entries are refused: 2**12 for every edge, or basis function of an input.
WIDEST_TABLES = 12
# Weights of edge tables have the most bits: only what is tabulated has a size.
_FREE_BITS = 12


def planned_edge_table_luts(layer: KanLayer, address_bits: int, table_bits: int) -> float:
    """LUT6 of a layer as edge tables, unrolled.

    A table bit is one LUT6 up to 6 address bits and doubles with every bit beyond; an adder takes
    about a LUT per bit, and sums are some two bits wider than tables.
    """
    edges = int(layer.active.sum())
    return edges * (table_bits * 2.0 ** max(address_bits - LUT_INPUTS, 0) + table_bits + 2)


def planned_basis_table_luts(layer: KanLayer, address_bits: int, config: QuantConfig) -> float:
    """LUT6 of a layer as basis tables and constant multipliers, unrolled.

    A constant of b bits has about b/3 + 1/3 signed digits, each an adder of about the width of the
    basis value plus the constant.
    """
    depth = 2.0 ** max(address_bits - LUT_INPUTS, 0)
    shared = layer.n_in * depth * (layer.basis.count * config.basis_bits + config.base_table_bits)
    products = 0.0
    spline_bits, base_bits = config.weight_bits
    for count, bits, values in (
        (int((layer.coefficients != 0).sum()), spline_bits, config.basis_bits),
        (int((layer.base_weights != 0).sum()), base_bits, config.base_table_bits),
    ):
        products += count * (bits + 1) / 3 * (bits + values)
    return shared + products


def chosen_realisation(
    layer: KanLayer, address_bits: int, table_bits: int, config: QuantConfig
) -> str:
    """The realisation of a layer, as asked or by the smaller estimate.

    A layer without a basis has nothing to evaluate: where an evaluator is asked for it becomes
    basis tables.

    Raises
    ------
    InputError
        If tables cannot hold so many bits, or a basis that is to be evaluated cannot be.
    """
    asked = config.realisation
    if asked == "auto" and address_bits > WIDEST_TABLES and layer.basis.count:
        asked = "spline_evaluator"
    if asked == "spline_evaluator" and layer.basis.count:
        reason = obstacle(layer)
        if reason is not None:
            raise InputError(
                f"{layer.name}: no spline evaluator for it, because {reason}: choose edge or basis "
                f"tables for this layer, and at most {WIDEST_TABLES} bits in front of it"
            )
        return asked
    check_table_bits(layer.name, address_bits)
    if asked == "spline_evaluator":
        return "basis_table"
    if asked != "auto":
        return asked
    edge = planned_edge_table_luts(layer, address_bits, table_bits)
    basis = planned_basis_table_luts(layer, address_bits, config)
    return "edge_table" if edge <= basis else "basis_table"


def check_table_bits(name: str, address_bits: int) -> None:
    """Refuse codes that are too wide for tables.

    Raises
    ------
    InputError
        If they have more than 12 bits; it names the layer.
    """
    if address_bits > WIDEST_TABLES:
        raise InputError(
            f"{name}: codes of {address_bits} bits are too wide for tables, which take up to "
            f"{WIDEST_TABLES}: use fewer activation_bits (or input_bits), or, for uniform "
            "B-splines, realisation='spline_evaluator'"
        )


def with_free_bits(config: QuantConfig, names: Iterable[str]) -> QuantConfig:
    """The config with the most bits of weights in edge tables, where it leaves them open.

    Parameters
    ----------
    config
        What was asked for.
    names
        Of the layers.
    """
    layers = {name: dict(changes) for name, changes in config.layers.items()}
    for name in names:
        own = config.for_layer(name)
        free = [field for field in ("spline_bits", "base_bits") if getattr(own, field) is None]
        if free:
            layers.setdefault(name, {}).update(dict.fromkeys(free, _FREE_BITS))
    return replace(config, layers=layers)
