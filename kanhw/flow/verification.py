"""The verb ``simulate``: a design's Verilog against its Program, and against the user's data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from kanhw.design.backend_design import BackendDesign
from kanhw.design.derivation import checked_program
from kanhw.design.design import Design
from kanhw.errors import InputError, ToolNotFound
from kanhw.flow.generation import given_cpp, given_design
from kanhw.formats import IntArray
from kanhw.interruption import temporary_folder
from kanhw.program import Program

if TYPE_CHECKING:
    from kanhw.hls.simulation.run import Integers as IntegersOfCpp
    from kanhw.sim import EquivalenceReport, Integers, Vectors

__all__ = [
    "Figures",
    "RangeOrigin",
    "Verification",
    "clipping_warnings",
    "figures_of",
    "predicted_classes",
    "range_origin",
    "saturated_values",
    "simulate",
]

# Bytes of Verilog times vectors times clocks each; an event-driven simulator does some 3e7 of
# these a second.
_COCOTB_WORK = 6e9
_HIGHEST_SEED = (1 << 32) - 1


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
        Largest difference between the hardware's outputs, in real units where the network has them,
        and a float ``y``; None without one.
    error_of_range
        ``max_error`` over the range of ``y``; None where that is 0.
    netlist
        The target whose synthesised netlist was simulated; None if it was the Verilog itself.
    saturated
        How many of the features of every vector lie beyond the outermost codes, and so were
        clipped: ``[n_in]``; None where codes were given.
    range_origin
        What decided the outermost codes.
    """

    equivalence: EquivalenceReport
    outputs: IntArray
    accuracy: float | None = None
    max_error: float | None = None
    error_of_range: float | None = None
    netlist: str | None = None
    saturated: IntArray | None = None
    range_origin: RangeOrigin = "calibration"

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
            "netlist": self.netlist,
            "saturated": None if self.saturated is None else int(self.saturated.sum()),
            "warnings": list(self.warnings),
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the vectors are likely to suffer from, each with what to do about it."""
        return clipping_warnings(self.saturated, self.equivalence.vectors, self.range_origin)


@dataclass(frozen=True)
class Figures:
    """What outputs mean for the user's data; see :class:`Verification`."""

    accuracy: float | None = None
    max_error: float | None = None
    error_of_range: float | None = None


# What decided which real values the outermost input codes stand for, and what to do where values
# lie beyond them.
RangeOrigin = Literal["calibration", "training", "format"]
_CURES: Mapping[RangeOrigin, str] = {
    "calibration": "quantize with calibration data that hold such values, or with "
    "activation_calibration=max_abs (--activation-calibration max_abs), unless training chose "
    "these ranges",
    "training": "training chose these ranges, so values beyond them count as their ends, and were "
    "in training, too; where data have moved since then, train with data like them",
    "format": "these are the ends of the format of the inputs; give one that holds such values "
    "(--input-format)",
}


def range_origin(program: Program) -> RangeOrigin:
    """What decided the ends of a Program's inputs."""
    if program.conversion is not None:
        return "format"
    # Ranges of learned widths end anywhere; all others are whole steps from zero.
    return "calibration" if program.input.offset is None else "training"


def clipping_warnings(
    saturated: IntArray | None, vectors: int, origin: RangeOrigin
) -> tuple[str, ...]:
    """A line about features that were clipped, where there are some.

    Parameters
    ----------
    saturated
        How many values of every feature were, ``[n_in]``; None where that is not known.
    vectors
        How many there are.
    origin
        What decided the ends (:func:`range_origin`).
    """
    if saturated is None or not saturated.any():
        return ()
    count, feature = int(saturated.sum()), int(saturated.argmax())
    inputs = vectors * len(saturated)
    line = (
        f"{count} of {inputs} inputs ({100 * count / inputs:.2f} %) lie beyond the outermost "
        f"codes and were clipped, most of feature {feature} ({saturated[feature]}): "
        f"{_CURES[origin]}"
    )
    return (line,)


