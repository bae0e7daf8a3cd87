"""Reports of comparing a design with its Program."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.sim import Mismatch, Simulator, check_design


@pytest.fixture(autouse=True)
def _program(tiny_program: Any) -> None:
    pass


def test_equal_design_passes(tiny: Any, quickest: Simulator) -> None:
    codes = tiny.codes(200)
    report = check_design(
        tiny.stream,
        codes,
        tiny.reference(codes),
        simulator=quickest,
        seed=3,
        reset_midstream=True,
        build_dir=tiny.builds,
    )
    assert report.passed and report.problems == ()
    assert (report.vectors, report.mismatches, report.expected_mismatches) == (200, 0, 0)
    assert report.latency_cycles == report.declared_latency == 3
    assert (report.stalls, report.seed, report.reset_midstream) == (True, 3, True)
    data = json.loads(json.dumps(report.to_json()))
    assert data["passed"] is True
    assert (data["simulator"], data["simulator_version"]) == (quickest.name, quickest.version)


def test_mismatch_is_reported(tiny: Any, quickest: Simulator) -> None:
    codes = tiny.codes(100)
    codes[42, 0] = tiny.faults["wrong_table_bit"]
    report = check_design(tiny.stream, codes, simulator=quickest, build_dir=tiny.builds)
    right = int(tiny.reference(codes)[42, 0])
    assert not report.passed and report.mismatches == 1
    assert report.first_mismatches == (Mismatch(42, 0, right ^ 1, right),)
    start = "1 output codes differ from the Program; first: vector 42, output 0: got "
    assert report.problems[-1].startswith(start)
    assert json.loads(json.dumps(report.to_json()))["first_mismatches"][0]["vector"] == 42


def test_wrong_latency_in_the_manifest_fails(tiny: Any, quickest: Simulator) -> None:
    report = check_design(tiny.late, tiny.codes(20), simulator=quickest, build_dir=tiny.builds)
    assert not report.passed and report.mismatches == 0
    assert report.problems == ("the latency is 3 cycles, but the manifest says 4",)


def test_expected_outputs_that_the_program_misses_fail(tiny: Any, quickest: Simulator) -> None:
    codes = tiny.codes(20)
    expected = tiny.reference(codes)
    expected[3, 1] += 200
    report = check_design(
        tiny.stream, codes, expected, simulator=quickest, build_dir=tiny.builds
    )
    assert not report.passed and report.mismatches == 0 and report.expected_mismatches == 1


@pytest.mark.parametrize("engine", ["cocotb", "fast"])
def test_nothing_to_compare_fails(tiny: Any, engine: Any) -> None:
    report = check_design(tiny.stream, np.zeros((0, 3), int), engine=engine)
    assert not report.passed and report.vectors == 0
    assert report.problems == ("there was nothing to compare: no input vectors",)


def test_bad_arguments(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused before anything is simulated."""
    monkeypatch.setattr("kanhw.sim.equivalence.run_cocotb", None)
    codes = tiny.codes(2)
    with pytest.raises(InputError, match=r"^Unknown engine 'spice': use 'cocotb' or 'fast'$"):
        check_design(tiny.stream, codes, engine="spice")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^Expected outputs must be integers \[2, 2\], not "):
        check_design(tiny.stream, codes, np.zeros((2, 3), int))
    with pytest.raises(InputError, match=r"^The engine 'fast' has neither reset_midstream"):
        check_design(tiny.stream, codes, engine="fast", reset_midstream=True)
