"""What clocks mean in nanoseconds and inferences, where a clock frequency is known."""

from __future__ import annotations

from kanhw.estimation.resources import ResourceEstimate
from kanhw.reports.summary import Summary
from kanhw.reports.text import real

__all__ = ["known_clock", "rate_text", "timing_sentence"]


def known_clock(summary: Summary) -> ResourceEstimate | None:
    """The first estimate that was placed and routed; None where there is none."""
    return next((e for e in summary.resources if e.fmax_mhz is not None), None)


def rate_text(summary: Summary, mhz: float) -> str:
    """Latency and throughput at a clock, such as ``87.5 ns, 160 million inferences/s``."""
    latency = 1e3 * summary.latency_cycles / mhz
    each = 1e6 * mhz / summary.initiation_interval
    return f"{_nanoseconds(latency)}, {_inferences(each)}"


def timing_sentence(summary: Summary, estimate: ResourceEstimate) -> str:
    """What an estimate says of the clock."""
    timing = estimate.timing
    if timing is None:
        return ""
    return (
        f"{estimate.target}: {real(timing.fmax_mhz)} MHz between registers on {timing.device} "
        f"(median of {len(timing.fmax_by_seed)}; {timing.tool}), at which an inference takes "
        f"{rate_text(summary, timing.fmax_mhz)}."
    )


def _nanoseconds(value: float) -> str:
    return f"{real(value)} ns" if value < 1e3 else f"{real(value / 1e3)} µs"


def _inferences(value: float) -> str:
    if value >= 1e6:
        return f"{real(value / 1e6)} million inferences/s"
    return f"{value:,.0f} inferences/s"
