"""Edge functions as curves: the float function and the integers that stand for it in hardware."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.model import KanLayer, KanModel
from kanhw.program import BasisTableLayer, EdgeTableLayer, Program, ProgramLayer, Requantizer

__all__ = ["EdgePlot", "LayerCurves", "Trace", "network_curves"]

FloatArray = npt.NDArray[np.float64]

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
        ``[A]``: what each code stands for, in real units (or the codes, in an integer network).
    integers
        ``[A]``: the exact contribution to the layer's sum t, an integer per code.
    y
        ``[A]``: the same in real units (or the integers, in an integer network).
    fine_x, fine_y
        ``[129]``: the float function over the range of the codes; None without a float model.
    error
        Largest ``|float - integer|`` over the codes, in real units; None without a float model.
    """

    branch: str
    x: FloatArray
    integers: IntArray
    y: FloatArray
    fine_x: FloatArray | None = None
    fine_y: FloatArray | None = None
    error: float | None = None


@dataclass(frozen=True, eq=False)
class EdgePlot:
    """The edge from ``input`` to ``output``.

    Parameters
    ----------
    output, input
        j and i.
    traces
        One for the edge, or one per branch where the branches are addressed by different codes.
    step
        Real value of one LSB (see ``LayerCurves.step_name``); 1 in an integer network.
    """

    output: int
    input: int
    traces: tuple[Trace, ...]
    step: float

    @property
    def error(self) -> float | None:
        """Largest ``|float - integer|`` of any trace, in real units; None without a float model."""
        errors = [trace.error for trace in self.traces if trace.error is not None]
        return max(errors) if errors else None

    @property
    def error_steps(self) -> float | None:
        """The same in LSBs."""
        return None if self.error is None else self.error / self.step


@dataclass(frozen=True, eq=False)
class LayerCurves:
    """The edges of a layer, those whose integers span the widest range first.

    Parameters
    ----------
    name, kind, n_in, n_out
        The layer.
    active
        How many edges are not zero everywhere; ``plots`` may hold fewer.
    real
        Whether the values are in real units; otherwise the integers are shown.
    step_name
        What one LSB is: ``table step`` or ``step of the layer's output code``.
    plots
        Sorted by falling range in real units.
    """

    name: str
    kind: str
    n_in: int
    n_out: int
    active: int
    real: bool
    step_name: str
    plots: tuple[EdgePlot, ...]


