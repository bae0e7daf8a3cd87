"""PLL settings against the families' limits."""

import pytest

from kanhw.boards.build.plls import (
    ecp5_settings,
    gatemate_settings,
    gowin_settings,
    ice40_settings,
    nearest_below,
)


@pytest.mark.parametrize("source", [12, 25, 48, 100])
def test_ice40_settings_are_within_the_limits(source):
    found = list(ice40_settings(source))
    assert len(found) > 30
    for setting in found:
        own = setting.parameters
        detector = source / (own["DIVR"] + 1)
        oscillator = detector * (own["DIVF"] + 1)
        assert 10 <= detector <= 133 and 533 <= oscillator <= 1066
        assert own["DIVF"] < 128 and own["DIVR"] < 16 and 1 <= own["DIVQ"] <= 6
        assert setting.hz == round(oscillator / 2 ** own["DIVQ"] * 1e6)


@pytest.mark.parametrize("source", [25, 48, 50, 100])
def test_ecp5_settings_are_within_the_limits(source):
    found = list(ecp5_settings(source))
    assert len(found) > 100
    for setting in found:
        own = setting.parameters
        made = source / own["CLKI_DIV"] * own["CLKFB_DIV"]
        assert source / own["CLKI_DIV"] >= 3.125
        assert 400 <= made * own["CLKOP_DIV"] <= 800
        assert all(1 <= value <= 128 for value in own.values())
        assert setting.hz == round(made * 1e6)


def test_the_nearest_below_is_taken():
    # The example of Lattice's own calculator: 12 MHz to 48 is DIVF 63, DIVQ 4.
    setting = nearest_below(ice40_settings(12), 48.2e6)
    assert setting.hz == 48_000_000
    assert setting.parameters == {"DIVR": 0, "DIVF": 63, "DIVQ": 4, "FILTER_RANGE": 1}
    assert nearest_below(ice40_settings(12), 15e6) is None
    assert nearest_below(ecp5_settings(25), 100e6).hz == 100_000_000


@pytest.mark.parametrize("source", [27, 50])
def test_gowin_settings_are_within_the_limits(source):
    found = list(gowin_settings(source))
    assert len(found) > 100
    for setting in found:
        own = setting.parameters
        made = source / (own["IDIV_SEL"] + 1) * (own["FBDIV_SEL"] + 1)
        assert source / (own["IDIV_SEL"] + 1) >= 3
        assert 400 <= made * own["ODIV_SEL"] <= 1200
        assert max(own["IDIV_SEL"], own["FBDIV_SEL"]) < 64
        assert setting.hz == round(made * 1e6)


@pytest.mark.parametrize("source", [10, 25])
def test_gatemate_makes_its_settings_exactly(source):
    """What nextpnr searches: a product of two counters, halved, over one that is 1 or even."""
    exact = {
        source * first * second / (2 * divided)
        for first in range(1, 65)
        for second in range(1, 101)
        for divided in (1, *range(2, 129, 2))
        if 1000 < 2 * source * first * second <= 2000 and source * second <= 625
    }
    found = list(gatemate_settings(source))
    assert len(found) > 60
    for setting in found:
        own = setting.parameters
        assert float(own["OUT_CLK"]) in exact and float(own["REF_CLK"]) == source
        assert setting.hz == float(own["OUT_CLK"]) * 1e6 <= 312.5e6
    assert 36e6 <= nearest_below(iter(found), 36.6e6).hz <= 36.6e6