def simulate(
    design: Design | BackendDesign | str | Path,
    vectors: str | Path | npt.ArrayLike,
    *,
    labels: npt.ArrayLike | None = None,
    integers: Integers | None = None,
    engine: Literal["auto", "cocotb", "fast", "exact", "native"] = "auto",
    simulator: str | None = None,
    stalls: bool = True,
    seed: int = 1,
    waves: str | Path | None = None,
    netlist: str | None = None,
) -> Verification:
    """Simulate a design's Verilog, or run its C++, and compare every output with its Program.

    Parameters
    ----------
    design
        From :func:`kanhw.generate`, or its folder.
    vectors
        An npz file with ``x`` and, where there are any, ``y``, ``labels`` and ``head`` (which head
        each vector is for); or the array x itself. ``x`` ``[N, n_in]`` holds real features for a
        network that was quantized from a float model, codes for an integer network. Codes in
        ``y`` must be reproduced exactly; reals are only reported as an error figure.
    labels
        ``[N]`` class indices, where ``vectors`` is an array.
    integers
        What integers in ``x`` and ``y`` are for a network that was quantized from a float model:
        its ``codes``, or ``reals`` that are whole. None refuses them, because either may be meant.
    engine
        ``cocotb`` drives valid/ready with random stalls and checks the stream rules; ``fast``
        compiles the Verilog with Verilator and pushes a whole data set through it, with stalls as
        well; ``auto`` takes cocotb unless that would take many minutes (large designs, many
        vectors, many clocks each) and nothing asks for it. C++ of the back end ``hls`` runs under
        a plain compiler with ``exact`` widths, or with ``native`` integers of 64 bits where these
        would take long; it has no clocks, so that none of the following means anything to it.
    simulator
        ``icarus``, ``verilator`` or a path; None takes the first that is found.
    stalls, seed
        Whether both ends pause at random, and the seed of that, 0 to 2**32 - 1.
    waves
        Where to write a wave file (cocotb only); it gets the simulator's suffix.
    netlist
        The name of a target, such as ``ecp5``: synthesise the design for it first and simulate the
        cells that it became, which shows that synthesis kept its function.

    Returns
    -------
    Verification
        ``passed``, what the hardware gave, latency and throughput in clock cycles.

    Raises
    ------
    InputError
        If the folder holds no design or one of another back end than ``verilog`` and ``hls``, its
        files were changed, or the vectors do not fit it, or hold integers that may be codes or
        values.
    ToolNotFound, ToolFailed
        If there is no simulator, or it fails. A comparison that was made and failed is no error:
        look at ``passed``.
    TypeError
        If the design is neither, or there are labels beside a file.
    """
    from kanhw.sim import check_design, checked_vectors, read_vectors, stimulus

    if not isinstance(seed, int) or not 0 <= seed <= _HIGHEST_SEED:
        raise InputError(f"The seed of the stalls must be 0 to {_HIGHEST_SEED}, not {seed!r}")
    loaded: Design | BackendDesign = given_cpp(design) or given_design(design)
    program = checked_program(loaded) if isinstance(loaded, Design) else loaded.load_program()
    if not isinstance(vectors, str | Path):
        data = checked_vectors(program, vectors, labels=labels, integers=integers)
    elif labels is None:
        data = read_vectors(vectors, program, integers=integers)
    else:
        raise TypeError(f"labels belong to an array x; put them into {vectors} as 'labels'")
    if isinstance(loaded, BackendDesign):
        asked = {"simulator": simulator, "waves": waves, "netlist": netlist}
        equivalence = _checked_cpp(loaded, program, data, engine, asked)
        return _verification(program, equivalence, data)
    if engine in ("exact", "native"):
        raise InputError(f"The engine {engine!r} is for C++ of the back end 'hls': leave it out")
    if engine == "auto":
        wanted = waves is not None or simulator is not None
        engine = "cocotb" if wanted else _suitable_engine(loaded, len(data))
    with _simulated(loaded, netlist) as simulated:
        equivalence = check_design(
            simulated.path,
            stimulus(program, data.x, data.head, integers="codes"),
            data.expected,
            heads=data.head,
            engine=cast("Literal['cocotb', 'fast']", engine),
            simulator=simulator,
            stalls=stalls,
            seed=seed,
            waves=waves,
        )
    equivalence = replace(equivalence, design=str(loaded.path))
    return replace(_verification(program, equivalence, data), netlist=netlist)


