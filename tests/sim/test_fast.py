"""Verilator with the C++ main."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kanhw.errors import InputError, ToolNotFound
from kanhw.sim import FastRun, Simulator, run_fast
from kanhw.tools.simulators import find_verilator


@pytest.fixture(scope="module")
def verilator() -> Simulator:
    try:
        return find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def first_run(tiny: Any, verilator: Simulator) -> FastRun:
    """The run that builds the design; those after it use its build."""
    return run_fast(tiny.stream, tiny.codes(5000), build_dir=tiny.builds, simulator=verilator)


def test_outputs_latency_and_speed(tiny: Any, first_run: FastRun) -> None:
    np.testing.assert_array_equal(first_run.outputs, tiny.reference(tiny.codes(5000)))
    assert first_run.violations == () and first_run.latency_cycles == 3
    assert first_run.inferences_per_second > 10_000
    assert first_run.seconds_building > 0


def test_stalls_and_the_kept_build(tiny: Any, verilator: Simulator, first_run: FastRun) -> None:
    codes = tiny.codes(2000, seed=2)
    run = run_fast(
        tiny.stream, codes, stalls=True, seed=7, build_dir=tiny.builds, simulator=verilator
    )
    np.testing.assert_array_equal(run.outputs, tiny.reference(codes))
    assert run.violations == () and run.cycles > 2200
    assert (run.latency_cycles, run.cycles_per_inference) == (3, None)  # before the first stall
    assert run.seconds_building == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("valid_dropped", "o__valid fell before the output was taken"),
        ("payload_changed", "o__payload changed while stalled"),
        ("duplicated", "outputs more than inputs"),
        ("lost", "a transfer was lost"),
    ],
)
def test_planted_fault(
    tiny: Any, verilator: Simulator, first_run: FastRun, fault: str, message: str
) -> None:
    codes = tiny.codes(1000, fault=tiny.faults[fault])
    if fault == "duplicated":
        # Near the end, so that the extra output is still on its way after the last one counted.
        codes = tiny.codes(1000)
        codes[-1, 0] = tiny.faults[fault]
    run = run_fast(tiny.stream, codes, stalls=True, build_dir=tiny.builds, simulator=verilator)
    assert any(message in text for text in run.violations)


@pytest.mark.wide
def test_bare_design(tiny: Any, verilator: Simulator) -> None:
    codes = tiny.codes(1000)
    run = run_fast(tiny.bare, codes, stalls=True, simulator=verilator)
    np.testing.assert_array_equal(run.outputs, tiny.reference(codes))
    assert run.latency_cycles == 3 and not run.stalls and run.violations == ()


def test_no_vectors(tiny: Any) -> None:
    with pytest.raises(InputError, match=r"^There are no vectors to simulate"):
        run_fast(tiny.stream, np.zeros((0, 3), int))
