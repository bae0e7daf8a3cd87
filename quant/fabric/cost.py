"""What a layer of edge tables costs, as a smooth function of its widths, in a unit of choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kanhw.records import record_of
from kanhw.targets.table import target_named
from kanhw.targets.table_costs import block_bits_of, table_costs_of

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


@dataclass(frozen=True)
class FabricCost:
    """A differentiable cost of layers: one formula, with factors by kind, target and fabric.

    A table costs ``table[address_bits] * output_bits``, on straight lines between whole bits; a
    summand, each of an output's tables and of the widest a part, ``adder * (output_bits +
    adder_offset)``; saturation ``saturator`` and an encoder on chip ``encoder`` a bit of code.

    Parameters
    ----------
    unit
        Of the cost, such as ``LUT``.
    table
        Of an output bit, by 1 to 8 address bits; of one address bit it is below 0 where summands of
        single bits take less than others.
    adder, adder_offset, widest, saturator, encoder
        As above; ``widest`` is that part.
    """

    unit: str
    table: tuple[float, ...]
    adder: float = 0.0
    adder_offset: float = 0.0
    widest: float = 1.0
    saturator: float = 0.0
    encoder: float = 0.0

    def of_layer(self, widths: LayerWidths) -> Tensor:
        """``[S]``: tables, sums and saturation of a layer."""
        bits = widths.output_bits
        tables = _between(widths.address_bits, self.table) * bits
        there = torch.tanh(2 * bits) * widths.address_bits.clamp(max=1)
        adders = self.adder * (bits + self.adder_offset) * there
        widest = adders.gather(2, adders.argmax(2, keepdim=True)).squeeze(2)
        total = (tables.sum(2) + adders.sum(2) - (1 - self.widest) * widest).sum(1)
        if widths.code_bits is None:
            return total
        return total + self.saturator * widths.code_bits.sum(dim=1)

    def of_inputs(self, code_bits: Tensor) -> Tensor:
        """``[S]``: encoding real inputs on chip to codes of ``[S, n_in]`` bits."""
        return self.encoder * code_bits.sum(dim=1)


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


def _luts(target: str, fabric: str) -> FabricCost:
    own = table_costs_of(target, fabric)
    return FabricCost(
        "LUT",
        (own.table[0] - own.single, *own.table[1:]),
        own.adder,
        own.adder_offset,
        own.widest,
        own.saturator,
        own.encoder,
    )


def _block_rams(target: str, fabric: str) -> FabricCost:
    """Bits of all tables over those of a block."""
    del fabric
    block = block_bits_of(target)
    return FabricCost("block RAM", tuple((1 << bits) / block for bits in range(1, 9)))


def _bit_operations(target: str, fabric: str) -> FabricCost:
    """A look-up of n bits that gives b counts n b, a summand of b bits b, m bits of code m."""
    del target, fabric
    return FabricCost(
        "bit operation", tuple(map(float, range(1, 9))), adder=1.0, saturator=1.0, encoder=1.0
    )


# What makes the cost of every kind, of a target and a fabric.
COSTS: dict[str, Callable[[str, str], FabricCost]] = {
    "lut": _luts,
    "bram": _block_rams,
    "bit-operations": _bit_operations,
}


def _between(bits: Tensor, factors: tuple[float, ...]) -> Tensor:
    """Factors by address bits, 0 of none, on straight lines between whole bits."""
    table = bits.new_tensor((0.0, *factors))
    whole = bits.detach().floor().clamp(0, len(factors) - 1).long()
    low = table[whole]
    return low + (table[whole + 1] - low) * (bits - whole)
