"""Which edge realisation a layer gets: a rough LUT count of each."""

from __future__ import annotations

from kanhw.model import KanLayer
from kanhw.quant.config import QuantConfig

__all__ = ["basis_table_luts", "chosen_realisation", "edge_table_luts"]


def edge_table_luts(layer: KanLayer, address_bits: int, table_bits: int) -> float:
    """LUT6 of a layer as edge tables, unrolled.

    A table bit is one LUT6 up to 6 address bits and doubles with every bit beyond; an adder takes
    about a LUT per bit, and sums are some two bits wider than tables.
    """
    edges = int(layer.active.sum())
    return edges * (table_bits * 2.0 ** max(address_bits - 6, 0) + table_bits + 2)


def basis_table_luts(layer: KanLayer, address_bits: int, config: QuantConfig) -> float:
    """LUT6 of a layer as basis tables and constant multipliers, unrolled.

    A constant of b bits has about b/3 + 1/3 signed digits, each an adder of about the width of the
    basis value plus the constant.
    """
    depth = 2.0 ** max(address_bits - 6, 0)
    shared = layer.n_in * depth * (layer.basis.count * config.basis_bits + config.base_table_bits)
    products = 0.0
    for count, bits, values in (
        (int((layer.coefficients != 0).sum()), config.spline_bits, config.basis_bits),
        (int((layer.base_weights != 0).sum()), config.base_bits, config.base_table_bits),
    ):
        products += count * (bits + 1) / 3 * (bits + values)
    return shared + products


def chosen_realisation(
    layer: KanLayer, address_bits: int, table_bits: int, config: QuantConfig
) -> str:
    """``edge_table`` or ``basis_table`` for a layer, as asked or by the smaller estimate."""
    if config.realisation != "auto":
        return config.realisation
    edge = edge_table_luts(layer, address_bits, table_bits)
    basis = basis_table_luts(layer, address_bits, config)
    return "edge_table" if edge <= basis else "basis_table"
