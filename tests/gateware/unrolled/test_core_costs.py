"""What unrolled layers are said to be made of is what is built: counted without synthesis."""

import re

import numpy as np
import pytest
from amaranth.back import rtlil

from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.fabric.primitives import CellPlatform
from kanhw.gateware.parts.address import input_addresses
from kanhw.gateware.unrolled.unrolled_layers import LAYER_CORES, ProgramCore
from kanhw.program import BasisTableLayer, EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(4, True)


def edges(rng, n_in, n_out, *, last, direct):
    tables = rng.integers(-60, 60, (n_out, n_in, 16))
    factors = np.ones((1, n_out), int) if direct else rng.integers(3, 99, (1, n_out))
    shift = 0 if last else 3 if direct else 9
    join = Requantizer(factors, rng.integers(-9, 9, n_out), shift, None if last else CODE)
    return EdgeTableLayer(tables, (join,), f"layers.{n_in}")


def basis(rng, n_in, n_out):
    tables, zero = rng.integers(0, 16, (1, 16, 3)), np.zeros(n_in, int)
    weights = rng.integers(1, 8, (n_out, n_in, 4))
    join = Requantizer(rng.integers(3, 99, (2, n_out)), np.zeros(n_out, int))
    return BasisTableLayer(
        *(tables, zero, weights[:, :, :3], rng.integers(-9, 9, (1, 16, 1)), zero),
        *(weights[:, :, 3:], (join,), "layers.0"),
    )


def programs():
    rng = np.random.default_rng(3)
    for direct in (True, False):
        layers = (
            edges(rng, 5, 3, last=False, direct=direct), edges(rng, 3, 2, last=True, direct=direct)
        )  # fmt: skip
        yield Program(layers, InputEncoder(CODE, 5))
    yield Program((basis(rng, 4, 2),), InputEncoder(CODE, 4))


def registers(core):
    """Bits of flip-flops in what is built."""
    text = rtlil.convert(core, platform=CellPlatform())
    widths = re.findall(r"cell \$s?dffe? .*?parameter \\WIDTH (\d+)", text, re.DOTALL)
    return sum(map(int, widths))


@pytest.mark.some(3)
@pytest.mark.parametrize("program", list(programs()), ids=["direct", "joined", "basis"])
@pytest.mark.parametrize("levels", [0, 1, 3])
def test_every_register_is_counted(program, levels):
    schedule = Schedule(adder_levels=levels, handshake=False)
    with unbuilt():
        counted = ProgramCore(program, schedule).costs.registers
    built = registers(ProgramCore(program, schedule))
    # Low bits of shifted operands that are always 0 wait in registers between adders, and bits that
    # tables have in common are there twice, as is the same sum of the same value: synthesis leaves
    # them out, and so does the count.
    least = 0.97 if levels == 0 else 0.85
    assert least * built - 2 <= counted <= built


@pytest.mark.some(2)
@pytest.mark.parametrize("program", list(programs()), ids=["direct", "joined", "basis"])
def test_cells_of_the_fabric_are_counted(program):
    schedule = Schedule(adder_levels=2, handshake=False, fabric="ultrascale+")
    with unbuilt():
        costs = ProgramCore(program, schedule).costs
    text = rtlil.convert(ProgramCore(program, schedule), platform=CellPlatform())
    chains = len(re.findall(r"cell \\CARRY8 ", text))
    assert chains * 0.8 - 1 <= costs.carries <= chains * 1.2 + 1
    assert costs.adder_bits == 0 and costs.cells > costs.carries


def test_fewer_levels_are_more_registers():
    program = next(programs())
    with unbuilt():
        counts = [
            ProgramCore(program, Schedule(adder_levels=levels, handshake=False)).costs
            for levels in (1, 2, 0)
        ]
    bits = [each.registers for each in counts]
    assert bits == sorted(bits, reverse=True) and bits[0] > bits[-1]
    # Without registers between them several operands are added up in LUTs in front of one chain.
    assert [each.compressor_bits > 0 for each in counts] == [False, True, True]
    assert counts[0].adders > counts[1].adders >= counts[2].adders


@pytest.mark.parametrize("program", list(programs()), ids=["direct", "joined", "basis"])
def test_parts_are_what_they_are_for(program):
    schedule = Schedule(handshake=False)
    core_type = LAYER_CORES[program.layers[0].kind]
    with unbuilt():
        core = core_type(
            *(program.layers[0], (input_addresses(program.input.format, program.n_in),), schedule),
            as_codes=(True,),
        )
        parts, whole = core.own_parts, core.own_costs
        joined = not core._direct(0)
        del core
    assert parts.total == whole
    assert parts.sources.table_bits == whole.table_bits and not parts.sources.adder_bits
    # Sums have the adders; where outputs are joined, the join has its own.
    assert parts.sums.adders > 0
    assert (parts.joins.adders > 0) == joined
    assert parts.joins.register_bits > 0


def test_what_no_layer_reads_is_not_counted():
    program = next(programs())
    first, last = program.layers
    silent = last.tables.copy()
    silent[:, 1] = 0  # whatever output 1 of the first layer is
    dead = Program((first, EdgeTableLayer(silent, last.requantizers, last.name)), program.input)
    # The same without it: the first layer has two outputs, and the second reads both.
    (join,) = first.requantizers
    own = Requantizer(join.multipliers[:, [0, 2]], join.bias[[0, 2]], join.shift, join.format)
    kept = EdgeTableLayer(first.tables[[0, 2]], (own,), first.name)
    both = EdgeTableLayer(silent[:, [0, 2]], last.requantizers, last.name)
    with unbuilt():
        counts = [
            ProgramCore(each, Schedule(handshake=False)).costs
            for each in (dead, Program((kept, both), program.input), program)
        ]
    bits = [each.registers for each in counts]
    assert bits[0] == bits[1] < bits[2]
    assert counts[0].table_bits == counts[1].table_bits