def _checked_cpp(
    design: BackendDesign, program: Program, data: Vectors, engine: str, asked: Mapping[str, object]
) -> EquivalenceReport:
    """Run the C++ of a design."""
    from kanhw.hls.simulation.check import check_cpp
    from kanhw.sim import stimulus

    for name, value in asked.items():
        if value is not None:
            raise InputError(f"C++ for HLS has no {name}, which belongs to Verilog: leave it out")
    return check_cpp(
        design.path,
        stimulus(program, data.x, data.head, integers="codes"),
        data.expected,
        heads=data.head,
        integers=None if engine == "auto" else cast("IntegersOfCpp", engine),
    )


def saturated_values(program: Program, data: Vectors) -> IntArray | None:
    """How many values of every feature are clipped; None where they are codes already."""
    if program.input.scale is None or data.x.dtype.kind != "f":
        return None
    if program.encoders is None or data.head is None:
        return np.asarray(program.input.saturated(data.x).sum(axis=0), np.int64)
    counts = np.zeros(program.n_in, np.int64)
    for number, encoder in enumerate(program.encoders):
        counts += encoder.saturated(data.x[data.head == number]).sum(axis=0)
    return counts


@contextmanager
def _simulated(design: Design, netlist: str | None) -> Iterator[Design]:
    """The design, or a folder with its netlist for as long as that is simulated."""
    if netlist is None:
        yield design
        return
    from kanhw.sim.netlist import netlist_design

    with temporary_folder("kanhw-netlist-") as folder:
        yield netlist_design(design.path, netlist, folder / "netlist")


def _suitable_engine(design: Design, vectors: int) -> Literal["cocotb", "fast"]:
    """The cocotb testbench, unless simulating that many clocks of that much Verilog is slow."""
    from kanhw.tools.simulators import find_verilator

    work = design.verilog_path.stat().st_size * vectors * design.initiation_interval
    if work <= _COCOTB_WORK:
        return "cocotb"
    try:
        find_verilator()
    except ToolNotFound:
        return "cocotb"
    return "fast"


def predicted_classes(
    program: Program, outputs: IntArray, head: IntArray | None = None
) -> IntArray:
    """The class ``[N]`` that integer outputs ``[N, n_out]`` of a network mean.

    Of several outputs the largest names it, the first of them if several are equal; a single one
    means class 1 above zero and class 0 otherwise. ``head`` ``[N]`` is the head of every vector.
    """
    if program.argmax:
        return outputs[:, 0]
    values = _real(program, outputs, head)
    classes = values.argmax(axis=1) if program.n_out > 1 else values[:, 0] > 0
    return np.asarray(classes, np.int64)


def _real(
    program: Program, outputs: IntArray, head: IntArray | None = None
) -> npt.NDArray[np.float64]:
    """Outputs in real units, of every vector's own head; as they are where there are none."""
    if program.output_scale is None:
        return outputs.astype(np.float64)
    real = program.decode_output(outputs)
    for number in () if head is None else np.unique(head).tolist():
        rows = head == number
        real[rows] = program.head(number).decode_output(outputs[rows])
    return real


def figures_of(program: Program, outputs: IntArray, data: Vectors) -> Figures:
    """Accuracy and errors of a network's integer outputs ``[N, n_out]`` for all of some vectors."""
    accuracy = max_error = error_of_range = None
    if data.labels is not None:
        accuracy = float((predicted_classes(program, outputs, data.head) == data.labels).mean())
    if data.y is not None and data.expected is None and not program.argmax:
        max_error = float(np.abs(_real(program, outputs, data.head) - data.y).max())
        span = float(np.ptp(data.y))
        error_of_range = max_error / span if span > 0 else None
    return Figures(accuracy, max_error, error_of_range)


def _verification(
    program: Program, equivalence: EquivalenceReport, data: Vectors
) -> Verification:
    outputs = equivalence.outputs
    # Figures make no sense where outputs were lost.
    found = figures_of(program, outputs, data) if len(outputs) == len(data) else Figures()
    return Verification(
        equivalence,
        outputs,
        found.accuracy,
        found.max_error,
        found.error_of_range,
        saturated=saturated_values(program, data),
        range_origin=range_origin(program),
    )
