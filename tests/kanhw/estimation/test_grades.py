"""One call, three grades: what each knows, what is absent, and where a figure is from."""

import json
from dataclasses import replace

import numpy as np
import pytest
from physical_programs import physical_program

import kanhw
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.estimation import Estimate, Figure
from kanhw.estimation.estimate import FIGURES, timed
from kanhw.estimation.place_and_route import PlacedTiming
from kanhw.estimation.resource_model import resources_of
from kanhw.estimation.side_by_side import side_by_side
from kanhw.flow.estimating import estimates_of, subject_of
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape
from kanhw.targets.table import TARGETS

FOLDED = kanhw.Schedule(kind="folded", parallel_inputs=2)


@pytest.fixture(scope="module")
def program():
    return physical_program(1, (2, 1))


@pytest.fixture(scope="module")
def folder(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("grades")
    kanhw.generate(program, path / "design")
    kanhw.save_program(program, path / "p.safetensors")
    return path


@pytest.fixture(scope="module")
def synthesised(folder):
    return kanhw.estimate(folder / "design", "ice40")


@pytest.mark.parametrize("target", ["xcup", "ecp5", "ice40"])
@pytest.mark.parametrize("schedule", [kanhw.Schedule(), FOLDED], ids=["unrolled", "folded"])
def test_the_model_needs_nothing_but_the_program(program, target, schedule):
    found = kanhw.estimate(program, target, schedule, grade="model", clock_mhz=50)
    assert isinstance(found, Estimate) and (found.target, found.grade) == (target, "model")
    assert found.lut > 0 and found.ff > 0 and found.resources is None
    assert found.latency_ns == 1e3 * found.cycles / 50
    assert found.inferences_per_second == 50e6 / found.interval
    assert found.power_w is None and found.energy_per_inference_j is None
    own = found.figures["lut"]
    assert own.grade == "model" and own.low < own.value < own.high
    assert found.figures["cycles"].grade == "schedule"
    assert found.figures["clock_mhz"].grade == "given"


def test_what_is_not_known_is_absent(program):
    found = kanhw.estimate(program, "xcup", grade="model")
    assert found.clock_mhz is None and found.latency_ns is None
    data = json.loads(json.dumps(found.to_json()))
    assert set(FIGURES) <= set(data)
    assert data["clock_mhz"] is None and "clock_mhz" not in data["figures"]
    assert "power_w" not in data


def test_synthesis_is_what_it_was(folder, program, synthesised):
    for given in (program, str(folder / "p.safetensors")):
        found = kanhw.estimate(given, "ice40", grade="synthesis")
        assert (found.lut, found.ff) == (synthesised.lut, synthesised.ff)
        assert found.figures["lut"].source == synthesised.tool
        assert found.resources.lut_by_size == synthesised.lut_by_size


def test_a_grade_brings_the_cheaper_ones(program, synthesised):
    timing = PlacedTiming(
        fmax_mhz=80.0, fmax_by_seed=(70.0, 80.0, 90.0), device="F", tool="nextpnr 1", flags="",
        seconds=1.0, counted={"lut": 99, "ff": 60},
    )  # fmt: skip
    subject = subject_of(program, None)
    placed = replace(synthesised, timing=timing)
    model, made, place = estimates_of(subject, placed, None)
    assert [each.grade for each in (model, made, place)] == ["model", "synthesis", "place"]
    assert made.lut == synthesised.lut and made.clock_mhz is None
    assert (place.lut, place.ff, place.clock_mhz) == (99, 60, 80.0)
    clock = place.figures["clock_mhz"]
    assert (clock.grade, clock.low, clock.high) == ("place", 70.0, 90.0)
    assert place.latency_ns == pytest.approx(1e3 * place.cycles / 80)
    rate = place.figures["inferences_per_second"]
    assert rate.low < rate.value < rate.high
    lines = side_by_side([model, made, place], ["model", "synthesis", "place"])
    assert lines[0].split() == ["model", "synthesis", "place"]
    assert next(line for line in lines if line.startswith("FF")).split()[-1] == "60"
    # A clock that is given is the one that time is told at.
    assert estimates_of(subject, placed, None, clock_mhz=10)[-1].latency_ns == 1e2 * place.cycles


def test_times_have_the_band_of_their_clock(program):
    clocks = kanhw.estimate(program, "xcup", grade="model").clocks
    found = timed(clocks, Figure(100.0, "place", "tool", 50.0, 200.0))
    assert found["latency_ns"].low == pytest.approx(found["latency_ns"].value / 2)
    assert found["inferences_per_second"].high == pytest.approx(2e8)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"grade": "modell"}, r"^Unknown grade 'modell': .* did you mean 'model'\?$"),
        ({"grade": "place", "target": "ice40"}, r"^Fmax needs placing and routing, which there is"),
        ({"grade": "synthesis", "power": True}, r"^Power hangs on the clock: give clock_mhz"),
        ({"grade": "model", "clock_mhz": -1}, r"^clock_mhz must be above 0 and below 10,000 MHz"),
        (
            {"grade": "model", "power": True, "clock_mhz": 9, "vectorless": True,
             "vectors": np.zeros((2, 2))},
            r"^Vectorless power takes no vectors",
        ),
        ({"grade": "model", "power": True, "clock_mhz": 9}, r"^Power hangs on the data"),
    ],
)  # fmt: skip
def test_mistakes(program, words, message):
    words = {"target": "ecp5", **words}
    with pytest.raises(InputError, match=message):
        kanhw.estimate(program, **words)


