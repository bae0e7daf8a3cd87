"""The hardware costs of a folded layer, from its fold alone."""

from __future__ import annotations

from amaranth.hdl import Value

from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.folded.requantize_lane import RequantizeLane
from kanhw.gateware.parts.costs import (
    HardwareCosts,
    MemoryShape,
    choice_luts,
    delay_costs,
    wide_choices,
)
from kanhw.gateware.parts.signals import Range
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold

__all__ = ["buffer_costs", "folded_costs"]


def folded_costs(layer: ProgramLayer, folded: FoldedLayer, fold: Fold) -> HardwareCosts:
    """Branches, accumulators, and what hands the outputs on.

    Parameters
    ----------
    layer
        The layer of a Program, or the taps of a convolution.
    folded, fold
        What it became, and what happens when.
    """
    total = HardwareCosts()
    for part in folded.parts:
        total += part.costs
        # Codes and step wait for the slowest branch.
        wait = folded.depth - part.latency
        total += delay_costs(wait, len(Value.cast(part.codes)) + len(part.step))
    widths = sum(r.format.width for r in folded.accumulators if r != Range(0, 0))
    accumulators = widths * fold.parallel_outputs
    # An accumulator and the register that holds it for the serializer.
    total += HardwareCosts(accumulator_bits=accumulators, register_bits=2 * accumulators)
    total += HardwareCosts(
        serializer_luts=choice_luts(fold.rows, widths), wide_choices=wide_choices(fold.rows, widths)
    ).times(fold.lanes)
    turns = (fold.out_beats - 1).bit_length()
    # Three marks go along with every step, a valid bit with every row; and the ends of both.
    marks = 3 * folded.depth + folded.serializer_depth + 2
    for requantizer in layer.requantizers:
        for outputs in fold.handed.T:
            total += RequantizeLane(requantizer, folded.accumulators, outputs).costs
    rows = (fold.rows - 1).bit_length()
    return total + HardwareCosts(
        counters=2 * turns + folded.depth, register_bits=marks + turns + rows
    )


def buffer_costs(fold: Fold, width: int) -> HardwareCosts:
    """The codes of two vectors, and the counters at both ends of them.

    Parameters
    ----------
    fold
        Of the layer.
    width
        Bits of a beat.
    """
    bits = max((fold.beats - 1).bit_length(), 1)
    steps = max((fold.steps - 1).bit_length(), 1)
    return HardwareCosts(
        register_bits=2 * bits + 2 * steps + 8,
        counters=2 * bits + steps,
        controls=1,
        memories=(MemoryShape(2 << bits, width, written=True),),
    )
