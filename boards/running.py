"""Data through a board, every answer compared with the golden model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kanhw.boards.host.connect import connect
from kanhw.boards.host.device import Device, SelfTestResult
from kanhw.boards.protocol.messages import Status
from kanhw.errors import InputError
from kanhw.flow.verification import (
    Figures,
    RangeOrigin,
    clipping_warnings,
    figures_of,
    range_origin,
    saturated_values,
)
from kanhw.formats import IntArray
from kanhw.progress import Progress
from kanhw.sim.vectors import Integers, read_vectors, stimulus

__all__ = ["BoardRun", "DataRun", "run_on_board"]


@dataclass(frozen=True, eq=False)
class DataRun:
    """What a board made of data.

    Parameters
    ----------
    outputs
        Of the board, int64 ``[N, n_out]``.
    mismatches
        Vectors whose outputs are not the golden model's, or not the integer ``y`` of the data.
    first_mismatch
        The row of the first of them.
    figures
        Accuracy, or error.
    seconds
        For all of them, over the link.
    saturated
        How many values of every feature were clipped; None where codes were given.
    range_origin
        What decided the outermost codes.
    """

    outputs: IntArray
    mismatches: int
    first_mismatch: int | None
    figures: Figures
    seconds: float
    saturated: IntArray | None
    range_origin: RangeOrigin

    @property
    def inferences_per_second(self) -> float:
        """Over the link."""
        return len(self.outputs) / max(self.seconds, 1e-9)


@dataclass(frozen=True, eq=False)
class BoardRun:
    """What a board did.

    Parameters
    ----------
    board, device, port, identity, clock_mhz
        Which it is.
    data, latency_seconds
        What it made of data, and how long one vector takes, there and back; None without data.
    self_test
        The on-chip test; None where none was asked for.
    status
        Its counters at the end of the data.
    sent_again, broken_answers
        Requests that were sent more than once, and broken frames that came.
    """

    board: str
    device: str
    port: str
    identity: str
    clock_mhz: float
    data: DataRun | None
    latency_seconds: float | None
    self_test: SelfTestResult | None
    status: Status
    sent_again: int
    broken_answers: int

    @property
    def passed(self) -> bool:
        """Whether everything that was compared was equal."""
        data, test = self.data, self.self_test
        return (data is None or data.mismatches == 0) and (test is None or test.passed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the data are likely to suffer from, each with what to do about it."""
        data = self.data
        if data is None:
            return ()
        return clipping_warnings(data.saturated, len(data.outputs), data.range_origin)

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs, as plain JSON values."""
        data, test = self.data, self.self_test
        told: dict[str, Any] = {
            "board": self.board,
            "device": self.device,
            "port": self.port,
            "identity": self.identity,
            "clock_mhz": self.clock_mhz,
            "passed": self.passed,
            "broken_frames": self.status.broken,
            "overruns": self.status.overruns,
            "broken_answers": self.broken_answers,
            "sent_again": self.sent_again,
            "warnings": list(self.warnings),
        }
        if data is not None:
            told |= {
                "vectors": len(data.outputs),
                "mismatches": data.mismatches,
                "first_mismatch": data.first_mismatch,
                "accuracy": data.figures.accuracy,
                "max_error": data.figures.max_error,
                "error_of_range": data.figures.error_of_range,
                "inferences_per_second": data.inferences_per_second,
                "latency_seconds": self.latency_seconds,
            }
        if test is not None:
            told["self_test"] = test.to_json()
        return told


def run_on_board(
    port: str,
    data: str | Path | None = None,
    *,
    build: str | Path | None = None,
    baud: int | None = None,
    integers: Integers | None = None,
    self_test: int = 0,
    progress: Progress | None = None,
) -> BoardRun:
    """Send data through a board and compare every answer with the golden model.

    Parameters
    ----------
    port, build, baud
        As for :func:`kanhw.boards.connect`.
    data
        A file of vectors as for :func:`kanhw.simulate`; None is none.
    integers
        What integers in it are: ``codes`` or ``reals``.
    self_test
        Vectors of the on-chip self-test; 0 is none.
    progress
        Shows what takes long.

    Raises
    ------
    InputError, ToolFailed, ToolNotFound
        As :func:`kanhw.boards.connect`; and if the data do not fit the network, or neither data
        nor a self-test is asked for. What differs is no error: look at ``passed``.
    """
    if data is None and not self_test:
        raise InputError("There is nothing to run: name a file of data, or ask for --self-test")
    shown = progress or Progress(quiet=True)
    with connect(port, build, baud=baud) as device:
        found = None if data is None else _run_data(device, data, integers, shown)
        latency = None if data is None else device.latency()
        status = device.status()
        tested = None
        if self_test:
            with shown.step(f"self-test with {self_test:,} vectors"):
                tested = device.self_test(self_test)
        return BoardRun(
            board=device.built.board,
            device=device.built.device,
            port=port,
            identity=device.built.identity,
            clock_mhz=device.identity.clock_hz / 1e6,
            data=found,
            latency_seconds=latency,
            self_test=tested,
            status=status,
            sent_again=device.sent_again,
            broken_answers=device.broken_answers,
        )


def _run_data(
    device: Device, path: str | Path, integers: Integers | None, progress: Progress
) -> DataRun:
    program = device.program
    data = read_vectors(path, program, integers=integers)
    codes = stimulus(program, data.x, data.head, integers="codes")
    golden = program(codes, 0 if data.head is None else data.head)
    started = time.perf_counter()
    with progress.step(f"run {len(data)} vectors", len(data)) as advance:
        outputs = device.outputs(codes, head=data.head, advance=advance)
    seconds = time.perf_counter() - started
    wrong = (outputs != golden).any(axis=1)
    if data.expected is not None:
        wrong |= (outputs != data.expected).any(axis=1)
    rows = np.flatnonzero(wrong)
    return DataRun(
        outputs=outputs,
        mismatches=len(rows),
        first_mismatch=int(rows[0]) if len(rows) else None,
        figures=figures_of(program, outputs, data),
        seconds=seconds,
        saturated=saturated_values(program, data),
        range_origin=range_origin(program),
    )
