"""Power by hand: so many toggles and cells, times what each takes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from physical_programs import physical_program

import kanhw
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.estimation import ResourceEstimate
from kanhw.flow.power import estimate_power
from kanhw.power.activity import Activity
from kanhw.power.energy import power_of, static_power
from kanhw.power.mapped import MappedNetlist
from kanhw.targets.cells.cell import Cell
from kanhw.targets.energies import Band
from kanhw.targets.table import TARGETS, cell_kinds_of, energies_of

CELLS = (
    Cell("lut", "LUT1", {}, {"I0": (2,), "O": (3,)}),
    Cell("ff", "FDRE", {}, {"D": (3,), "Q": (4,), "C": (5,)}),
    Cell("product", "DSP48E2", {}, {"P": (6,)}),
)
NETLIST = MappedNetlist({"i": (2,), "clk": (5,), "o": (4,)}, frozenset({"i", "clk"}), CELLS, 7)


def estimated(toggles, *, clocks=1000, vectors=500, inputs=0.25, part=None, cells=CELLS):
    netlist = MappedNetlist(NETLIST.ports, NETLIST.inputs, cells, 7)
    activity = Activity(np.array(toggles), clocks, vectors, vectors, inputs, 0.1)
    return power_of(
        TARGETS["xcup"],
        netlist,
        cell_kinds_of("xcup"),
        activity,
        clock_mhz=200.0,
        part=part,
        stimulus="x of data.npz",
    )


def test_by_hand():
    found = estimated([0, 0, 250, 500, 125, 0, 0], part="xczu7ev", cells=CELLS[:2])
    energies, watt = energies_of("xcup"), 200e6 * 1e-15
    assert found.power_w["clock"] == energies.clock_ff * watt
    logic = energies.cell_toggle * 0.5 + energies.ff * 1
    assert found.power_w["logic"].middle == pytest.approx((logic * watt).middle)
    # The look-up table's net ends at its flip-flop, within the slice.
    assert found.power_w["signals"].high == pytest.approx(energies.net_toggle.high * 0.375 * watt)
    assert found.power_w["dsp"] == found.power_w["memory"] == Band(0.0, 0.0)
    parts = [found.power_w[name].low for name in ("clock", "logic", "signals")]
    assert found.power_w["dynamic"].low == pytest.approx(sum(parts))
    # A vector every other clock.
    assert found.inferences_per_second == 100e6
    each = found.energy_per_inference_j
    assert each["dynamic"].high == pytest.approx(found.power_w["dynamic"].high / 100e6)
    static = energies.static_w["xczu7ev"]
    assert each["total"].low - each["dynamic"].low == pytest.approx(static.low / 100e6)
    assert found.warnings == ()


def test_multiplier_blocks_are_in_the_sum():
    found = estimated([0, 0, 250, 500, 125, 0, 9])
    assert found.power_w["dsp"] == energies_of("xcup").dsp * (200e6 * 1e-15)
    assert not found.unknown and found.power_w["dynamic"].low > found.power_w["dsp"].low


def test_what_is_not_known_is_absent(monkeypatch):
    without = replace(energies_of("xcup"), dsp=None)
    monkeypatch.setattr("kanhw.power.energy.energies_of", lambda target: without)
    found = estimated([0, 0, 250, 500, 125, 0, 9])
    assert found.power_w["dsp"] is None
    assert found.unknown == {"DSP48E2": 1}
    assert found.power_w["static"] is None
    assert found.energy_per_inference_j["total"] is None
    text = "\n".join(found.lines())
    assert "static unknown: name a part with --part" in text
    assert "not in it, as no energy is known: 1 DSP48E2" in text
    assert text.startswith("dynamic at least") and found.to_json()["lower_bound"]
    data = json.loads(json.dumps(found.to_json()))
    assert data["power_w"]["dsp"] is None and data["energy_per_inference_j"]["total"] is None
    with pytest.raises(InputError, match="static power of 'xc7z' is not known; of xcup parts that"):
        static_power(energies_of("xcup"), "xc7z", "xcup")


def test_warnings_say_what_to_do():
    few = estimated([0] * 7, vectors=50, inputs=0.001).warnings
    assert "50 rows are few: give 100 or more" in few[0]
    assert few[1].startswith(
        "a bit of the input changes in 2 % of the payloads that follow each other, where real"
    )
    assert few[1].endswith("in the order in which the design will see them?")


def test_a_payload_that_waits_is_not_one_that_hardly_changes():
    # A vector every 200 clocks, of which a fifth of the bits change.
    assert not estimated([0] * 7, clocks=100_000, vectors=500, inputs=0.001).warnings


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    program = physical_program(1, (2, 1))
    return kanhw.generate(program, tmp_path_factory.mktemp("design") / "d")


def test_the_command(design, tmp_path, capsys):
    x = np.random.default_rng(0).uniform(-3, 3, (200, 2))
    np.savez(tmp_path / "data.npz", x=x)
    words = ["estimate", str(design.path), "--target", "ice40", "--power", "--clock-mhz", "12"]
    words += ["--vectors", str(tmp_path / "data.npz"), "--part", "up5k"]
    assert main([*words, "--json", "--out", str(tmp_path / "e.json")]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data["power_w"]) == {
        "clock", "logic", "signals", "memory", "dsp", "dynamic", "static",
    }  # fmt: skip
    assert 0 < data["energy_per_inference_j"]["dynamic"] < data["energy_per_inference_j"]["total"]
    assert data["power"]["vectors"] == 200
    assert data["power"]["inferences_per_second"] == 12e6
    kept = json.loads((tmp_path / "e.json").read_text())
    assert ResourceEstimate.from_json(kept).lut == data["lut"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "at 12 MHz, the core alone (clock" in text
    assert "glitches are not counted" in text


@pytest.mark.parametrize(
    "words, message",
    [
        (["--power", "--toggle-rate", "0.1"], "--power hangs on the clock: add --clock-mhz"),
        (["--clock-mhz", "9"], "--clock-mhz is for power: add --power"),
        (["--power", "--clock-mhz", "9"], "Power hangs on the data: give vectors (--vectors"),
        (["--power", "--clock-mhz", "-9", "--toggle-rate", "0.1"], "clock_mhz must be above 0"),
        (["--power", "--clock-mhz", "9", "--fmax"], "--power and --fmax are two estimates"),
        (
            ["--power", "--clock-mhz", "9", "--toggle-rate", "0.1", "--part", "x"],
            "The static power of 'x' is not known; of ice40 parts that of up5k, lp640, lp8k is",
        ),
    ],
)
def test_mistakes(design, words, message, capsys):
    assert main(["estimate", str(design.path), "--target", "ice40", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.wide
def test_without_vectors_rates_are_propagated(design):
    _, still = estimate_power(design, "ice40", clock_mhz=12, vectorless=True)
    _, drawn = estimate_power(design, "ice40", clock_mhz=12, toggle_rate=0.125)
    assert still.stimulus.startswith("vectorless, bits of the inputs change in 12.5 %")
    assert "compared with vendors' reports" in still.warnings[0] and still.vectors == 0
    assert still.toggles_per_clock == pytest.approx(drawn.toggles_per_clock, rel=0.2)
    assert still.inferences_per_second == 12e6
    assert still.glitch_bound > 1 and drawn.glitch_bound > 1
    assert "with them nets change at most" in "\n".join(still.lines())
    assert not still.to_json()["lower_bound"]


def test_random_inputs_are_called_so(design):
    _, found = estimate_power(design, "ice40", clock_mhz=12, toggle_rate=0.125)
    assert found.stimulus == "random inputs, seed 0"
    assert "random inputs are not data" in found.warnings[0]
    with pytest.raises(InputError, match="Power hangs on the data"):
        estimate_power(design, "ice40", clock_mhz=12, toggle_rate=0.1, vectors=np.zeros((9, 2)))
