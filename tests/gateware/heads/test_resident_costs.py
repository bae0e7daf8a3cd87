"""Designs with heads are modelled: what banks, shapes, multipliers and accumulators take."""

from itertools import pairwise

import numpy as np
import pytest

import kanhw
from kanhw.errors import InputError
from kanhw.estimation.resource_model import model_design
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.top.stage_costs import stage_costs
from kanhw.program import (
    CodebookLayer,
    InputEncoder,
    Program,
    Requantizer,
    join_heads,
    with_code_ranges,
)
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(4, True)


def _network(rng, books, sizes, *, biased):
    """Gains of 3 bits, a base branch, multipliers of 15 bits."""
    layers = []
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        last, zero = k == len(sizes) - 2, np.zeros(n_in, int)
        offsets = {
            "biases": rng.integers(-8, 8, (n_out, n_in)),
            "offsets": rng.integers(-8, 8, (1, 16)),
            "offsets_index": zero,
        }
        join = Requantizer(
            rng.integers(9000, 32000, (2, n_out)),
            *(rng.integers(-9999, 9999, n_out), 0 if last else 20, None if last else CODE),
        )
        layers.append(
            CodebookLayer(
                shapes=books[k],
                index=rng.integers(0, len(books[k]), (n_out, n_in)),
                gains=rng.integers(1, 8, (n_out, n_in)),
                base=rng.integers(-60, 60, (1, 16, 1)),
                base_index=zero,
                base_weights=rng.integers(-8, 8, (n_out, n_in, 1)),
                requantizers=(join,),
                name=f"layer{k}",
                **(offsets if biased else {}),
            )
        )
    return Program(tuple(layers), InputEncoder(CODE, sizes[0]))


def _heads(heads, writable, sizes, shapes, biased=False):
    rng = np.random.default_rng([7, heads])
    books = [rng.integers(-128, 128, (shapes, 16)) for _ in sizes[1:]]
    singles = [_network(rng, books, sizes, biased=biased) for _ in range(heads)]
    return join_heads(singles, writable=writable)


def _folded(inputs, outputs):
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)


# LUT, block RAM and DSP that Yosys 0.70 made of such designs (synth_xilinx -family xcup).
MEASURED = [
    ((1, False, (24, 16, 8), 8), (2, 4), (1216, 0, 36)),
    ((3, False, (24, 16, 8), 8), (2, 4), (1454, 0, 36)),
    ((3, True, (24, 16, 8), 8, True), (1, 2), (1276, 4, 12)),
    ((3, True, (48, 16), 32), (2, 8), (1128, 22, 34)),
]


@pytest.mark.parametrize(("network", "lanes", "yosys"), MEASURED)
def test_heads_are_modelled(network, lanes, yosys):
    modelled = model_design(_heads(*network), _folded(*lanes))
    assert modelled.dsp == yosys[2]
    # Yosys makes one memory that is written, and that LUTs would hold, a block RAM.
    assert 0 <= yosys[1] - modelled.bram <= 1
    assert abs(modelled.lut / yosys[0] - 1) < 0.24


def _costs(program, schedule):
    with unbuilt():
        return [option.costs for option in stage_costs(program, schedule)]


def test_memories_have_a_bank_per_head_and_shapes_are_there_once():
    schedule = _folded(2, 4)
    sizes = (False, (24, 16), 8)
    single, three = (_costs(_heads(heads, *sizes), schedule)[0] for heads in (1, 3))
    assert (single.multipliers, single.accumulator_bits) == (
        three.multipliers,
        three.accumulator_bits,
    )
    # Those of 8 shapes at 16 codes, one for every edge of a step.
    for costs in (single, three):
        assert sum(memory.words == 128 for memory in costs.memories) == 8
    # Edges by steps, of an index and a gain of 3 bits for 4 outputs.
    edges = [sorted(m.words for m in costs.memories if m.width == 24) for costs in (single, three)]
    assert edges == [[48, 48], [144, 144]]


def test_ranges_of_outputs_are_counted():
    schedule, whole = _folded(2, 4), _heads(2, False, (6, 4, 2), 3)
    ends = {0: [([-8, -3, 0, -8], [7, 4, 0, -2])]}
    plain, ranged = (_costs(p, schedule)[0] for p in (whole, with_code_ranges(whole, layers=ends)))
    # A clamp a lane: two comparisons with tables by turn, and its register.
    assert ranged.choice_luts > plain.choice_luts
    assert ranged.register_bits > plain.register_bits


def test_writable_heads_have_a_bank_more_that_is_written():
    own, written = (
        _costs(_heads(3, writable, (24, 16), 8), _folded(2, 4))[0] for writable in (False, True)
    )
    assert not any(memory.written and memory.words > 60 for memory in own.memories)
    assert sum(memory.written and memory.words == 4 * 48 for memory in written.memories) >= 2


@pytest.mark.wide
def test_a_budget_chooses_the_fold_of_heads(tmp_path):
    program = _heads(3, False, (6, 4, 2), 4)
    choice = kanhw.schedule_for(program, kanhw.Budget(dsp=40))
    assert choice.schedule.kind == "folded"
    assert choice.resources == model_design(program, choice.schedule)
    assert choice.resources.dsp <= 40
    design = kanhw.generate(program, tmp_path / "design", schedule=choice.schedule)
    assert design.initiation_interval == choice.clocks
    slower = kanhw.schedule_for(program, kanhw.Budget(dsp=20))
    assert slower.clocks > choice.clocks


def test_a_budget_that_heads_cannot_meet_is_refused():
    program = _heads(2, False, (6, 4), 4)
    with pytest.raises(InputError, match=r"\ANothing fits the budget dsp=1: DSP missed by"):
        kanhw.schedule_for(program, kanhw.Budget(dsp=1))
    with pytest.raises(InputError, match=r"clocks missed by .* in the quickest design"):
        kanhw.schedule_for(program, kanhw.Budget(lut=100_000, dsp=8, clocks=1))
    with pytest.raises(InputError, match=r"\AA network with heads is always folded, so its design"):
        kanhw.schedule_for(program, kanhw.Budget(lut=1000), Schedule(handshake=False))


def test_unrolled_heads_are_refused():
    with pytest.raises(InputError, match=r"layers of kind 'resident' are always folded: use"):
        model_design(_heads(2, False, (6, 4), 4), Schedule())
