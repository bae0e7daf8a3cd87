"""Power before synthesis: words that change are counted, and what keeps still takes a clock."""

import numpy as np
import pytest
from physical_programs import physical_program

import kanhw
from kanhw.estimation.modelled_power import word_changes
from kanhw.power.stimulus import toggling_codes

FOLDED = kanhw.Schedule(kind="folded")


@pytest.fixture(scope="module")
def program():
    return physical_program(1, (3, 2))


def test_words_are_counted(program):
    low = program.input.format.lo
    still = np.full((50, 3), low)
    assert word_changes(program, kanhw.Schedule(), still)[0] == (0.0, 0.0)
    half = still.copy()
    half[1::2, 0] += 1  # one of three inputs changes at every row
    code, total = word_changes(program, kanhw.Schedule(), half)[0]
    assert (code, total) == (pytest.approx(1 / 3), 1.0)
    # Folded, another input's code comes at every step.
    steps = np.tile([low, low + 1, low + 2], (50, 1))
    assert word_changes(program, FOLDED, steps)[0] == (1.0, 1.0)
    assert word_changes(program, kanhw.Schedule(), steps)[0] == (0.0, 0.0)


def estimated(program, **words):
    return kanhw.estimate(
        program, "xcup", grade="model", clock_mhz=100, power=True, integers="codes", **words
    )


def test_what_keeps_still_takes_its_clock(program):
    lo, hi = program.input.code_ends
    still = estimated(program, vectors=np.tile(lo, (50, 1)))
    moving = estimated(program, vectors=np.clip(toggling_codes(program, 0.5, 0, 50), lo, hi))
    assert still.power_w["clock"] == moving.power_w["clock"] > 0
    assert still.power_w["signals"] == 0 < moving.power_w["signals"]
    assert still.power_w["dynamic"] < moving.power_w["dynamic"]
    each = moving.energy_per_inference_j["dynamic"]
    assert each == pytest.approx(moving.power_w["dynamic"] / moving.inferences_per_second)
    assert moving.energy_per_inference_j["total"] is None


def test_static_power_and_what_is_not_known(program):
    found = estimated(program, toggle_rate=0.125, part="xczu7ev")
    assert found.power_w["static"] == 0.593
    assert not found.to_json()["power"]["lower_bound"]
    blocks = kanhw.estimate(
        program, "ecp5", FOLDED, grade="model", clock_mhz=100, power=True, toggle_rate=0.125
    )
    assert blocks.bram > 0 and blocks.power_w["memory"] is None
    assert blocks.to_json()["power"]["lower_bound"]
    assert "at least" in "\n".join(blocks.power.lines())
