"""What the runner hands to the testbench inside the simulator, and what it gets back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kanhw.design.design import Design, Port
from kanhw.design.wires import Wires
from kanhw.formats import CodeFormat

__all__ = ["BENCH_FOLDER", "BenchJob", "BenchResult"]

BENCH_FOLDER = "KANHW_BENCH_FOLDER"
"""Environment variable that names the folder of the files."""

JOB, RESULT = "job.json", "result.json"
INPUTS, EXPECTED, OUTPUTS = "inputs.npy", "expected.npy", "outputs.npy"


@dataclass(frozen=True)
class BenchJob:
    """How to drive a design; see :func:`kanhw.sim.cocotb_run.run_cocotb`."""

    handshake: bool
    latency: int
    interval: int
    input_beats: int
    output_beats: int
    output_count: int
    output_length: int | None
    output_width: int
    output_signed: bool
    output_lane: int | None
    input_data_width: int
    wires: Wires
    stalls: bool
    seed: int
    reset_midstream: bool

    @classmethod
    def for_design(
        cls, design: Design, *, stalls: bool, seed: int, reset_midstream: bool
    ) -> BenchJob:
        """Make the job of a design."""
        return cls(
            handshake=design.schedule.handshake,
            latency=design.latency_cycles,
            interval=design.initiation_interval,
            input_beats=design.input.beats,
            output_beats=design.output.beats,
            output_count=design.output.count,
            output_length=design.output.length,
            output_width=design.output.format.width,
            output_signed=design.output.format.signed,
            output_lane=design.output.lane,
            input_data_width=design.input.data_width,
            wires=design.wires,
            stalls=stalls,
            seed=seed,
            reset_midstream=reset_midstream,
        )

    @property
    def output(self) -> Port:
        """Layout of the output payload."""
        format = CodeFormat(self.output_width, self.output_signed)
        return Port(
            self.output_count, format, self.output_beats, self.output_length, self.output_lane
        )

    @property
    def depth(self) -> int:
        """Cycles after which a design that nobody stalls has handed out what it was given."""
        return max(self.latency, 0) + self.interval - 1

    def save(self, folder: Path) -> None:
        """Write the job."""
        (folder / JOB).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> BenchJob:
        """Read what :meth:`save` wrote."""
        data = json.loads((folder / JOB).read_text(encoding="utf-8"))
        return cls(**{**data, "wires": Wires.from_json(data["wires"])})


@dataclass
class BenchResult:
    """What the testbench measured; the outputs are in their own file."""

    cycles: int = 0
    latency_cycles: int | None = None
    cycles_per_inference: float | None = None
    seconds: float = 0.0
    passed: bool = False
    violations: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Write the result."""
        (folder / RESULT).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> BenchResult:
        """Read what :meth:`save` wrote."""
        data = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return cls(**{**data, "violations": tuple(data["violations"])})
