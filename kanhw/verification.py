"""The verb ``simulate``: a design's Verilog against its Program, and against the user's data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kanhw.design import Design, load_design
from kanhw.formats import IntArray
from kanhw.program import Program

if TYPE_CHECKING:
    from kanhw.sim import EquivalenceReport, Vectors

__all__ = ["Verification", "simulate"]


@dataclass(frozen=True, eq=False)
class Verification:
    """What a simulation proved, and what it means for the user's data.

    Parameters
    ----------
    equivalence
        The comparison with the Program, without tolerance.
    outputs
        What the simulated Verilog gave: int64 ``[N, n_out]``.
    accuracy
        Share of the labels that the hardware's largest output (or its class index) hits, 0 to 1;
        None without labels.
    max_error
        Largest difference between the hardware's real outputs and a float ``y``; None without one.
    error_of_range
        ``max_error`` over the range of ``y``.
    """

    equivalence: EquivalenceReport
    outputs: IntArray
    accuracy: float | None = None
    max_error: float | None = None
    error_of_range: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every output equals the golden model's, and an integer ``y`` if there is one."""
        return self.equivalence.passed

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs, as plain JSON values."""
        return {
            **self.equivalence.to_json(),
            "accuracy": self.accuracy,
            "max_error": self.max_error,
            "error_of_range": self.error_of_range,
        }


def simulate(
    design: Design | str | Path,
    vectors: str | Path | npt.ArrayLike,
    *,
    labels: npt.ArrayLike | None = None,
    engine: Literal["cocotb", "fast"] = "cocotb",
    simulator: str | None = None,
    stalls: bool = True,
    seed: int = 1,
    waves: str | Path | None = None,
) -> Verification:
    """Simulate a design's Verilog and compare every output with its Program.

    Parameters
    ----------
    design
        A design, or its folder.
    vectors
        An npz file with ``x`` and, where there are any, ``y`` and ``labels``; or the array x
        itself. ``x`` ``[N, n_in]`` holds real features for a network that was quantized from a
        float model, codes for an integer network. Integers in ``y`` must be reproduced exactly;
        reals are only reported as an error figure.
    labels
        ``[N]`` class indices, for an array x.
    engine
        ``cocotb`` drives valid/ready with random stalls and checks the stream rules; ``fast``
        compiles the Verilog with Verilator and pushes a whole data set through it.
    simulator
        ``icarus``, ``verilator`` or a path; None takes the first that is found.
    stalls, seed
        Whether both ends pause at random, and the seed of that.
    waves
        Where to write a wave file (cocotb only).

    Raises
    ------
    InputError
        If the folder holds no design, or the vectors do not fit it.
    ToolNotFound, ToolFailed
        If there is no simulator, or it fails. A comparison that was made and failed is no error:
        look at ``passed``.
    """
    from kanhw.sim import Vectors, check_design, read_vectors, stimulus

    loaded = design if isinstance(design, Design) else load_design(design)
    program = loaded.load_program()
    if isinstance(vectors, str | Path):
        data = read_vectors(vectors, program)
    else:
        data = Vectors(np.asarray(vectors), labels=None if labels is None else np.asarray(labels))
    equivalence = check_design(
        loaded.path,
        stimulus(program, data.x),
        data.expected,
        engine=engine,
        simulator=simulator,
        stalls=stalls,
        seed=seed,
        waves=waves,
    )
    return _verification(program, equivalence, data)


def _verification(
    program: Program, equivalence: EquivalenceReport, data: Vectors
) -> Verification:
    outputs = equivalence.outputs
    accuracy = max_error = error_of_range = None
    if len(outputs) == len(data):
        if data.labels is not None:
            chosen = outputs[:, 0] if program.argmax else outputs.argmax(axis=1)
            accuracy = float((chosen == data.labels).mean())
        if data.y is not None and data.expected is None and program.output_scale is not None:
            max_error = float(np.abs(program.decode_output(outputs) - data.y).max())
            error_of_range = max_error / max(float(np.ptp(data.y)), np.finfo(float).tiny)
    return Verification(equivalence, outputs, accuracy, max_error, error_of_range)
