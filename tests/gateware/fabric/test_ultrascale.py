"""Programs on the UltraScale+ fabric: the same numbers, at the declared latency."""

import numpy as np
import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.cli import main
from kanhw.design.design import load_design
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.fabric import Reading, fabric_named, pairing
from kanhw.gateware.fabric.coding import bit_luts
from kanhw.gateware.fabric.paired_tables import PairedTables
from kanhw.gateware.fabric.pairing import paired_luts, table_luts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.top.generator import generate_verilog
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, save_program
from kanhw.schedule.schedule import FABRICS, Schedule

TUNED = "ultrascale+"


MORE = (pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 12))


@pytest.mark.some(3)
@pytest.mark.parametrize("seed", [*range(8), *MORE])
def test_hardware_equals_program(seed, run_core, random_program, stimulus):
    rng = np.random.default_rng(1000 + seed)
    program = random_program(rng, argmax=seed % 5 == 0)
    schedule = Schedule(adder_levels=seed % 4, table_registers=bool(seed % 3), fabric=TUNED)
    codes = stimulus(program, rng, 60)[:150]
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_more_bits_of_one_input_than_a_word_has(run_core):
    """Ten outputs of an input of seven bits: 100 bits that read the same address."""
    rng = np.random.default_rng(1)
    tables = rng.integers(-500, 500, (10, 1, 128))
    layer = EdgeTableLayer(tables, (Requantizer(np.ones((1, 10), int), np.zeros(10, int)),))
    program = Program((layer,), InputEncoder(CodeFormat(7, False), 1))
    codes = np.arange(128)[:, None]
    found = run_core(program, Schedule(fabric=TUNED), codes)
    np.testing.assert_array_equal(found, program(codes))


def _edges(seed=1, bits=4, shape=((5, 4), (3, 5)), steepness=2, narrow=4):
    """Layers of smooth tables whose sums saturate at both ends."""
    rng = np.random.default_rng(seed)
    layers, width = [], bits
    for n_out, n_in in shape:
        tables = np.cumsum(
            rng.integers(-steepness, steepness + 1, (n_out, n_in, 1 << width)), axis=2
        )
        tables -= tables.mean(axis=2, keepdims=True).astype(int)
        requantizer = Requantizer(
            np.ones((1, n_out), int), np.zeros(n_out, int), 0, CodeFormat(narrow, True)
        )
        layers.append(EdgeTableLayer(tables, (requantizer,)))
        width = narrow
    return Program(tuple(layers), InputEncoder(CodeFormat(bits, False), shape[0][1]))


@pytest.mark.some(2)
@pytest.mark.parametrize(("levels", "bits"), [(0, 4), (1, 4), (2, 6)])
def test_smooth_saturating_networks(levels, bits, run_core, stimulus):
    steepness = 9 if bits == 6 else 3
    program = _edges(levels, bits, ((4, 3), (2, 4)), steepness, narrow=bits + 1)
    codes = stimulus(program, np.random.default_rng(0))
    outputs = program(codes)
    format = program.output_format
    assert (outputs == format.hi).any()
    assert (outputs == format.lo).any()
    schedule = Schedule(adder_levels=levels, fabric=TUNED)
    np.testing.assert_array_equal(run_core(program, schedule, codes), outputs)


def test_flags_pass_between_layers():
    program = _edges(2, 6, narrow=7, steepness=9)
    core = ProgramCore(program, Schedule(fabric=TUNED))
    widths = {address.width for address in core._layers._cores[0].outputs[0]}
    assert 8 in widths


def test_verilog_has_cells_and_portable_has_none():
    program = _edges(shape=((2, 3),))
    texts = [generate_verilog(program, Schedule(fabric=name)).text for name in FABRICS]
    assert [("LUT6_2" in text, "CARRY8" in text) for text in texts] == [(False,) * 2, (True,) * 2]
    assert texts[1] == generate_verilog(program, Schedule(fabric=TUNED)).text


def test_schedule_names_its_fabric():
    assert Schedule.from_json(Schedule(fabric=TUNED).to_json()) == Schedule(fabric=TUNED)
    assert "fabric" not in Schedule().to_json()
    for name in FABRICS:
        fabric_named(name)
    with pytest.raises(
        InputError, match=r"\AUnknown fabric 'agilex': this version knows 'portable"
    ):
        Schedule(fabric="agilex")


class _Bank(Component):
    """Some tables on one input."""

    def __init__(self, tables, *, registered):
        self._bank = PairedTables(registered=registered)
        self._tables = tables
        self.latency = int(registered)
        bits = len(tables[0].values).bit_length() - 1
        super().__init__({"i": In(unsigned(bits)), "o": Out(unsigned(8 * len(tables)))})

    def elaborate(self, platform):
        m = Module()
        place = (Reading(0, 0, tuple(range(len(self.i)))),)
        for k, table in enumerate(self._tables):
            value = self._bank.output(m, place, self.i, table, None)
            m.d.comb += self.o[8 * k : 8 * k + 8].eq(value)
        self._bank.finish(m, platform)
        return m


