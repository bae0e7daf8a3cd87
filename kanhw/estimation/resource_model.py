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
from kanhw.targets.multipliers import Product
from kanhw.targets.table import MODELLED, model_of
from kanhw.targets.target import PartWeights, ResourceModel

if TYPE_CHECKING:
    from kanhw.gateware.parts.costs import Chain, HardwareCosts, MemoryShape
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["WEIGHED", "Resources", "features_of", "luts_of", "model_design", "resources_of"]

WEIGHED = (
    *("adder_bits", "passing_bits", "inverted_bits", "adders", "compressor_bits"),
    *("accumulator_bits", "choice_luts", "wide_choices", "serializer_luts", "table_luts"),
    *("counters", "controls", "product_bits", "table_pieces", "table_choices"),
    "table_gates",
)
"""What is LUTs by a weight of :class:`~kanhw.targets.target.PartWeights`, tables apart."""

# Those that a HardwareCosts has the number of.
COUNTED = (
    *("adder_bits", "passing_bits", "inverted_bits", "adders", "compressor_bits"),
    *("accumulator_bits", "choice_luts", "wide_choices", "serializer_luts", "table_luts"),
    *("counters", "controls", "register_bits", "cells", "carries"),
)

# Registers that a LUT takes the place of.
SHIFT_LENGTH = 32


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

    Tables that a LUT has whole are ``table_bits N`` by their N address bits; ``cells`` and
    ``carries`` are instances, ``memory_luts`` LUTs as memory, ``dsp`` and ``bram`` blocks.
    """
    from kanhw.gateware.parts.counting.table_pieces import PIECE_INPUTS

    inputs = model.weights.lut_inputs
    if inputs not in PIECE_INPUTS:
        raise InputError(
            f"table_bits must have {' or '.join(str(k + 1) for k in PIECE_INPUTS)} entries, for "
            f"LUTs of as many inputs less one, not {inputs + 1}"
        )
    found = Counter[str]({name: getattr(costs, name) for name in COUNTED})
    found.update(_chains(costs.chains, model.weights))
    tables = [(costs.table_bits, costs.table_pieces)]
    if model.weights.resets:
        tables.append((costs.reset_bits, costs.reset_pieces))
        found["reset_signals"] = costs.reset_signals
    for sizes, pieces in tables:
        found.update(_pieces(pieces, inputs))
        for size, bits in enumerate(sizes[: inputs + 1]):
            found[f"table_bits {size}"] += bits
    for clocks, bits in costs.delays:
        shifted = 0 < model.weights.shift_clocks <= clocks
        found["memory_luts" if shifted else "register_bits"] += bits * (
            -(-clocks // SHIFT_LENGTH) if shifted else clocks
        )
    for product in costs.products:
        found += _product(product, model)
    for memory in costs.memories:
        found += _memory(memory, model)
    return found


def _chains(chains: Iterable[Chain], weights: PartWeights) -> Counter[str]:
    """What is weighed in another way than by bits where the family's chains are known."""
    found, narrow = Counter[str](), len(weights.narrow_chains)
    for places, both, passing, silent in chains:
        if places <= narrow:
            found.update({f"narrow_chains {places}": 1, "adders": -1})
            found.update(adder_bits=-both, passing_bits=-passing)
        elif weights.carry_places:
            whole = -(-places // weights.carry_places) * weights.carry_places
            found.update(adder_bits=whole - both, passing_bits=-passing)
        elif not weights.silent_places:
            found.update(adder_bits=passing - silent, passing_bits=-passing)
    return found


def _product(product: Product, model: ResourceModel) -> Counter[str]:
    """In blocks, or in the cheaper of two ways in LUTs: added up, or a table of both factors."""
    from kanhw.gateware.parts.counting.partial_products import product_bits

    blocks = model.multipliers.blocks(product) if model.multipliers else 0
    added = _added(product)
    if model.multipliers and blocks:
        kept = product.result if model.multipliers.registered else 0
        added.update(dsp=blocks, register_bits=-kept)
        return added
    gates, sums = product_bits(product)
    rows = Counter[str](product_bits=gates)
    for made in sums:
        rows.update(
            adder_bits=made.adder,
            passing_bits=made.passing,
            # Two gates are in the LUTs of the half adder that they meet in.
            compressor_bits=4 * made.full + 2 * made.half,
            adders=made.chains,
            inverted_bits=made.inverted,
        )
    bits, weights = product.address_bits, model.weights
    looked_up = product.known is None or product.constant or product.square
    if looked_up and bits <= weights.lut_inputs:
        table = added + Counter[str]({f"table_bits {bits}": product.result})
        return min(rows, table, key=lambda each: luts_of(each, weights))
    return rows


def _added(product: Product) -> Counter[str]:
    """The adder behind a product that is made by itself."""
    addend = product.addend
    return Counter[str](adder_bits=addend.total, adders=1) if addend else Counter[str]()


def _memory(memory: MemoryShape, model: ResourceModel) -> Counter[str]:
    """Blocks, LUTs as memory, or a table of constants."""
    own = model.block_rams.mapped(
        memory.words, memory.width, memory.ports, memory.written, memory.registered
    )
    found = Counter[str](
        bram=own.bram,
        choice_luts=own.choice_luts,
        wide_choices=own.wide_choices,
        memory_luts=own.memory_luts,
        register_bits=own.registers,
    )
    from kanhw.gateware.parts.counting.table_pieces import all_different

    inputs = model.weights.lut_inputs
    address, bits = own.table
    if bits and memory.content is not None:
        for size, count in enumerate(memory.content.table_bits[: inputs + 1]):
            found[f"table_bits {size}"] += count * memory.ports
        found["register_bits"] = memory.content.varying * memory.ports * memory.registered
        for _ in range(memory.ports):
            found.update(_pieces(memory.content.table_pieces, inputs))
        return found
    if address <= inputs:
        found[f"table_bits {address}"] += bits
        return found
    found.update(_pieces(all_different(address, bits, memory.words), inputs))
    return found


def _pieces(counted: tuple[int, ...], inputs: int) -> Counter[str]:
    """Of tables that are too large for a LUT of so many inputs."""
    from kanhw.gateware.parts.counting.table_pieces import PIECE_INPUTS, PIECE_KINDS

    first = len(PIECE_KINDS) * PIECE_INPUTS.index(inputs)
    return Counter(dict(zip(PIECE_KINDS, counted[first:], strict=False)))


def luts_of(features: Counter[str], weights: PartWeights) -> float:
    """The LUTs of parts (:func:`features_of`)."""
    total = sum(getattr(weights, name) * features[name] for name in WEIGHED)
    total += sum(each * features[f"table_bits {k}"] for k, each in enumerate(weights.table_bits))
    total += weights.reset_signals * features["reset_signals"]
    for places, each in enumerate(weights.narrow_chains, 1):
        total += each * features[f"narrow_chains {places}"]
    return float(total + features["cells"] + features["memory_luts"])


def resources_of(costs: HardwareCosts, target: str = MODELLED) -> Resources:
    """The resources of a stage on a target.

    Raises
    ------
    InputError
        If the model was not fitted for the target, or there is none of that name.
    """
    model = model_of(target)
    features, weights = features_of(costs, model), model.weights
    carry = None
    if weights.carry_bits is not None:
        added = features["adder_bits"] + features["passing_bits"] + features["accumulator_bits"]
        own = weights.carry_bits * added + weights.carry_adders * features["adders"]
        carry = round(max(own, 0) + features["carries"])
    return Resources(
        lut=round(luts_of(features, weights)),
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
