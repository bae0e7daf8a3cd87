"""Resources of a design before it is made: counted from the Program, weighed by what Yosys made.

The parts of every stage (adder bits, multiplexers, tables, memories) follow from the integers of
the Program and the schedule. What a part takes on a target, the target says, if the model was
fitted for it (``benchmarks/estimates/resource_model.py`` prints the errors).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kanhw.errors import InputError
from kanhw.estimation.unbuilt import unbuilt
from kanhw.targets.lut import LUT_INPUTS
from kanhw.targets.table import MODELLED, model_of
from kanhw.targets.target import PartWeights, ResourceModel

if TYPE_CHECKING:
    from kanhw.gateware.parts.costs import HardwareCosts
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["Resources", "features_of", "model_design", "resources_of"]


@dataclass(frozen=True)
class Resources:
    """The resources of hardware on a target, as modelled.

    Parameters
    ----------
    lut, bram, dsp
        LUTs, block RAMs (in the target's ``bram_unit``), multiplier blocks.
    ff
        Flip-flops.
    carry
        Carry cells; None: they are not modelled.
    """

    lut: int = 0
    bram: int = 0
    dsp: int = 0
    ff: int = 0
    carry: int | None = 0

    def __add__(self, other: Resources) -> Resources:
        unknown = self.carry is None or other.carry is None
        return Resources(
            self.lut + other.lut,
            self.bram + other.bram,
            self.dsp + other.dsp,
            self.ff + other.ff,
            None if unknown else (self.carry or 0) + (other.carry or 0),
        )


def features_of(costs: HardwareCosts, model: ResourceModel) -> Counter[str]:
    """The number of parts of every sort, by the fields of ``PartWeights``.

    Tables are ``table_bits N`` by their N address bits; ``cells`` and ``carries`` are instances,
    ``memory_luts`` LUTs as memory, ``dsp`` and ``bram`` blocks.
    """
    found = Counter[str](
        adder_bits=costs.adder_bits,
        adders=costs.adders,
        accumulator_bits=costs.accumulator_bits,
        choice_luts=costs.choice_luts,
        serializer_luts=costs.serializer_luts,
        table_luts=costs.table_luts,
        counters=costs.counters,
        register_bits=costs.register_bits,
        cells=costs.cells,
        carries=costs.carries,
    )
    for size, bits in enumerate(costs.table_bits):
        found[f"table_bits {size}"] += bits
    for product in costs.products:
        blocks = model.multipliers.blocks(product) if model.multipliers else 0
        found["dsp"] += blocks
        if blocks:
            continue
        if product.wide + product.narrow <= LUT_INPUTS:
            # So few bits are a table of both factors.
            found[f"table_bits {product.wide + product.narrow}"] += product.result
        else:
            found["product_bits"] += product.partial_bits
    for memory in costs.memories:
        own = model.block_rams.mapped(memory.words, memory.width, memory.ports, memory.written)
        found["bram"] += own.bram
        found["choice_luts"] += own.choice_luts
        found["memory_luts"] += own.memory_luts
        found["register_bits"] += own.registers if memory.registered else 0
        found[f"table_bits {own.table[0]}"] += own.table[1]
    return found


def _luts(features: Counter[str], weights: PartWeights) -> float:
    fields = (
        *("adder_bits", "adders", "accumulator_bits", "choice_luts", "serializer_luts"),
        *("table_luts", "counters", "product_bits"),
    )
    total = sum(getattr(weights, name) * features[name] for name in fields)
    for name, count in features.items():
        kind, _, size = name.partition(" ")
        if kind == "table_bits":
            total += weights.table_bit(int(size)) * count
    return float(total + features["cells"] + features["memory_luts"])


def resources_of(costs: HardwareCosts, target: str = MODELLED) -> Resources:
    """The resources of a stage on a target.

    Raises
    ------
    InputError
        If the model was not fitted for the target, or there is none of that name; or if the stage
        cannot be made on it.
    """
    model = model_of(target)
    if not model.block_rams.written_ports and any(
        memory.written and not memory.registered for memory in costs.memories
    ):
        raise InputError(
            f"A norm keeps its vectors in LUTs that are written, which target {target!r} has not: "
            "estimate it for xcup or ecp5"
        )
    features, weights = features_of(costs, model), model.weights
    carry = None
    if weights.carry_bits is not None:
        added = features["adder_bits"] + features["accumulator_bits"]
        carry = round(
            weights.carry_bits * added
            + weights.carry_adders * features["adders"]
            + features["carries"]
        )
    return Resources(
        lut=round(_luts(features, weights)),
        bram=features["bram"],
        dsp=features["dsp"],
        ff=round(weights.register_bits * features["register_bits"]),
        carry=carry,
    )


def model_design(program: Program, schedule: Schedule, target: str = MODELLED) -> Resources:
    """The resources of a Program's layers under a schedule, without making them.

    Parameters
    ----------
    program, schedule
        The network, and how it is laid out.
    target
        The name of a target that the model was fitted for.

    Raises
    ------
    InputError
        As :func:`kanhw.generate` does, if there is no such hardware; or if there is no model of
        the target.
    """
    from kanhw.gateware.top.stage_costs import stage_costs

    model_of(target)
    with unbuilt():
        options = stage_costs(program, schedule)
    return total_of((option.costs for option in options), target)


def total_of(parts: Iterable[HardwareCosts], target: str) -> Resources:
    """The resources of several parts together."""
    return sum((resources_of(part, target) for part in parts), Resources())