def _check_bank(simulate, columns, registered=True):
    tables = [MinimisedTable(tuple(int(v) for v in values), 0, 0) for values in columns]
    bank = _Bank(tables, registered=registered)
    words = simulate(bank, [bank.i], [(a,) for a in range(len(columns[0]))])
    for k, values in enumerate(columns):
        assert [word >> 8 * k & 255 for word in words] == list(values)


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("bits", [1, 3, 6, 8])
def test_bank(bits, registered, simulate):
    rng = np.random.default_rng(bits)
    address = np.arange(1 << bits)
    columns = [rng.integers(0, 256, 1 << bits) for _ in range(3)]
    columns.append(np.where(address >> (bits - 1) & 1, 77, columns[0]))  # a flag
    columns.append(np.where(address & 1 | address >> (bits - 1) & 1, 9, columns[1]))  # two
    columns.append(columns[0] >> 4 & (address >> 1) * 3 % 8)
    columns.append(address & 255)
    _check_bank(simulate, columns, registered)


def test_what_a_reset_gives_takes_no_luts():
    address = np.arange(256)
    values = np.random.default_rng(0).integers(0, 4, 256)
    flagged = np.where(address >> 7 & 1, 3, values)
    gated = np.where((address >> 7 & 1) | (address & 1), 3, values)
    found = [
        table_luts(MinimisedTable(tuple(v.tolist()), 0, 0), registered=True)
        for v in (flagged, gated)
    ]
    assert found == [3.7, 2.0]


def _place(input, bits):
    return (Reading(0, input, tuple(range(bits))),)


def _table(values):
    return MinimisedTable(tuple(np.asarray(values).tolist()), 0, 0)


def test_tables_of_a_layer_are_counted_with_what_they_share():
    rng = np.random.default_rng(5)
    # Parities depend on all address bits, and no address bit decides them.
    two, three, four = (
        _table([bin(a).count("1") & 1 for a in range(1 << bits)]) for bits in (2, 3, 4)
    )
    apart = {_place(0, 2): [two], _place(1, 3): [three], _place(2, 4): [four]}
    # Two and three address bits of different inputs fit in a LUT, four and any do not.
    assert paired_luts(apart, registered=True) == 2
    assert paired_luts({_place(0, 2): [two, two]}, registered=True) == 1
    # Where either of two bits resets flip-flops there is a LUT that says so.
    values, address = rng.permutation(64), np.arange(64)
    gated = np.where((address >> 5 & 1) | (address & 1), 0, values)
    bits = sum(bit_luts(4) for _ in range(6))
    assert paired_luts({_place(0, 6): [_table(gated)]}, registered=True) == bits + 1
    assert paired_luts({_place(0, 6): [_table(gated)]}, registered=False) == 6 * bit_luts(6)


def test_a_wrong_exception_is_seen(simulate, monkeypatch):
    real = pairing._exception
    monkeypatch.setattr(
        pairing, "_exception", lambda values: (real(values)[0], real(values)[1] ^ 1)
    )
    address = np.arange(64)
    with pytest.raises(AssertionError):
        _check_bank(simulate, [np.where(address >> 5 & 1, 7, address % 5)])


def test_images(image_program, check_images):
    """Absent taps and addresses with flags behind line buffers."""
    rng = np.random.default_rng(11)
    program = image_program(rng, ["convolution", "pooling"], dense=True)
    check_images(program, Schedule(fabric=TUNED), rng)


def test_stalls_keep_every_output(stream_run, pack):
    """A stalled pipeline must not set or reset a register that waits."""
    program = _edges(3, 4, narrow=5, steepness=4)
    codes = np.random.default_rng(0).integers(0, 16, (60, program.n_in))
    words = pack(codes, program.input.format)
    expected = pack(program(codes), program.output_format)
    top = StreamTop(program, Schedule(fabric=TUNED))
    assert stream_run(top, words, len(words), chances=(0.6, 0.5)).words == expected


def test_command_line(tmp_path, capsys):
    source, out = tmp_path / "kan.safetensors", tmp_path / "design"
    save_program(_edges(shape=((2, 3),)), source)
    arguments = ["generate", str(source), "--out", str(out), "--fabric", TUNED]
    assert main(arguments) == 0
    assert load_design(out).schedule == Schedule(fabric=TUNED)
    assert "LUT6_2" in (out / "kan.v").read_text()
    assert main([*arguments[:-1], "stratix"]) != 0
    assert "Unknown fabric 'stratix'" in capsys.readouterr().err
