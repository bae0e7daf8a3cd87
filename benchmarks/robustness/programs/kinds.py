"""Random Programs of every layer kind, extreme widths among them, and schedules for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import kanhw
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    ProductLayer,
    Program,
    Requantizer,
    join_heads,
)
from kanhw.windows import Window

__all__ = ["KINDS", "Rng", "random_program", "random_schedule"]

Rng = np.random.Generator
MOST_TRIES = 400


def _format(rng: Rng, widest: int = 6) -> CodeFormat:
    return CodeFormat(int(rng.integers(1, widest + 1)), bool(rng.integers(2)))


def _wide(rng: Rng) -> CodeFormat:
    """A code that leaves the network: now and then as wide as codes may be."""
    width = int(rng.choice([1, 2, 5, 8, 16, 31, 32, 33, 47, 60]))
    return CodeFormat(width, bool(rng.integers(2)))


def _size(rng: Rng) -> int:
    """The largest entry of a table: usually small, sometimes near what 62 bits hold."""
    return int(rng.choice([1, 7, 90, 2**15, 2**31, 2**44, 2**55]))


def _join(
    rng: Rng, branches: int, n_out: int, format: CodeFormat | None, reach: int
) -> Requantizer:
    """A requantizer for sums up to about ``reach``."""
    factors = rng.choice([0, 1, 1, 1, -1, 2, -8, 77], (branches, n_out))
    if rng.random() < 0.5:
        factors = np.ones((branches, n_out), np.int64)
    shift = 0
    if format is not None:
        over = max(reach.bit_length() - format.width, 0)
        shift = int(rng.choice([0, over, over + 1, 15, 48]))
    return Requantizer(factors, rng.integers(-9, 10, n_out), min(shift, 48), format)


def _target(rng: Rng) -> CodeFormat | None:
    return _wide(rng) if rng.random() < 0.7 else None


def _edge_table(rng: Rng) -> Program:
    source, n_in, n_out, size = _format(rng), *rng.integers(1, 4, 2).tolist(), _size(rng)
    tables = rng.integers(-size, size + 1, (n_out, n_in, source.count))
    tables[rng.random((n_out, n_in)) < 0.2] = 0
    layer = EdgeTableLayer(tables, (_join(rng, 1, n_out, _target(rng), size * n_in),))
    return Program((layer,), InputEncoder(source, n_in), argmax=bool(rng.random() < 0.2))


def _two_codes(rng: Rng, n_in: int, n_out: int) -> tuple[Any, Any, tuple[CodeFormat, CodeFormat]]:
    """A layer that makes two codes for the branches of the next."""
    source, first, second = _format(rng, 4), _format(rng, 4), _format(rng, 4)
    tables = rng.integers(-20, 21, (n_out, n_in, source.count))
    joins = tuple(
        Requantizer(np.ones((1, n_out), int), rng.integers(-9, 10, n_out), 2, format)
        for format in (first, second)
    )
    return InputEncoder(source, n_in), EdgeTableLayer(tables, joins, "first"), (first, second)


def _branch_edge_table(rng: Rng) -> Program:
    n_in, hidden, n_out = rng.integers(1, 4, 3).tolist()
    encoder, first, formats = _two_codes(rng, n_in, hidden)
    size = _size(rng)
    tables = [rng.integers(-size, size + 1, (n_out, hidden, f.count)) for f in formats]
    join = _join(rng, 2, n_out, _target(rng), 2 * size * hidden)
    return Program((first, BranchEdgeTableLayer(*tables, (join,), "branches", 0, 1)), encoder)


def _weighted(rng: Rng, formats: Any, n_in: int, n_out: int) -> dict[str, Any]:
    """What layers with a base branch of tables and weights have in common."""
    largest = min(_size(rng), 2**31)
    return {
        "base": rng.integers(-largest, largest + 1, (2, formats[-1].count, 1)),
        "base_index": rng.integers(0, 2, n_in),
        "base_weights": rng.integers(-5, 6, (n_out, n_in, 1)) * int(rng.random() < 0.7),
        "base_stream": len(formats) - 1,
    }


def _basis_table(rng: Rng) -> Program:
    n_in, hidden, n_out = rng.integers(1, 4, 3).tolist()
    encoder, first, formats = _two_codes(rng, n_in, hidden)
    size = min(_size(rng), 2**31)
    return Program((first, _basis_layer(rng, formats, hidden, n_out, size)), encoder)


def _basis_layer(rng: Rng, formats: Any, n_in: int, n_out: int, size: int) -> BasisTableLayer:
    count = int(rng.integers(1, 5))
    return BasisTableLayer(
        basis=rng.integers(0, size + 1, (n_in, formats[0].count, count)),
        basis_index=rng.integers(0, n_in, n_in),
        coefficients=rng.integers(-99, 100, (n_out, n_in, count)),
        requantizers=(_join(rng, 2, n_out, _target(rng), 100 * size * n_in),),
        name="basis",
        **_weighted(rng, formats, n_in, n_out),
    )


def _codebook_layer(rng: Rng, formats: Any, n_in: int, n_out: int, size: int) -> CodebookLayer:
    shapes = int(rng.integers(1, 5))
    return CodebookLayer(
        shapes=rng.integers(-size, size + 1, (shapes, formats[0].count)),
        index=rng.integers(0, shapes, (n_out, n_in)),
        gains=rng.integers(-9, 10, (n_out, n_in)),
        requantizers=(_join(rng, 2, n_out, _target(rng), 10 * size * n_in),),
        name="codebook",
        **_weighted(rng, formats, n_in, n_out),
    )


def _codebook(rng: Rng) -> Program:
    n_in, hidden, n_out = rng.integers(1, 4, 3).tolist()
    encoder, first, formats = _two_codes(rng, n_in, hidden)
    layer = _codebook_layer(rng, formats, hidden, n_out, min(_size(rng), 2**31))
    return Program((first, layer), encoder)


def _resident(rng: Rng) -> Program:
    """Heads that share a codebook, with gains and indices of their own."""
    from dataclasses import replace

    program = _codebook(rng)
    first, layer = program.layers
    heads = []
    for _ in range(int(rng.integers(2, 4))):
        own = replace(
            layer, gains=rng.integers(-9, 10, layer.gains.shape), accumulator_formats=None,
            index=rng.integers(0, len(layer.shapes), layer.index.shape),
            requantizers=tuple(replace(r, sum_format=None) for r in layer.requantizers),
        )  # fmt: skip
        heads.append(Program((first, own), program.input))
    return join_heads(heads, writable=bool(rng.random() < 0.3))


def _product(rng: Rng) -> Program:
    n_in, width = int(rng.integers(1, 4)), int(rng.choice([2, 3, 5, 8, 12, 15, 20, 30]))
    source = CodeFormat(width, bool(rng.integers(2)))
    groups = tuple(
        tuple(rng.integers(0, n_in, int(rng.integers(1, 5))).tolist())
        for _ in range(int(rng.integers(1, 4)))
    )
    lowest = source.lo if rng.random() < 0.6 else int(rng.integers(-300, 300))
    reach = (abs(lowest) + source.count) ** 4
    join = _join(rng, 1, len(groups), _wide(rng), reach)
    shifts = tuple(rng.integers(0, 4, len(groups)).tolist())
    layer = ProductLayer(groups, n_in, width, lowest, (join,), shifts)
    return Program((layer,), InputEncoder(source, n_in))


def _norm(rng: Rng) -> Program:
    count, width = int(rng.integers(1, 6)), int(rng.choice([1, 2, 5, 8, 12, 16, 22, 29]))
    fraction = int(rng.choice([1, 8, 20, 30]))
    gamma = rng.integers(-9, 10, count) * int(rng.choice([1, 100, 2**20, 2**27]))
    join = _join(rng, 1, count, _wide(rng), int(1e4) << fraction)
    layer = NormLayer(gamma, int(rng.choice([0, 1, 2**40, 2**60])), fraction, width, (join,))
    return Program((layer,), InputEncoder(CodeFormat(width, bool(rng.integers(2))), count))


def _window(rng: Rng, shape: tuple[int, int, int], *, padded: bool) -> Window:
    size, stride = rng.integers(1, 3, 2).tolist(), rng.integers(1, 3, 2).tolist()
    padding = rng.integers(0, 2, 2).tolist() if padded else [0, 0]
    return Window(shape, tuple(size), tuple(stride), tuple(padding))


def _image(rng: Rng) -> tuple[int, int, int]:
    rows, columns = rng.integers(2, 5, 2).tolist()
    return int(rng.integers(1, 3)), rows, columns


def _convolution(rng: Rng) -> Program:
    shape, source, size = _image(rng), _format(rng, 4), _size(rng)
    window, n_out = _window(rng, shape, padded=True), int(rng.integers(1, 3))
    match str(rng.choice(["edge_table", "basis_table", "codebook", "spline_evaluator"])):
        case "edge_table":
            tables = rng.integers(-size, size + 1, (n_out, window.taps, source.count))
            join = _join(rng, 1, n_out, _target(rng), size * window.taps)
            taps: Any = EdgeTableLayer(tables, (join,))
        case "basis_table":
            taps = _basis_layer(rng, (source,), window.taps, n_out, min(size, 2**31))
        case "codebook":
            taps = _codebook_layer(rng, (source,), window.taps, n_out, min(size, 2**31))
        case _:
            of_taps = _evaluated(rng, window.taps, n_out)
            taps, source = of_taps.layers[0], of_taps.input.format
            # Sums in which padded taps are missing may be wider than those that were declared.
            joins = tuple(replace(each, sum_format=None) for each in taps.requantizers)
            taps = replace(taps, accumulator_formats=None, requantizers=joins)
    return Program((ConvolutionLayer(taps, window),), InputEncoder(source, window.n_in))


def _pooling(rng: Rng) -> Program:
    shape, source, size = _image(rng), _format(rng, 5), _size(rng)
    window = Window(shape, shape[1:]) if rng.random() < 0.4 else _window(rng, shape, padded=False)
    mode = str(rng.choice(["sum", "max"]))
    one = _join(rng, 1, shape[0], _target(rng), size * 4)
    each = (v.repeat(window.positions, axis=-1) for v in (one.multipliers, one.bias))
    join = Requantizer(*each, one.shift, one.format)
    table = rng.integers(-size, size + 1, source.count)
    layer = PoolingLayer(table, mode, window, (join,), stream=0)
    return Program((layer,), InputEncoder(source, window.n_in))


def _spline_evaluator(rng: Rng) -> Program:
    return _evaluated(rng, *rng.integers(1, 4, 2).tolist())


def _evaluated(rng: Rng, n_in: int, n_out: int) -> Program:
    """Of a trained layer's kind, as only quantization makes its constants."""
    import torch

    from kanhw.layers import KAN

    torch.manual_seed(int(rng.integers(1 << 30)))
    grid, order = int(rng.integers(1, 12)), int(rng.integers(1, 6))
    model = KAN([n_in, n_out], grid, order).to_model()
    x = rng.uniform(-1, 1, (64, n_in)) * float(rng.choice([0.1, 1, 3]))
    bits = {
        "activation_bits": int(rng.choice([2, 5, 8, 12, 16])),
        "spline_bits": int(rng.choice([1, 2, 8, 12])),
        "base_bits": int(rng.choice([1, 2, 8, 12])),
        "multiplier_bits": int(rng.choice([4, 16, 24])),
    }
    return kanhw.quantize(model, x, realisation="spline_evaluator", **bits)


