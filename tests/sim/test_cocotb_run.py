"""Whole designs under cocotb: what is right passes, and every planted fault is caught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sealed import seal_again

from kanhw.errors import InputError, ToolFailed
from kanhw.sim import Simulator, run_cocotb


def test_design_with_stalls(tiny: Any, simulator: Simulator) -> None:
    codes = tiny.codes(400)
    expected = tiny.reference(codes)
    run = run_cocotb(
        tiny.stream,
        codes,
        expected=expected,
        simulator=simulator,
        reset_midstream=True,
        build_dir=tiny.builds,
    )
    assert run.passed and run.violations == ()
    np.testing.assert_array_equal(run.outputs, expected)
    assert run.latency_cycles == 3
    assert run.cycles_per_inference == 1.0
    assert run.cycles > 440, "nothing was stalled"
    assert run.simulator == simulator and run.stalls and run.reset_midstream


def test_without_stalls_every_clock_gives_an_output(tiny: Any, quickest: Simulator) -> None:
    codes = tiny.codes(100)
    run = run_cocotb(
        tiny.stream, codes, simulator=quickest, stalls=False, build_dir=tiny.builds
    )
    np.testing.assert_array_equal(run.outputs, tiny.reference(codes))
    assert run.passed and not run.stalls
    assert run.cycles < 100 + 40


@pytest.mark.wide
def test_bare_design(tiny: Any, quickest: Simulator) -> None:
    codes = tiny.codes(50)
    expected = tiny.reference(codes)
    run = run_cocotb(
        tiny.bare, codes, expected=expected, simulator=quickest, build_dir=tiny.builds
    )
    assert run.passed and not run.stalls
    np.testing.assert_array_equal(run.outputs, expected)
    assert (run.latency_cycles, run.cycles_per_inference) == (3, 1.0)


def test_single_vector(tiny: Any, quickest: Simulator) -> None:
    codes = tiny.codes(1)
    run = run_cocotb(tiny.stream, codes, simulator=quickest, build_dir=tiny.builds)
    np.testing.assert_array_equal(run.outputs, tiny.reference(codes))
    assert run.passed and run.latency_cycles == 3 and run.cycles_per_inference is None


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("valid_dropped", "o__valid fell before the output was taken"),
        ("payload_changed", "o__payload changed while stalled"),
        ("duplicated", "has no input|more than inputs"),
        ("lost", "a transfer was lost"),
        ("stale_after_reset", "stale outputs appeared after the reset"),
    ],
)
def test_planted_fault_breaks_a_rule(
    tiny: Any, quickest: Simulator, fault: str, message: str
) -> None:
    codes = tiny.codes(300, fault=tiny.faults[fault])
    if fault == "stale_after_reset":
        codes[:, 0] = tiny.faults[fault]
    run = run_cocotb(
        tiny.stream,
        codes,
        simulator=quickest,
        reset_midstream=fault == "stale_after_reset",
        build_dir=tiny.builds,
    )
    assert not run.passed
    assert run.violations and any(_matches(message, text) for text in run.violations)


def _matches(pattern: str, text: str) -> bool:
    return any(part in text for part in pattern.split("|"))


def test_wrong_table_bit_fails_the_cocotb_test(tiny: Any, simulator: Simulator) -> None:
    codes = tiny.codes(100)
    codes[70, 0] = tiny.faults["wrong_table_bit"]
    expected = tiny.reference(codes)
    run = run_cocotb(
        tiny.stream, codes, expected=expected, simulator=simulator, build_dir=tiny.builds
    )
    assert not run.passed and run.violations == ()
    np.testing.assert_array_equal(np.argwhere(run.outputs != expected), [[70, 0]])


@pytest.mark.slow  # Verilator's runtime is compiled again, with traces.
def test_waves_are_written_where_asked(tiny: Any, tmp_path: Path, quickest: Simulator) -> None:
    run = run_cocotb(
        tiny.stream, tiny.codes(3), simulator=quickest, waves=tmp_path / "waves"
    )
    assert run.passed and run.waves is not None
    assert run.waves.parent == tmp_path and run.waves.stat().st_size > 0


def test_build_failure_quotes_the_simulator(
    tiny: Any, tmp_path: Path, quickest: Simulator
) -> None:
    for name in ("program.safetensors", "manifest.json", "kan.v"):
        (tmp_path / name).write_bytes((tiny.stream / name).read_bytes())
    (tmp_path / "kan.v").write_bytes(b"module kan; nonsense endmodule\n")
    seal_again(tmp_path)
    failure = r"failed with exit status 1; its last lines:\n(.*\n)*.*[Ss]yntax error"
    with pytest.raises(ToolFailed, match=failure):
        run_cocotb(tmp_path, tiny.codes(3), simulator=quickest)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((0, 3), int), r"^There are no vectors to simulate"),
        (np.zeros((2, 4), int), r"^Codes must have shape \[N, 3\], not \(2, 4\)$"),
        (np.zeros((2, 3)), r"^Codes must be integers, not float64$"),
        (np.full((2, 3), 16), r"^Codes must be -16 to 15 \(signed 5 bit\), not 16 to 16$"),
    ],
)
def test_bad_codes(tiny: Any, codes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_cocotb(tiny.stream, codes)


def test_bare_design_has_no_reset(tiny: Any) -> None:
    with pytest.raises(InputError, match=r"^A design without handshake has no reset"):
        run_cocotb(tiny.bare, tiny.codes(2), reset_midstream=True)
