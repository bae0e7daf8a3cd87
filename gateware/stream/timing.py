"""Latency and initiation interval of a chain of stages."""

from __future__ import annotations

from collections.abc import Sequence

from kanhw.gateware.stream.cycle_model import simulated_timing
from kanhw.gateware.stream.stage import Stage

__all__ = ["chain_timing"]


def chain_timing(stages: Sequence[Stage]) -> tuple[int, int]:
    """Latency and initiation interval of stages behind one another.

    The latency is that of the first input, without stalls and with others right behind it. It is
    the sum of the latencies, and the interval the largest of the intervals, unless there is a line
    buffer behind another stage, or a folded convolution: there it matters in which rhythm pixels
    come, which may also stall the stage in front in the midst of an image. Then the handshakes are
    simulated (:func:`~kanhw.gateware.stream.cycle_model.simulated_timing`). Folded layers keep a
    vector while the next arrives, so neither they nor what follows need to be simulated.
    """
    windowed = [k for k, stage in enumerate(stages) if stage.reads_windows]
    after = range(windowed[-1] + 1 if windowed else 0, len(stages))
    count = next((k for k in after if stages[k].holds_vectors), len(stages))
    latency = sum(stage.latency for stage in stages[count:])
    interval = max((stage.initiation_interval for stage in stages[count:]), default=1)
    front = stages[:count]
    waits = any(stage.waits_for_words for stage in front)
    if waits or any(stage.reads_windows for stage in front[1:]):
        paces = [stage.pace() for stage in front if not stage.is_wires]
        first, pace = simulated_timing(paces, front[0].inputs.beats, front[-1].outputs.beats)
        return first + latency, max(pace, interval)
    intervals = (stage.initiation_interval for stage in front)
    return sum(stage.latency for stage in front) + latency, max((interval, *intervals))
