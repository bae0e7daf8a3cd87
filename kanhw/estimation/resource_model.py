"""Resources of a design before it is made: counted from the Program, weighed by what Yosys made.

The parts of every stage (adder bits, multiplexers, tables, memories) follow from the integers of
the Program and the schedule. What a part takes on UltraScale+ was fitted to folded designs that
Yosys had synthesised (``benchmarks/resource_model.py`` prints the errors on others); a bit of an
accumulator was set to one LUT, since it cannot be told from what hands its value on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kanhw.estimation.unbuilt import unbuilt
from kanhw.targets.memories import map_memory

if TYPE_CHECKING:
    from kanhw.gateware.parts.costs import Costs
    from kanhw.program import Program
    from kanhw.schedule.schedule import Schedule

__all__ = ["WEIGHTS", "Resources", "features_of", "model_design", "resources_of"]

# LUTs a unit of every part.
WEIGHTS = {
    "adder_bits": 0.65,
    "accumulator_bits": 1.0,
    "choice_luts": 1.09,
    "drain_bits": 1.4,
    "table_luts": 0.63,
    "counters": 3.6,
}


@dataclass(frozen=True)
class Resources:
    """What hardware takes on UltraScale+, as modelled.

    Parameters
    ----------
    lut, bram, dsp
        LUTs, block RAMs of 18 Kbit, multiplier blocks.
    """

    lut: int = 0
    bram: int = 0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.lut + other.lut, self.bram + other.bram, self.dsp + other.dsp)


def features_of(costs: Costs) -> dict[str, float]:
    """How many of every part there are, by the names of :data:`WEIGHTS`."""
    mapped = [map_memory(m.words, m.width, m.ports, m.written) for m in costs.memories]
    return {
        "adder_bits": costs.adder_bits,
        "accumulator_bits": costs.accumulator_bits,
        "drain_bits": costs.drain_bits,
        "choice_luts": costs.choice_bits + sum(memory.choice_luts for memory in mapped),
        "table_luts": costs.table_bits + sum(memory.table_luts for memory in mapped),
        "counters": costs.counters,
    }


def resources_of(costs: Costs) -> Resources:
    """The resources of a stage."""
    lut = sum(WEIGHTS[name] * count for name, count in features_of(costs).items())
    bram = sum(map_memory(m.words, m.width, m.ports, m.written).bram for m in costs.memories)
    return Resources(round(lut), bram, costs.multipliers)


def model_design(program: Program, schedule: Schedule) -> Resources:
    """The resources of a Program under a schedule, without making it.

    Raises
    ------
    InputError
        As :func:`kanhw.generate` does, if there is no such hardware.
    """
    from kanhw.gateware.top.stage_costs import stage_costs

    with unbuilt():
        options = stage_costs(program, schedule)
    return sum((resources_of(option.costs) for option in options), Resources())