def network_curves(
    program: Program, model: KanModel | None = None, *, limit: int = 256
) -> tuple[LayerCurves, ...]:
    """Curves of the active edges of every layer.

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
    if model is not None:
        _check_sizes(program, model)
    floats = (None,) * len(program.layers) if model is None else model.layers
    return tuple(
        _layer_curves(_Integers(program, index), float_layer, limit)
        for index, float_layer in enumerate(floats)
    )


def _check_sizes(program: Program, model: KanModel) -> None:
    ours = [(layer.n_in, layer.n_out) for layer in program.layers]
    theirs = [(layer.n_in, layer.n_out) for layer in model.layers]
    if ours != theirs:
        raise InputError(
            f"The model has layers {theirs} (inputs, outputs) but the program {ours}: pass the "
            "model that the program was made from"
        )


class _Integers:
    """The integer edge functions of one layer, and the real units that they stand for."""

    def __init__(self, program: Program, index: int) -> None:
        self.layer = program.layers[index]
        self._program = program
        self._before: ProgramLayer | None = program.layers[index - 1] if index else None
        self._requantizer: Requantizer = self.layer.requantizers[0]
        streams = [self._positions(stream) for stream in self.layer.streams]
        self.positions = [x for x, _ in streams]
        self.x_is_real = all(real for _, real in streams)
        self.shared = len(set(self.layer.streams)) == 1

    @property
    def y_is_real(self) -> bool:
        return self._requantizer.scale is not None

    @property
    def unit(self) -> FloatArray:
        """Real value of 1 in the joined sum t, per output."""
        if self._requantizer.scale is None:
            return np.ones(self.layer.n_out)
        unit: FloatArray = self._requantizer.scale / 2.0**self._requantizer.shift
        return unit

    @property
    def step(self) -> FloatArray:
        """Real value of one LSB, per output."""
        if isinstance(self.layer, EdgeTableLayer):
            factors = np.maximum(np.abs(self._requantizer.multipliers[0]), 1)
        else:
            factors = np.full(self.layer.n_out, 1 << self._requantizer.shift)
        step: FloatArray = self.unit * factors
        return step

    def branches(self, i: int) -> list[IntArray]:
        """Contributions ``[n_out, A]`` of input i to t, one per trace."""
        factors = self._requantizer.multipliers[:, :, np.newaxis]
        layer = self.layer
        if isinstance(layer, EdgeTableLayer):
            return [factors[0] * layer.tables[:, i]]
        if not isinstance(layer, BasisTableLayer):
            raise InputError(f"Layer {layer.name!r}: no curves for layers of kind {layer.kind!r}")
        spline = layer.coefficients[:, i] @ layer.basis[layer.basis_index[i]].T
        base = layer.base_weights[:, i] @ layer.base[layer.base_index[i]].T
        both = [factors[0] * spline, factors[1] * base]
        return [both[0] + both[1]] if self.shared else both

    @property
    def trace_names(self) -> tuple[str, ...]:
        return ("edge",) if self.shared else self.layer.branches

    def _positions(self, stream: int) -> tuple[FloatArray, bool]:
        """What every code of a stream stands for ``[A, n_in]``, and whether that is real."""
        if self._before is None:
            source, scale = self._program.input, self._program.input.scale
            codes = source.format.codes()
        else:
            requantizer = self._before.requantizers[stream]
            codes, scale = requantizer.output_format.codes(), requantizer.scale
        spread = np.broadcast_to(codes[:, np.newaxis], (len(codes), self.layer.n_in))
        if scale is None:
            return spread.astype(np.float64), False
        if self._before is None:
            return self._program.input.decode(spread), True
        return self._before.requantizers[stream].decode(spread), True


def _layer_curves(integers: _Integers, model: KanLayer | None, limit: int) -> LayerCurves:
    layer = integers.layer
    active = layer.active
    float_layer = model if integers.x_is_real and integers.y_is_real else None
    chosen = _widest(integers, active, limit)
    plots: dict[tuple[int, int], EdgePlot] = {}
    for i in sorted({i for _, i in chosen}):
        branches = integers.branches(i)
        for j in (j for j, other in chosen if other == i):
            plots[j, i] = _edge_plot(integers, branches, float_layer, j, i)
    return LayerCurves(
        name=layer.name,
        kind=layer.kind,
        n_in=layer.n_in,
        n_out=layer.n_out,
        active=int(active.sum()),
        real=integers.y_is_real,
        step_name=(
            "table step" if isinstance(layer, EdgeTableLayer) else "step of the layer's output code"
        ),
        plots=tuple(plots[edge] for edge in chosen),
    )


def _widest(
    integers: _Integers, active: npt.NDArray[np.bool_], limit: int
) -> list[tuple[int, int]]:
    """(j, i) of the active edges with the widest ranges, widest first."""
    ranges = np.zeros(active.shape)
    for i in range(active.shape[1]):
        for values in integers.branches(i):
            ranges[:, i] += (values.max(axis=1) - values.min(axis=1)) * integers.unit
    # Stable, so that equal ranges keep the order of outputs and inputs.
    order = np.argsort(-np.where(active, ranges, -1.0), axis=None, kind="stable")
    count = min(int(active.sum()), limit)
    return [(int(e) // active.shape[1], int(e) % active.shape[1]) for e in order[:count]]


def _edge_plot(
    integers: _Integers, branches: list[IntArray], model: KanLayer | None, j: int, i: int
) -> EdgePlot:
    unit = float(integers.unit[j])
    traces = []
    for name, positions, values in zip(
        integers.trace_names, integers.positions, branches, strict=False
    ):
        x, y = positions[:, i], values[j] * unit
        if model is None:
            traces.append(Trace(name, x, values[j], y))
            continue
        fine = np.linspace(x.min(), x.max(), FINE_POINTS)
        error = float(np.abs(_float_values(model, name, j, i, x) - y).max())
        traces.append(
            Trace(name, x, values[j], y, fine, _float_values(model, name, j, i, fine), error)
        )
    return EdgePlot(output=j, input=i, traces=tuple(traces), step=float(integers.step[j]))


def _float_values(model: KanLayer, branch: str, j: int, i: int, x: FloatArray) -> FloatArray:
    """The float edge, or one branch of it, at ``x`` [A]; ``KanLayer.edges`` does all edges."""
    y = np.zeros(len(x))
    if branch != "base":
        y += model.basis.evaluate_input(i, x) @ model.coefficients[j, i]
    if branch != "spline":
        y += model.base_weights[j, i] * model.base_activation(x)
    return y
