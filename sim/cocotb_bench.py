"""The cocotb testbench of a design; cocotb imports it inside the simulator.

Inputs change just after a falling clock edge and everything is read once the logic has settled,
before the rising edge: what is seen then is what every flip-flop sees, in any simulator.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from kanhw.design.packing import ByteArray, ints_to_words, payload_ints, unpack_codes
from kanhw.sim import bench_job
from kanhw.sim.bench_job import BENCH_FOLDER, BenchJob, BenchResult
from kanhw.sim.mismatches import first_mismatches
from kanhw.sim.stalls import StallPlan
from kanhw.sim.stream_rules import StreamRules

# How many vectors the unstalled start measures latency and throughput with: this many clocks'
# worth, but enough images for the later half of them to be in steady state.
MEASURED, FEWEST_MEASURED = 64, 8
# Fewer than this many say nothing about a steady state.
STEADY = 4


class _Bench:
    """What both kinds of design share: signals, inputs, outputs and the clock count."""

    def __init__(self, dut: Any, job: BenchJob, inputs: list[int]) -> None:
        self.dut = dut
        self.job = job
        self.inputs = inputs
        self.outputs: list[int] = []
        self.result = BenchResult()
        self.wires = job.wires
        self.clock = getattr(dut, job.wires.clock)
        self.rules = StreamRules()
        self.cycle = 0

    def drive(self, word: int) -> None:
        """Put an input word on the port: the codes, and above them the head."""
        wires, codes = self.wires.input, self.job.input_data_width
        if wires.user:
            getattr(self.dut, wires.user).value = word >> codes
            word &= (1 << codes) - 1
        getattr(self.dut, wires.data).value = word

    def payload(self) -> int:
        """Read the output payload; report undefined bits and take them as 0."""
        value = getattr(self.dut, self.wires.output.data).value
        try:
            return int(value)
        except ValueError:
            self.rules.report(self.cycle, f"{self.wires.output.data} has undefined bits")
            return int("".join(bit if bit == "1" else "0" for bit in str(value)), 2)


class _BareBench(_Bench):
    """A design without handshake: a vector at every clock, its answer ``latency`` edges later."""

    async def run(self) -> None:
        latency = self.job.latency
        for cycle in range(len(self.inputs) + latency):
            self.cycle = cycle
            await FallingEdge(self.clock)
            if cycle < len(self.inputs):
                self.drive(self.inputs[cycle])
            await ReadOnly()
            if cycle >= latency:
                self.outputs.append(self.payload())
        # The alignment itself is the check: with another latency the outputs would be shifted.
        self.result.latency_cycles = latency
        self.result.cycles_per_inference = 1.0


class _StreamBench(_Bench):
    """A design with valid/ready streams at both ends."""

    def __init__(self, dut: Any, job: BenchJob, inputs: list[int]) -> None:
        super().__init__(dut, job, inputs)
        self.plan = StallPlan(job.seed, job.depth, enabled=job.stalls)
        self.accepted = 0
        self.offering = False
        self.quiet = 0
        self.accept_cycle: dict[int, int] = {}
        self.output_cycle: list[int] = []

    async def run(self) -> None:
        """Feed every input and collect every output."""
        beats = self.job.output_beats
        images = len(self.inputs) // self.job.input_beats
        measured = min(images, max(MEASURED // self.job.interval, FEWEST_MEASURED))
        reset_at = max(images // 2, measured) if self.job.reset_midstream else None
        await self.reset(clocks=2)
        while len(self.outputs) < self.expected and self.quiet <= self.patience:
            if reset_at is not None and len(self.outputs) >= reset_at * beats:
                reset_at = None
                await self.reset_midstream()
            unstalled = len(self.outputs) < measured * beats
            send, take = (True, True) if unstalled else self.plan.step()
            await self.step(send, take)
        await self.check_end()
        self.measure(measured)

    @property
    def expected(self) -> int:
        """How many output beats all inputs make."""
        return len(self.inputs) // self.job.input_beats * self.job.output_beats

    @property
    def begun(self) -> int:
        """How many output beats there may be at most by now: those of images that have begun."""
        return -(-self.accepted // self.job.input_beats) * self.job.output_beats

    @property
    def patience(self) -> int:
        """Cycles without any transfer, both ends willing, after which nothing will come."""
        return 4 * (self.job.depth + 1) + 64

    async def step(self, send: bool, take: bool) -> None:
        """One clock: what is driven and read here happens at the next rising edge."""
        inputs, outputs = self.wires.input, self.wires.output
        await FallingEdge(self.clock)
        # Our own end obeys the rules too: what was offered stays until it is accepted.
        if not self.offering and send and self.accepted < len(self.inputs):
            self.offering = True
            self.drive(self.inputs[self.accepted])
            if inputs.last:
                ends = (self.accepted + 1) % self.job.input_beats == 0
                self.set(inputs.last, ends)
        self.set(inputs.valid, self.offering)
        self.set(outputs.ready, take)
        await ReadOnly()
        accepts = self.offering and self.bit(inputs.ready)
        valid = self.bit(outputs.valid)
        payload = self.payload() if valid else 0
        self.rules.edge(self.cycle, valid, take, payload)
        if valid and outputs.last:
            self.check_last(self.bit(outputs.last))
        if accepts:
            self.accept_cycle[self.accepted] = self.cycle
            self.accepted += 1
            self.offering = False
        if valid and take:
            self.outputs.append(payload)
            self.output_cycle.append(self.cycle)
            if len(self.outputs) > self.begun:
                self.rules.report(self.cycle, f"output {len(self.outputs) - 1} has no input")
        self.watch(accepts or (valid and take), take)
        self.cycle += 1

    def set(self, name: str, level: bool) -> None:
        """Drive a control signal."""
        getattr(self.dut, name).value = int(level)

    def check_last(self, last: bool) -> None:
        """The last beat of a vector must be marked as such, and no other."""
        ends = (len(self.outputs) + 1) % self.job.output_beats == 0
        if last != ends:
            self.rules.report(
                self.cycle, f"{self.wires.output.last} is {int(last)}, but must be {int(ends)}"
            )

    def watch(self, transfer: bool, take: bool) -> None:
        """Count cycles in which something should have moved but did not."""
        if transfer:
            self.quiet = 0
        elif take and (self.offering or self.accepted == len(self.inputs)):
            self.quiet += 1

    def bit(self, name: str) -> bool:
        """Read a control signal, which must be 0 or 1 at every edge."""
        value = getattr(self.dut, name).value
        try:
            return bool(int(value))
        except ValueError:
            self.rules.report(self.cycle, f"{name} is undefined")
            return False

    async def reset(self, clocks: int) -> None:
        """Reset with both ends idle."""
        self.offering = False
        self.rules.reset()
        for level in (*[1] * clocks, 0):
            await FallingEdge(self.clock)
            self.set(self.wires.reset, level == self.wires.reset_level)
            self.set(self.wires.input.valid, False)
            self.set(self.wires.output.ready, False)
            self.cycle += 1

    async def reset_midstream(self) -> None:
        """Fill the pipeline, reset, see that it is empty, and repeat what the reset threw away."""
        for _ in range(self.job.depth + 4):
            await self.step(send=True, take=False)
        # One clock must do; more could flush out what the reset forgot.
        await self.reset(clocks=1)
        beats = self.job.output_beats
        images = len(self.outputs) // beats
        # An image of which the reset let only a part out is sent again as a whole.
        received = images * beats
        del self.outputs[received:], self.output_cycle[received:]
        self.accepted = images * self.job.input_beats
        await self.drain()
        if len(self.outputs) > received:
            stale = len(self.outputs) - received
            self.rules.report(self.cycle, f"{stale} stale outputs appeared after the reset")
            del self.outputs[received:], self.output_cycle[received:]
        self.quiet = 0

    async def drain(self) -> None:
        """Take without offering, for longer than anything may still be on its way."""
        for _ in range(2 * self.job.depth + 16):
            await self.step(send=False, take=True)

    async def check_end(self) -> None:
        """Nothing may be missing, and nothing may follow."""
        count = self.expected
        if len(self.outputs) < count:
            self.rules.report(
                self.cycle,
                f"{len(self.outputs)} of {count} outputs came ({self.accepted} inputs were "
                f"accepted), then nothing for {self.quiet} cycles: a transfer was lost",
            )
            return
        await self.drain()
        if len(self.outputs) > count:
            extra = len(self.outputs) - count
            self.rules.report(self.cycle, f"{extra} outputs more than inputs")

    def measure(self, measured: int) -> None:
        """Latency and throughput of the unstalled start, from last beats to last beats."""
        beats, last = self.job.output_beats, self.job.input_beats - 1
        cycles = self.output_cycle[beats - 1 :: beats][:measured]
        if cycles and last in self.accept_cycle:
            self.result.latency_cycles = cycles[0] - self.accept_cycle[last]
        if self.job.interval > 1:
            # The first images find an empty pipeline: only the later ones pass at its own pace.
            cycles = cycles[len(cycles) // 2 :] if len(cycles) >= STEADY else []
        if len(cycles) > 1:
            self.result.cycles_per_inference = (cycles[-1] - cycles[0]) / (len(cycles) - 1)


@cocotb.test()
async def design_equals_golden_outputs(dut: Any) -> None:
    """Every output equals the expected one, in order, and the streams keep their rules."""
    folder = Path(os.environ[BENCH_FOLDER])
    job = BenchJob.load(folder)
    inputs = payload_ints(np.load(folder / bench_job.INPUTS))
    bench = (_StreamBench if job.handshake else _BareBench)(dut, job, inputs)
    bench.drive(0)
    for name in job.wires.control:
        getattr(dut, name).value = 0
    if isinstance(bench, _StreamBench):
        bench.set(job.wires.reset, bool(job.wires.reset_level))
        bench.set(job.wires.input.valid, False)
        bench.set(job.wires.output.ready, False)
        if job.wires.input.last:
            bench.set(job.wires.input.last, False)
    Clock(bench.clock, 10, unit="ns").start(start_high=False)
    start = time.perf_counter()
    await bench.run()
    bench.result.seconds = time.perf_counter() - start
    faults = _finish(bench, folder)
    if faults:
        raise AssertionError("\n".join(faults))


def _finish(bench: _Bench, folder: Path) -> list[str]:
    """Write outputs and result; hand back what is wrong."""
    words = ints_to_words(bench.outputs, bench.job.output)
    np.save(folder / bench_job.OUTPUTS, words)
    faults = [*bench.rules.violations, *_mismatches(words, bench.job, folder)]
    bench.result.cycles = bench.cycle
    bench.result.violations = tuple(bench.rules.violations)
    bench.result.passed = not faults
    bench.result.save(folder)
    return faults


def _mismatches(words: ByteArray, job: BenchJob, folder: Path) -> list[str]:
    path = folder / bench_job.EXPECTED
    if not path.is_file():
        return []
    expected = unpack_codes(np.load(path), job.output)
    count, first = first_mismatches(unpack_codes(words, job.output), expected)
    if not count:
        return []
    return [f"{count} outputs differ; the first:", *(str(one) for one in first)]
