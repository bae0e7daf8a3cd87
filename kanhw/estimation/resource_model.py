"""Resources of a design before it is made: counted from the Program, weighed by what Yosys made.

The parts of every stage (adder bits, multiplexers, tables, memories) follow from the integers of
the Program and the schedule. What a part takes on a target, the target says, if the model was
fitted for it (``benchmarks/hardware/resource_model.py`` prints the errors).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kanhw.estimation.unbuilt import unbuilt
from kanhw.targets.memories import BlockRams
from kanhw.targets.table import MODELLED, model_of

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
    """

    lut: int = 0
    bram: int = 0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.lut + other.lut, self.bram + other.bram, self.dsp + other.dsp)


def features_of(costs: HardwareCosts, rams: BlockRams) -> dict[str, float]:
    """The number of parts of every sort, by the fields of ``PartWeights``."""
    mapped = [rams.mapped(m.words, m.width, m.ports, m.written) for m in costs.memories]
    return {
        "adder_bits": costs.adder_bits,
        "accumulator_bits": costs.accumulator_bits,
        "serializer_luts": costs.serializer_luts,
        "choice_luts": costs.choice_luts + sum(memory.choice_luts for memory in mapped),
        "table_luts": costs.table_luts + sum(memory.table_luts for memory in mapped),
        "counters": costs.counters,
    }


def resources_of(costs: HardwareCosts, target: str = MODELLED) -> Resources:
    """The resources of a stage on a target.

    Raises
    ------
    InputError
        If the model was not fitted for the target, or there is none of that name.
    """
    rams, weights = model_of(target)
    weight = asdict(weights)
    lut = sum(weight[name] * count for name, count in features_of(costs, rams).items())
    bram = sum(rams.mapped(m.words, m.width, m.ports, m.written).bram for m in costs.memories)
    return Resources(round(lut), bram, costs.multipliers)


def model_design(program: Program, schedule: Schedule, target: str = MODELLED) -> Resources:
    """The resources of a Program under a schedule, without making it.

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
    return sum((resources_of(option.costs, target) for option in options), Resources())