KINDS: dict[str, Callable[[Rng], Program]] = {
    "edge_table": _edge_table,
    "branch_edge_table": _branch_edge_table,
    "basis_table": _basis_table,
    "spline_evaluator": _spline_evaluator,
    "codebook": _codebook,
    "resident": _resident,
    "product": _product,
    "layer_norm": _norm,
    "convolution": _convolution,
    "pooling": _pooling,
}


# They take several clocks a vector, so that there is no bare core of them.
WITH_HANDSHAKE = ("layer_norm", "convolution", "pooling")


def random_program(kind: str, rng: Rng) -> tuple[Program, int]:
    """A Program of a kind, and how many were refused before it, each by name and cure."""
    for refused in range(MOST_TRIES):
        try:
            return KINDS[kind](rng), refused
        except InputError as error:
            # The only refusals that random numbers may meet are of size.
            if not any(word in str(error) for word in ("beyond", "fit", "at most", "bits")):
                raise
    raise RuntimeError(f"{MOST_TRIES} Programs of kind {kind} in a row were refused")


def random_schedule(kind: str, rng: Rng) -> kanhw.Schedule:
    """A schedule that a Program of a kind can have."""
    folded = kind == "resident" or bool(rng.random() < 0.5)
    fabric = "ultrascale+" if rng.random() < 0.5 else "portable"
    if not folded:
        return kanhw.Schedule(
            adder_levels=int(rng.choice([0, 1, 2, 3, 16])),
            fabric=fabric,
            table_registers=bool(rng.random() < 0.7),
            merge_tables="xcup" if rng.random() < 0.5 else None,
            handshake=kind in WITH_HANDSHAKE or bool(rng.random() < 0.7),
        )
    lanes = rng.integers(1, 4, 2).tolist()
    return kanhw.Schedule(
        kind="folded", fabric=fabric, parallel_inputs=lanes[0], parallel_outputs=lanes[1]
    )
