"""The checks and the stall plan by themselves."""

from __future__ import annotations

from kanhw.sim.stalls import StallPlan
from kanhw.sim.stream_rules import StreamRules


def _violations(*edges: tuple[int, int, int]) -> list[str]:
    rules = StreamRules()
    for cycle, (valid, ready, payload) in enumerate(edges):
        rules.edge(cycle, bool(valid), bool(ready), payload)
    return rules.violations


def test_stream_rules() -> None:
    assert _violations((1, 0, 5), (1, 0, 5), (1, 1, 5), (0, 1, 0), (1, 1, 6), (1, 1, 7)) == []
    assert _violations((1, 0, 5), (0, 1, 0)) == [
        "cycle 1: o__valid fell before the output was taken"
    ]
    assert _violations((1, 0, 5), (1, 1, 4)) == [
        "cycle 1: o__payload changed while stalled, from 0x5 to 0x4"
    ]
    assert len(_violations(*[(1, 0, k) for k in range(99)])) == 10


def test_stall_plan_has_every_kind_of_phase() -> None:
    plan = StallPlan(1, latency=20)
    steps = [plan.step() for _ in range(5000)]
    longest = current = 0
    for _, take in steps:
        current = 0 if take else current + 1
        longest = max(longest, current)
    assert longest >= 28, "the consumer never blocked for longer than the pipeline is deep"
    assert {True, False} == {send for send, _ in steps}
    again = StallPlan(1, latency=20)
    assert steps == [again.step() for _ in range(5000)]
    other = StallPlan(2, latency=20)
    assert steps != [other.step() for _ in range(5000)]


def test_no_stalls() -> None:
    plan = StallPlan(1, latency=3, enabled=False)
    assert {plan.step() for _ in range(200)} == {(True, True)}