def test_a_design_has_its_own_schedule(folder):
    with pytest.raises(InputError, match="is a design and has its own schedule: leave the"):
        kanhw.estimate(folder / "design", "xcup", FOLDED, grade="model")


def test_a_target_without_a_model_is_refused(program, monkeypatch):
    monkeypatch.setitem(TARGETS, "ice40", replace(TARGETS["ice40"], weights=None))
    with pytest.raises(InputError, match="There is no resource model of ice40"):
        kanhw.estimate(program, "ice40", grade="model")


def run(capsys, *words):
    status = main([str(word) for word in words])
    return status, capsys.readouterr()


def test_the_command_ends_with_a_table(folder, capsys):
    words = ("estimate", folder / "p.safetensors", "--target", "xcup", "--grade", "model")
    status, shown = run(capsys, *words, "--clock-mhz", 100)
    assert status == 0
    lines = shown.out.splitlines()
    assert lines[-1].split()[0] == "inferences/s"
    assert any(line.split()[:1] == ["LUT"] for line in lines)
    status, shown = run(capsys, *words, "--schedule", "folded", "--json", "--clock-mhz", 100)
    data = json.loads(shown.out)
    assert data["interval"] > 1 and data["grades"]["model"]["lut"] == data["lut"]


@pytest.mark.wide
def test_synthesis_is_shown_beside_the_model(folder, capsys, tmp_path):
    words = ("estimate", folder / "design", "--target", "ice40", "--out", tmp_path / "e.json")
    status, shown = run(capsys, *words, "--grade", "synthesis", "--json")
    data = json.loads(shown.out)
    assert status == 0 and set(data["grades"]) == {"model", "synthesis"}
    assert data["grade"] == "synthesis"
    status, shown = run(capsys, *words)  # over its own file
    assert status == 0
    assert any(line.split() == ["model", "synthesis"] for line in shown.out.splitlines())


def test_designs_side_by_side(folder, capsys):
    program = folder / "p.safetensors"
    words = ("estimate", "--compare", folder / "design", program, "--target", "ecp5")
    status, shown = run(capsys, *words, "--grade", "model", "--json")
    data = json.loads(shown.out)
    assert status == 0
    assert [each["lut"] for each in data["designs"]] == [data["designs"][0]["lut"]] * 2
    status, shown = run(capsys, *words, "--grade", "model")
    assert "p.safetensors" in shown.out.splitlines()[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "xcup"), "Name what to estimate: a design or a Program"),
        (("design", "--target", "xcup", "--grade", "model", "--fmax"), "--fmax is the grade"),
        (("design", "--target", "xcup", "--fabric", "ultrascale+"), "A design has its"),
        (("design", "--board", "icestick", "--grade", "model"), "--board is placed and routed"),
        (("design", "--target", "xcup", "--grade", "model", "--part", "x"), "--part is for power"),
    ],
)
def test_mistakes_of_the_command(folder, words, message, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    status, shown = run(capsys, "estimate", *words)
    assert status == 2 and message in shown.err


@pytest.mark.parametrize("words", [32, 1024])
def test_memories_of_a_norm_are_no_block_rams(words):
    """They are read in the clock that gives the place: flip-flops where no LUT can be written."""
    norm = HardwareCosts(memories=(MemoryShape(words, 8, written=True, registered=False),))
    found = resources_of(norm, "ice40")
    assert (found.ff, found.bram) == (8 * words, 0)
    assert found.lut > 8 * words // 4
    in_luts = resources_of(norm, "ecp5")
    assert (in_luts.ff, in_luts.bram) == (0, 0) and 0 < in_luts.lut < found.lut
