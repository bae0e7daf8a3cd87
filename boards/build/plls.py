"""Clocks that a family's PLL makes of an oscillator's, and the PLL's settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = [
    "PllSetting",
    "ecp5_settings",
    "gatemate_settings",
    "gowin_settings",
    "ice40_settings",
    "mmcm_settings",
    "nearest_below",
    "no_settings",
]


@dataclass(frozen=True, order=True)
class PllSetting:
    """How a PLL is set.

    Parameters
    ----------
    hz
        What it makes, rounded to a whole number.
    parameters
        Of the family's cell.
    """

    hz: int
    parameters: dict[str, int | float | str] = field(compare=False)


def ice40_settings(source_mhz: float) -> Iterator[PllSetting]:
    """All settings of SB_PLL40 in simple feedback.

    The phase detector works at 10 to 133 MHz, the oscillator at 533 to 1,066 MHz, and the output
    gives 16 to 275 MHz (Lattice FPGA-TN-02052).
    """
    ranges = ((17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (133.1, 6))
    for divr in range(16):
        detector = source_mhz / (divr + 1)
        if not 10 <= detector <= 133:
            continue
        filter_range = next(number for limit, number in ranges if detector < limit)
        for divf in range(128):
            oscillator = detector * (divf + 1)
            if not 533 <= oscillator <= 1066:
                continue
            for divq in range(1, 7):
                made = oscillator / (1 << divq)
                if 16 <= made <= 275:
                    yield PllSetting(
                        round(made * 1e6),
                        {
                            "DIVR": divr,
                            "DIVF": divf,
                            "DIVQ": divq,
                            "FILTER_RANGE": filter_range,
                        },
                    )


def ecp5_settings(source_mhz: float) -> Iterator[PllSetting]:
    """All settings of EHXPLLL with its first output fed back.

    The phase detector works at 3.125 to 400 MHz and the oscillator at 400 to 800 MHz (Lattice
    FPGA-TN-02200); the output is divided so that the oscillator is near 600.
    """
    for divided in range(1, 128):
        detector = source_mhz / divided
        if detector < 3.125:
            break
        for multiplied in range(1, 81):
            made = detector * multiplied
            if not 3.125 <= made <= 400:
                continue
            output = max(1, min(128, round(600 / made)))
            if 400 <= made * output <= 800:
                yield PllSetting(
                    round(made * 1e6),
                    {"CLKI_DIV": divided, "CLKFB_DIV": multiplied, "CLKOP_DIV": output},
                )


_GATEMATE_LEAST_MHZ = 4
_GOWIN_OUTPUTS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


def gowin_settings(source_mhz: float) -> Iterator[PllSetting]:
    """All settings of rPLL with its feedback inside.

    The phase detector works at 3 MHz and more, the oscillator at 400 to 1,200 MHz, and the output
    gives 3.125 to 600 MHz (Gowin UG286, devices of grade C6/I5).
    """
    for divided in range(1, 65):
        detector = source_mhz / divided
        if detector < 3:
            break
        for multiplied in range(1, 65):
            made = detector * multiplied
            output = next((each for each in _GOWIN_OUTPUTS if made * each >= 400), None)
            if output is not None and made * output <= 1200 and 3.125 <= made <= 600:
                yield PllSetting(
                    round(made * 1e6),
                    {"IDIV_SEL": divided - 1, "FBDIV_SEL": multiplied - 1, "ODIV_SEL": output},
                )


def gatemate_settings(source_mhz: float) -> Iterator[PllSetting]:
    """Clocks of CC_PLL that are whole quarters of a MHz, which nextpnr makes exactly.

    The tool finds the dividers itself. In the mode ``ECONOMY`` (a core of 1.0 V) the oscillator
    works at 1,000 to 2,000 MHz, and half of it drives two counters of feedback, of which the second
    takes 625 MHz at most; with low jitter the source is not divided. The output's divider is 1 or
    even, and gives 312.5 MHz at most (Cologne Chip UG1001).
    """
    made = set()
    for multiplied in range(1, 1001):
        half = source_mhz * multiplied
        counters = (first for first in range(1, 65) if multiplied % first == 0)
        if not 500 < half <= 1000 or all(half / first > 625 for first in counters):
            continue
        for divided in (1, *range(2, 129, 2)):
            quarters = Fraction(source_mhz) * multiplied / (2 * divided) * 4
            if quarters.denominator == 1 and 4 * _GATEMATE_LEAST_MHZ <= quarters <= 1250:
                made.add(int(quarters))
    for quarters in sorted(made):
        yield PllSetting(
            quarters * 250_000,
            {
                "REF_CLK": f"{source_mhz:g}",
                "OUT_CLK": f"{quarters / 4:g}",
                "PERF_MD": "ECONOMY",
                "LOCK_REQ": 1,
                "LOW_JITTER": 1,
                "CI_FILTER_CONST": 2,
                "CP_FILTER_CONST": 4,
            },
        )


def mmcm_settings(source_mhz: float, oscillator: tuple[float, float]) -> Iterator[PllSetting]:
    """Settings of an MMCM with whole numbers, its feedback inside.

    The phase detector works at 10 MHz and more, and a global clock carries 464 MHz at the slowest
    speed grade (AMD DS181, DS892, DS925).

    Parameters
    ----------
    source_mhz
        What is given to it.
    oscillator
        MHz that its oscillator works at, the least and the most.
    """
    least, most = oscillator
    for divided in range(1, 11):
        detector = source_mhz / divided
        if detector < 10:
            break
        for multiplied in range(2, 65):
            inside = detector * multiplied
            if not least <= inside <= most:
                continue
            for output in range(1, 129):
                if inside / output <= 464:
                    yield PllSetting(
                        round(inside / output * 1e6),
                        {
                            "DIVCLK_DIVIDE": divided,
                            "CLKFBOUT_MULT_F": float(multiplied),
                            "CLKOUT0_DIVIDE_F": float(output),
                        },
                    )


def no_settings(source_mhz: float) -> Iterator[PllSetting]:
    """None: the network runs at the oscillator's clock."""
    return iter(())


def nearest_below(settings: Iterator[PllSetting], most_hz: float) -> PllSetting | None:
    """The fastest setting that is not above a limit; the simplest where several are equal."""
    fitting = [setting for setting in settings if setting.hz <= most_hz]
    return max(fitting, key=lambda setting: setting.hz, default=None)
