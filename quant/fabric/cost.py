"""What a layer of edge tables costs, as a smooth function of its widths, in a unit of choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanhw.records import record_of
from kanhw.targets.table import target_named
from kanhw.targets.table_costs import block_bits_of, table_costs_of

__all__ = ["COSTS", "CodeWork", "FabricCost", "LayerWidths", "fabric_cost"]


@dataclass(frozen=True)
class CodeWork:
    """What hardware does with a bit of every code of an image before it is read, pixel by pixel.

    Parameters
    ----------
    lines
        Lines of the image in a memory, in memories of 32 pixels.
    compared, added
        Codes of a window that are compared for the largest, or summed for the average.
    divided
        Whether an average is multiplied by what stands for a division.
    stages
        Line buffers, each with counters of its own.
    """

    lines: int = 0
    compared: int = 0
    added: int = 0
    divided: bool = False
    stages: int = 0

    def __add__(self, other: CodeWork) -> CodeWork:
        """Both of them."""
        return CodeWork(
            self.lines + other.lines,
            self.compared + other.compared,
            self.added + other.added,
            self.divided or other.divided,
            self.stages + other.stages,
        )


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
    windows
        That share the layer's hardware, one after the other.
    work
        Of the codes.
    """

    address_bits: Tensor
    output_bits: Tensor
    code_bits: Tensor | None
    windows: int = 1
    work: CodeWork = CodeWork()


@dataclass(frozen=True)
class FabricCost:
    """A differentiable cost of layers: one formula, with factors by kind, target and fabric.

    A table costs ``table[address_bits] * output_bits``, on straight lines between whole bits; a
    summand, each of an output's tables and of the widest a part, ``adder * (output_bits +
    adder_offset)``; saturation ``saturator`` and an encoder on chip ``encoder`` a bit of code.
    Windows of an image take turns with one layer's hardware, so they cost once; rows of pixels
    and pooling cost ``line``, ``comparator``, ``averager`` and ``divider`` a bit, and ``stage``.

    Parameters
    ----------
    unit
        Of the cost, such as ``LUT``.
    table
        Of an output bit, by 1 to 8 address bits; of one address bit it is below 0 where inputs are
        single bits, whose sums take less than others.
    adder, adder_offset, widest, saturator, encoder
        As above; ``widest`` is that part.
    line, comparator, averager, divider, stage
        By what :class:`CodeWork` counts.
    each_window
        Whether every window costs by itself, as operations do.
    whole_bits
        Whether deployed tables count whole output bits, as a memory holds them.
    single
        What an output bit of a table of one address bit takes less where inputs are single bits.
    handshake
        The share that tables, sums and saturation take more where registers can be held.
    """

    unit: str
    table: tuple[float, ...]
    adder: float = 0.0
    adder_offset: float = 0.0
    widest: float = 1.0
    saturator: float = 0.0
    encoder: float = 0.0
    line: float = 0.0
    comparator: float = 0.0
    averager: float = 0.0
    divider: float = 0.0
    stage: float = 0.0
    each_window: bool = False
    whole_bits: bool = False
    single: float = 0.0
    handshake: float = 0.0

    def of_single_bits(self) -> FabricCost:
        """The cost of a network whose inputs are all single bits."""
        return replace(self, table=(self.table[0] - self.single, *self.table[1:]), single=0.0)

    def of_stream(self) -> FabricCost:
        """The cost of a network whose registers can be held, as those of images always can."""
        more = 1 + self.handshake
        return replace(
            self,
            table=tuple(more * own for own in self.table),
            adder=more * self.adder,
            saturator=more * self.saturator,
            handshake=0.0,
        )

    def times(self, windows: int) -> int:
        """How often a layer of so many windows costs."""
        return windows if self.each_window else 1

    def of_code(self, work: CodeWork) -> float:
        """What is done with a bit of a code, without saturation."""
        return (
            self.line * work.lines
            + self.comparator * work.compared
            + self.averager * work.added
            + self.divider * work.divided
        )

    def of_tables(self, widths: LayerWidths) -> tuple[Tensor, Tensor]:
        """``[S, n_out, n_in]`` each: tables, and each of them as a summand."""
        bits = widths.output_bits
        there = torch.tanh(2 * bits) * widths.address_bits.clamp(max=1)
        adders = self.adder * (bits + self.adder_offset) * there
        return _between(widths.address_bits, self.table) * bits, adders

    def of_layer(self, widths: LayerWidths) -> Tensor:
        """``[S]``: tables, sums and saturation of a layer."""
        tables, adders = self.of_tables(widths)
        widest = adders.gather(2, adders.argmax(2, keepdim=True)).squeeze(2)
        total = (tables.sum(2) + adders.sum(2) - (1 - self.widest) * widest).sum(1)
        if widths.code_bits is not None:
            each = self.saturator + self.of_code(widths.work)
            total = total + each * widths.code_bits.sum(dim=1)
        return self.times(widths.windows) * total + self.stage * widths.work.stages

    def of_input(self, work: CodeWork, pixels: int, *, encoder: bool) -> float:
        """What is done with a bit of an input channel of so many pixels, encoding included."""
        return self.of_code(work) + self.encoder * encoder * self.times(pixels)


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
        own.table,
        own.adder,
        own.adder_offset,
        own.widest,
        own.saturator,
        own.encoder,
        own.line,
        own.comparator,
        own.averager,
        own.divider,
        own.stage,
        single=own.single,
        handshake=own.handshake,
    )


def _block_rams(target: str, fabric: str) -> FabricCost:
    """Bits of all tables over those of a block."""
    del fabric
    block = block_bits_of(target)
    return FabricCost(
        "block RAM", tuple((1 << bits) / block for bits in range(1, 9)), whole_bits=True
    )


def _bit_operations(target: str, fabric: str) -> FabricCost:
    """A look-up of n bits that gives b counts n b, a summand of b bits b, m bits of code m."""
    del target, fabric
    return FabricCost(
        "bit operation",
        tuple(map(float, range(1, 9))),
        adder=1.0,
        saturator=1.0,
        encoder=1.0,
        whole_bits=True,
        each_window=True,
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
