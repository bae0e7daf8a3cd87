"""Edge functions as curves: the float function and the integers that stand for it in hardware."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.model.network import KanModel
from kanhw.program import Program, ProgramLayer
from kanhw.reports.constants import moved_constant
from kanhw.reports.float_edges import FloatEdges, float_edges
from kanhw.reports.integer_edges import IntegerEdges
from kanhw.reports.kinds.kinds import report_of
from kanhw.reports.streams import layer_streams
from kanhw.windows import Window

__all__ = ["EdgePlot", "LayerCurves", "Trace", "network_curves"]

# Points of a float curve: more than a small plot has pixels for.
FINE_POINTS = 129

@dataclass(frozen=True, eq=False)
class Trace:
    """One integer function of a code, with the float function that it approximates.

    Parameters
    ----------
    branch
        ``edge`` for a whole edge, else the branch of it: ``spline`` or ``base``.
    x
        ``[A]``: what each code that occurs stands for, in real units (or the codes, in an integer
        network).
    integers
        ``[A]``: the exact contribution to the layer's sum t, an integer per code.
    y
        ``[A]``: the same in real units (or the integers, in an integer network).
    step
        Real value of one LSB (see ``LayerCurves.step_name``); of integers in an integer network.
    fine_x, fine_y
        ``[129]``, fewer where the float function has no finite value: that function over the range
        of the codes; None without a float model.
    error
        Largest ``|float - integer|`` over the codes, in real units; None without a float model.
    constant
        What ``fine_y`` and ``error`` are less of: a constant of the float function that the layer's
        bias holds instead of the integers.
    """

    branch: str
    x: FloatArray
    integers: IntArray
    y: FloatArray
    step: float
    fine_x: FloatArray | None = None
    fine_y: FloatArray | None = None
    error: float | None = None
    constant: float = 0.0


@dataclass(frozen=True, eq=False)
class EdgePlot:
    """The edge from ``input`` to ``output``.

    Parameters
    ----------
    output, input
        j and i; of a convolution the output channel, and the tap of the window.
    traces
        One for the edge, or one per branch where the branches are addressed by different codes.
    tap
        Channel, row and column of the input in its window, for convolutions.
    """

    output: int
    input: int
    traces: tuple[Trace, ...]
    tap: tuple[int, int, int] | None = None

    @property
    def step(self) -> float:
        """Real value of one LSB, of the coarsest trace."""
        return max(trace.step for trace in self.traces)

    @property
    def error(self) -> float | None:
        """Largest ``|float - integer|`` of any trace, in real units; None without a float model."""
        errors = [trace.error for trace in self.traces if trace.error is not None]
        return max(errors) if errors else None

    @property
    def constant(self) -> float:
        """What the float functions of all traces are drawn less of."""
        return sum(trace.constant for trace in self.traces)

    @property
    def error_steps(self) -> float | None:
        """The same in LSBs of the trace."""
        steps = [trace.error / trace.step for trace in self.traces if trace.error is not None]
        return max(steps) if steps else None


@dataclass(frozen=True, eq=False)
class LayerCurves:
    """The edges of a layer, those whose integers span the widest range first.

    Parameters
    ----------
    name, kind
        The layer.
    n_in, n_out
        Of the layer, or of one window of a convolution: taps and output channels.
    active
        How many edges are not zero everywhere; ``plots`` may hold fewer.
    real
        Whether the values are in real units; otherwise the integers are shown.
    step_name
        What one LSB is: ``table step``, ``step of the layer's output code``, or where a layer of
        bases or a codebook hands out its sums ``weight step``: what one step of a weight
        (of a gain, in a codebook) changes at most.
    plots
        Sorted by falling range in real units.
    window
        Of a convolution.
    note
        Sentences on what the axes mean; may be empty.
    """

    name: str
    kind: str
    n_in: int
    n_out: int
    active: int
    real: bool
    step_name: str
    plots: tuple[EdgePlot, ...]
    window: Window | None = None
    note: str = ""


def network_curves(
    program: Program, model: KanModel | None = None, *, limit: int = 256
) -> tuple[LayerCurves, ...]:
    """Curves of the active edges of every layer that has edges.

    Parameters
    ----------
    program
        The quantized network.
    model
        The float network that it was made from; None draws the integers alone.
    limit
        Edges of a layer to keep at most.

    Raises
    ------
    InputError
        If the model has other layer sizes than the program, or ``limit`` is below 1.
    """
    if limit < 1:
        raise InputError(f"limit must be at least 1, not {limit}")
    layers, streams = program.layers, layer_streams(program)
    floats = [None] * len(layers) if model is None else float_edges(program, model)
    curves = []
    for index, layer in enumerate(layers):
        taps: ProgramLayer = report_of(layer.kind).taps(layer)
        functions = report_of(taps.kind).functions
        if functions is not None:
            integers = IntegerEdges(taps, functions, streams[index], layer.window)
            note = _note(integers, layers[index - 1] if index else None, floats[index])
            curves.append(_layer_curves(integers, layer.kind, floats[index], limit, note))
    return tuple(curves)


def _note(integers: IntegerEdges, before: ProgramLayer | None, floats: FloatEdges | None) -> str:
    notes = []
    # What a layer passes on is the value itself, beside the normalised one.
    if before is not None and before.passes and not integers.shared:
        notes.append(
            "The spline branch reads the normalised value, the base branch the value itself."
        )
    if floats is not None and floats.activation is not None:
        notes.append(
            f"The tables contain the {floats.activation.name} in front of the layer: x is the "
            "value before it."
        )
    if floats is not None and floats.unknown & set(integers.trace_names):
        notes.append(
            "Float functions behind a normalisation that was frozen to calibration data are not "
            "drawn."
        )
    return " ".join(notes)


def _layer_curves(
    integers: IntegerEdges, kind: str, floats: FloatEdges | None, limit: int, note: str
) -> LayerCurves:
    layer = integers.layer
    active = layer.active
    known = floats if integers.is_real else None
    chosen = _widest(integers, active, limit)
    steps = integers.steps()
    plots: dict[tuple[int, int], EdgePlot] = {}
    for i in sorted({i for _, i in chosen}):
        branches = integers.branches(i)
        for j in (j for j, other in chosen if other == i):
            traces = tuple(
                _trace(
                    name,
                    x[held[:, i], i],
                    values[j][held[:, i]],
                    float(integers.unit[j]),
                    float(step[j]),
                )
                for name, x, held, values, step in zip(
                    integers.trace_names,
                    integers.positions,
                    integers.held,
                    branches,
                    steps,
                    strict=True,
                )
            )
            if known is not None:
                traces = tuple(_with_float(trace, known, j, i) for trace in traces)
            plots[j, i] = EdgePlot(output=j, input=i, traces=traces, tap=integers.tap(i))
    drawn = tuple(plots[edge] for edge in chosen)
    return LayerCurves(
        name=layer.name,
        kind=kind,
        n_in=layer.n_in,
        n_out=layer.n_out,
        active=int(active.sum()),
        real=integers.y_is_real,
        step_name=integers.step_name,
        plots=drawn,
        window=integers.window,
        note=" ".join(sentence for sentence in (note, _note_of_constants(drawn)) if sentence),
    )


def _note_of_constants(plots: tuple[EdgePlot, ...]) -> str:
    """What is said of edges whose constants are elsewhere; empty if there are none."""
    count = sum(plot.constant != 0 for plot in plots)
    if not count:
        return ""
    return (
        f"The float functions of {count} of these {len(plots)} edges are drawn, and compared, less "
        "a constant: quantization moved it out of the integers into the layer's bias, where it "
        "costs no bits."
    )


def _widest(
    integers: IntegerEdges, active: npt.NDArray[np.bool_], limit: int
) -> list[tuple[int, int]]:
    """(j, i) of the active edges with the widest ranges, widest first."""
    ranges = np.zeros(active.shape)
    for i in range(active.shape[1]):
        for values, held in zip(integers.branches(i), integers.held, strict=True):
            own = values[:, held[:, i]]
            ranges[:, i] += (own.max(axis=1) - own.min(axis=1)) * integers.unit
    # Stable, so that equal ranges keep the order of outputs and inputs.
    order = np.argsort(-np.where(active, ranges, -1.0), axis=None, kind="stable")
    count = min(int(active.sum()), limit)
    return [(int(e) // active.shape[1], int(e) % active.shape[1]) for e in order[:count]]


def _trace(name: str, x: FloatArray, integers: IntArray, unit: float, step: float) -> Trace:
    return Trace(name, x, integers, np.asarray(integers * unit, np.float64), step)


def _with_float(trace: Trace, floats: FloatEdges, j: int, i: int) -> Trace:
    """The trace with its float function, where that is known."""
    fine_x = np.linspace(trace.x.min(), trace.x.max(), FINE_POINTS)
    fine_y = floats(trace.branch, j, i, fine_x)
    exact = floats(trace.branch, j, i, trace.x)
    if fine_y is None or exact is None or not np.isfinite(fine_y).any():
        return trace
    # A symbolic edge may have a pole between two codes.
    drawn, known = np.isfinite(fine_y), np.isfinite(exact)
    if not known.any():
        return replace(trace, fine_x=fine_x[drawn], fine_y=fine_y[drawn])
    differences = (exact - trace.y)[known]
    constant = moved_constant(differences, trace.step)
    return replace(
        trace,
        fine_x=fine_x[drawn],
        fine_y=fine_y[drawn] - constant,
        error=float(np.abs(differences - constant).max()),
        constant=constant,
    )
