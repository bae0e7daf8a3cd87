"""What HLS would make of the float32 baseline: the loops of its C++, with float operators."""

from __future__ import annotations

from kanhw.errors import InputError
from kanhw.hls.baseline.cpp import float_sources
from kanhw.hls.costs.operators import FLOAT32, Operator, adder, comparison
from kanhw.hls.costs.work import Function, Loop, Store
from kanhw.hls.files.scripts import Target
from kanhw.hls.reports.report import HlsReport
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import Basis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.norm import LayerNorm

__all__ = ["float_function", "model_of_float"]

ADD, TIMES, OVER = (FLOAT32[name] for name in ("add", "multiply", "divide"))
EXP, ROOT, LESS = (FLOAT32[name] for name in ("exponential", "root", "compare"))
NOT, CHOOSE = (FLOAT32[name] for name in ("negate", "choose"))
# Clocks to read an operand from a memory, and to write a result.
_LOAD, _WRITE = 2, 1
# A memory has two ports.
_PORTS = 2

Uses = dict[Operator, int]


def model_of_float(model: KanModel, target: Target | None = None) -> HlsReport:
    """What HLS would report of :func:`kanhw.hls.float_sources` of a network, as far as modelled.

    Clocks are the most that data can take; a network starts the next inference behind the last.

    Raises
    ------
    InputError
        If there is no float32 C++ of a part of the network.
    """
    made = target or Target()
    function = float_function(model)
    taken, clocks = function.taken(), function.clocks
    return HlsReport(
        kind="model",
        tool="kanhw",
        part=made.part,
        top=function.name,
        clock_ns=made.clock_ns,
        latency_max=clocks,
        interval_max=clocks + 1,
        lut=taken.lut,
        ff=taken.ff,
        dsp=taken.dsp,
        bram18=taken.bram18,
    )


def float_function(model: KanModel, name: str = "kan_float") -> Function:
    """The top of the float32 C++ with the functions of its layers.

    Raises
    ------
    InputError
        If there is no float32 C++ of a part of the network.
    """
    float_sources(model)  # refuses what there is no C++ of
    sizes = [model.n_in, *(layer.n_out for layer in model.layers)]
    layers = [_layer(layer) for layer in model.layers]
    body: list[Loop | Function] = [Loop(sizes[0]), *layers, Loop(sizes[-1])]
    return Function(name, body, [Store(size, 32) for size in sizes], depth=3)


def _layer(layer: ModelLayer) -> Function:
    if isinstance(layer, PoolLayer):
        return _pool(layer)
    if not isinstance(layer, ConvLayer):
        return _dense(layer, padded=False)
    window, taps = layer.window, layer.taps
    inner = _dense(taps, padded=True)
    turn: list[Loop | Function] = [
        Loop(window.taps, {adder(16): 1, comparison(16): 1}, 1, 2 * _LOAD),
        inner,
        Loop(taps.n_out, {adder(16): 1}),
    ]
    stores = [
        Store(window.positions * window.taps, max(layer.n_in.bit_length() + 1, 1)),
        Store(window.taps, 32),
        Store(window.taps, 1),
        Store(taps.n_out, 32),
    ]
    return Function(layer.name, [Loop(window.positions, {}, None, 2, turn)], stores, depth=1)


