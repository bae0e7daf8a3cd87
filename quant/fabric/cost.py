"""What a layer of edge tables costs, as a smooth function of its widths, in a unit of choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from kanhw.records import record_of
from kanhw.targets.table import target_named
from kanhw.targets.table_costs import TableCosts, block_bits_of, table_costs_of

__all__ = ["COSTS", "FabricCost", "LayerWidths", "fabric_cost"]


@dataclass(frozen=True, eq=False)
class LayerWidths:
    """Widths of a layer, reals while they are learned; ``[S, ...]`` of S networks.

    Parameters
    ----------
    address_bits
        ``[S, n_out, n_in]``: of every edge's table; 0 is an edge that is not there.
    output_bits
        ``[S, n_out, n_in]``: of what the table hands out.
    code_bits
        ``[S, n_out]``: of the codes that the sums are saturated to; None for a network's outputs.
    """

    address_bits: Tensor
    output_bits: Tensor
    code_bits: Tensor | None


class FabricCost(Protocol):
    """A differentiable cost of layers, and the unit that it is in."""

    @property
    def unit(self) -> str:
        """Such as ``LUT``."""

    def of_layer(self, widths: LayerWidths) -> Tensor:
        """``[S]``: tables, sums and saturation of a layer."""

    def of_inputs(self, code_bits: Tensor) -> Tensor:
        """``[S]``: encoding real inputs on chip to codes of ``[S, n_in]`` bits."""


@dataclass(frozen=True)
class LutCost:
    """LUTs of unrolled layers, by the factors of a target and a fabric."""

    factors: TableCosts
    unit: str = "LUT"

    def of_layer(self, widths: LayerWidths) -> Tensor:
        """Tables by address and output bits, an adder a summand, saturation by code bits."""
        bits, factors = widths.output_bits, self.factors
        tables = _between(widths.address_bits, factors.table) * bits
        adders = factors.adder * (bits + factors.adder_offset) * _there(widths)
        total = (tables + adders).sum(dim=(1, 2))
        if widths.code_bits is not None:
            total = total + factors.saturator * widths.code_bits.sum(dim=1)
        return total

    def of_inputs(self, code_bits: Tensor) -> Tensor:
        """An encoder a bit."""
        return self.factors.encoder * code_bits.sum(dim=1)


@dataclass(frozen=True)
class BlockRamCost:
    """Block RAMs that the tables' bits fill: ``2**address_bits * output_bits`` of every edge."""

    block_bits: int
    unit: str = "block RAM"

    def of_layer(self, widths: LayerWidths) -> Tensor:
        """Bits of all tables, over those of a block."""
        stored = torch.exp2(widths.address_bits) * widths.output_bits * _there(widths)
        return stored.sum(dim=(1, 2)) / self.block_bits

    def of_inputs(self, code_bits: Tensor) -> Tensor:
        """Encoders take no block RAM."""
        return 0 * code_bits.sum(dim=1)


@dataclass(frozen=True)
class BitOperationsCost:
    """Bit operations of an inference, whatever the fabric.

    A look-up of n address bits that gives b bits counts n b, a summand of b bits b, and saturation
    to m bits m.
    """

    unit: str = "bit operation"

    def of_layer(self, widths: LayerWidths) -> Tensor:
        """Look-ups, sums and saturation."""
        bits = widths.output_bits
        total = (widths.address_bits * bits + bits * _there(widths)).sum(dim=(1, 2))
        return total if widths.code_bits is None else total + widths.code_bits.sum(dim=1)

    def of_inputs(self, code_bits: Tensor) -> Tensor:
        """A comparison a bit."""
        return code_bits.sum(dim=1)


def fabric_cost(kind: str, target: str, fabric: str) -> FabricCost:
    """The cost of a kind on a target.

    Parameters
    ----------
    kind
        ``lut``, ``bram`` or ``bit-operations``.
    target
        An FPGA family that kanhw knows, such as ``xcup``.
    fabric
        ``portable`` or ``ultrascale+``.

    Raises
    ------
    InputError
        If there is no such cost, target or fabric.
    """
    make = record_of(COSTS, kind, "cost of the fabric", "kanhw.quant.fabric.cost.COSTS")
    return make(target_named(target).name, fabric)


# What makes the cost of every kind, of a target and a fabric.
COSTS: dict[str, Callable[[str, str], FabricCost]] = {
    "lut": lambda target, fabric: LutCost(table_costs_of(target, fabric)),
    "bram": lambda target, _: BlockRamCost(block_bits_of(target)),
    "bit-operations": lambda _, __: BitOperationsCost(),
}


def _there(widths: LayerWidths) -> Tensor:
    """Near 1 for an edge with something to add, 0 for one with nothing: ``tanh(2 b)``."""
    return torch.tanh(2 * widths.output_bits) * widths.address_bits.clamp(max=1)


def _between(bits: Tensor, factors: tuple[float, ...]) -> Tensor:
    """Factors by address bits, 0 of none, on straight lines between whole bits."""
    table = bits.new_tensor((0.0, *factors))
    whole = bits.detach().floor().clamp(0, len(factors) - 1).long()
    low = table[whole]
    return low + (table[whole + 1] - low) * (bits - whole)