def _dense(layer: KanLayer, *, padded: bool) -> Function:
    n, m, count = layer.n_in, layer.n_sums, layer.basis.count
    base = layer.base_activation.name != "zero" and bool(layer.base_weights.any())
    own_base, coefficients = Store(m * n, 32), Store(m * n * count, 32)
    stores = [Store(m, 32), *[own_base] * base]
    if count:
        stores += [coefficients, Store(count, 32)]
    uses, clocks = _activation(layer.base_activation) if base else ({}, 0)
    basis: list[Loop] = []
    if count:
        basis, more, own, kept = _basis(layer.basis, n)
        uses, clocks, stores = _joined(uses, more), clocks + own, [*stores, *kept]
    terms = count + base
    # Coefficients of an edge are in one memory of two ports.
    interval = max(-(-count // _PORTS), 1)
    edges = Loop(
        m,
        {TIMES: terms, ADD: terms, adder(16): 2},
        interval,
        _LOAD + TIMES.latency + terms * ADD.latency + _WRITE,
        loads=terms + 1,
        reads={coefficients: count, own_base: int(base)} if count > 1 else {own_base: terms},
    )
    body: list[Loop | Function] = []
    within: list[Loop | Function] = [*basis, edges]
    if layer.spline_norm is not None:
        body.append(_norm(layer.spline_norm))
        stores.append(Store(n, 32))
    body += [Loop(m), Loop(n, uses, None, _LOAD + clocks + padded, within, loads=2)]
    for step in layer.post:
        if isinstance(step, LayerNorm):
            body.append(_norm(step))
        elif isinstance(step, Activation):
            own_uses, latency = _activation(step)
            body.append(Loop(m, own_uses, 1, _LOAD + latency + _WRITE, loads=1))
    return Function(layer.name, body, stores, depth=1)


def _joined(a: Uses, b: Uses) -> Uses:
    return {key: a.get(key, 0) + b.get(key, 0) for key in (*a, *b)}


def _activation(activation: Activation) -> tuple[Uses, int]:
    """Operators and clocks of an activation, as it is written with ``expf``."""
    sigmoid = EXP.latency + ADD.latency + OVER.latency
    known: dict[str, tuple[Uses, int]] = {
        "silu": ({NOT: 1, EXP: 1, ADD: 1, OVER: 1}, sigmoid),
        "sigmoid": ({NOT: 1, EXP: 1, ADD: 1, OVER: 1}, sigmoid),
        "identity": ({}, 0),
        "relu": ({LESS: 1, CHOOSE: 1}, LESS.latency),
        "tanh": ({TIMES: 1, EXP: 1, ADD: 2, OVER: 1}, TIMES.latency + sigmoid + ADD.latency),
    }
    if activation.name not in known:
        raise InputError(
            f"The activation {activation.name} has no operators in the HLS model, only "
            f"{', '.join(known)} have: add it to kanhw.hls.model.floating"
        )
    return known[activation.name]


def _basis(basis: Basis, n: int) -> tuple[list[Loop], Uses, int, list[Store]]:
    """Loops, operators outside of them with their clocks, and memories of an input's functions."""
    if isinstance(basis, BSplineBasis):
        knots = basis.knots.shape[1]
        turn: Uses = {ADD: 5, OVER: 2, TIMES: 2, adder(8): 4}
        depth = _LOAD + 2 * ADD.latency + OVER.latency + TIMES.latency + _WRITE
        # Four knots of a turn come through two ports.
        at, values = Store(n * knots, 32), Store(knots - 1, 32, true_dual_port=True)
        first = {LESS: 2, CHOOSE: 1}
        loops = [
            Loop(knots - 1, first, 1, _LOAD + LESS.latency + _WRITE, loads=2, reads={at: 2}),
            # One loop over the degrees, whose inner one is at most so long.
            Loop(basis.order, {}, None, 1,
                 [Loop(knots - 2, turn, 2, depth, loads=6, reads={at: 4, values: 3})]),
            Loop(basis.count, reads={values: 1}),
        ]  # fmt: skip
        return loops, {}, 0, [at, values]
    if isinstance(basis, RadialBasis):
        turn = {ADD: 1, OVER: 1, TIMES: 1, NOT: 1, EXP: 1}
        depth = _LOAD + ADD.latency + OVER.latency + TIMES.latency + EXP.latency + _WRITE
        return [Loop(basis.count, turn, 1, depth, loads=1)], {}, 0, [Store(basis.count, 32)]
    tanh, clocks = _activation(Activation("tanh"))
    activation = basis.activation if isinstance(basis, GramBasis) else None
    uses, latency = ({}, 0) if activation is None else _activation(activation)
    degree = getattr(basis, "degree", 1)
    # A polynomial waits for the two before it.
    waits = TIMES.latency + ADD.latency + _LOAD
    loops = [Loop(degree - 1, {TIMES: 2, ADD: 1}, waits, waits + _WRITE)] if degree > 1 else []
    loops.append(Loop(basis.count, uses, 1, _LOAD + latency + _WRITE, loads=1))
    return loops, tanh, clocks, [Store(max(degree, 1) + 1, 32), Store(max(degree - 1, 1), 32)]


def _norm(norm: LayerNorm) -> Function:
    """A layer normalisation, whose loops are not pipelined."""
    n = norm.n
    body = [
        Loop(n, {ADD: 1}, None, _LOAD + ADD.latency, loads=1),
        Loop(n, {ADD: 2, TIMES: 1}, None, _LOAD + 2 * ADD.latency + TIMES.latency, loads=1),
        Loop(n, {ADD: 2, TIMES: 1, OVER: 1}, None,
             _LOAD + 2 * ADD.latency + TIMES.latency + OVER.latency + _WRITE, loads=3),
    ]  # fmt: skip
    between = 2 * OVER.latency + ADD.latency + ROOT.latency
    extra = {OVER: 2, ROOT: 1, ADD: 1}
    return Function("norm", body, [Store(n, 32, 2)], (), extra, between)


def _pool(layer: PoolLayer) -> Function:
    window = layer.window
    channels, area = window.shape[0], window.size[0] * window.size[1]
    average = layer.kind == "average"
    one: Uses = {ADD: 1} if average else {LESS: 1, CHOOSE: 1}
    step = 2 * _LOAD + (ADD.latency if average else LESS.latency)
    last: Uses = {OVER: 1, adder(16): 2} if average else {adder(16): 2}
    after = 2 * _LOAD + (OVER.latency if average else 0) + _WRITE
    each = Loop(channels, last, None, after, [Loop(max(area - 1, 1), one, None, step, loads=1)])
    index = Store(window.positions * channels * area, max(layer.n_in.bit_length(), 1))
    return Function(layer.name, [Loop(window.positions, {}, None, 1, [each])], [index], depth=1)
