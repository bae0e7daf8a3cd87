"""A small integer network per edge realisation, for proofs that would take long on a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    ProgramLayer,
    Requantizer,
    SplineEvaluatorLayer,
)
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(4, True)
WIDE_CODE = CodeFormat(8, True)
# Of four B-splines of order 1 at most two are not zero at a code.
LIVE_BASIS = np.array([[[4, 0, 0, 0], [3, 2, 0, 0], [0, 5, 1, 0], [0, 1, 6, 3]] * 4])

SCHEDULES: Mapping[str, Schedule] = {
    "unrolled": Schedule(),
    "folded": Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2),
}


@dataclass(frozen=True)
class Numbers:
    """How large the random integers are.

    Parameters
    ----------
    entries, weights, factors
        Bounds of table entries, of weights, and of multipliers and biases of requantizers.
    order, scale, guard_bits
        Of evaluated splines.
    """

    entries: int = 40
    weights: int = 8
    factors: int = 900
    order: int = 3
    scale: int = 992
    guard_bits: int = 6


LARGE = Numbers()
# Few states, so that much can be proved of them.
SMALL = Numbers(entries=7, weights=4, factors=8, order=2, scale=160, guard_bits=4)


@dataclass(frozen=True)
class Draw:
    """Random integers for a layer of a size, whose output has a format or is raw."""

    rng: np.random.Generator
    numbers: Numbers
    n_in: int
    n_out: int
    format: CodeFormat | None

    def entries(self, *shape: int) -> np.ndarray:
        """Table entries."""
        return self.rng.integers(-self.numbers.entries, self.numbers.entries, shape)

    def weights(self, *shape: int) -> np.ndarray:
        """Weights, or small table entries."""
        return self.rng.integers(-self.numbers.weights, self.numbers.weights, shape)

    def each(self) -> np.ndarray:
        """The same for every input: 0."""
        return np.zeros(self.n_in, np.int64)

    def requantizer(self, branches: int, reach: int) -> tuple[Requantizer, ...]:
        """Multipliers and biases, and a shift that spreads sums up to ``reach`` over codes."""
        most = self.numbers.factors
        factors = self.rng.integers(most // 8, most, (branches, self.n_out))
        bias = self.rng.integers(-most, most, self.n_out)
        if self.format is None:
            return (Requantizer(factors, bias),)
        shift = max((most * reach * branches // self.format.count).bit_length() - 1, 1)
        return (Requantizer(factors, bias, shift, self.format),)


Layer = Callable[[Draw], ProgramLayer]


@dataclass(frozen=True)
class Realisation:
    """How a realisation is tried.

    Parameters
    ----------
    layer
        Makes a layer of random integers.
    format
        Of all codes between layers.
    sizes
        Of the network whose input vectors can all be tried: there are 65,536.
    """

    layer: Layer
    format: CodeFormat = CODE
    sizes: tuple[int, ...] = (4, 3, 2)


def _edge_table(draw: Draw) -> ProgramLayer:
    tables = draw.entries(draw.n_out, draw.n_in, CODE.count)
    reach = draw.numbers.entries * draw.n_in // 2
    return EdgeTableLayer(tables, draw.requantizer(1, reach), "edges")


def _branch_edge_table(draw: Draw) -> ProgramLayer:
    tables = [draw.entries(draw.n_out, draw.n_in, CODE.count) for _ in range(2)]
    reach = draw.numbers.entries * draw.n_in // 2
    return BranchEdgeTableLayer(*tables, draw.requantizer(2, reach), "both")


def _basis_table(draw: Draw) -> ProgramLayer:
    return BasisTableLayer(
        basis=LIVE_BASIS,
        basis_index=draw.each(),
        coefficients=draw.weights(draw.n_out, draw.n_in, LIVE_BASIS.shape[2]),
        base=draw.weights(1, CODE.count, 1),
        base_index=draw.each(),
        base_weights=draw.weights(draw.n_out, draw.n_in, 1),
        requantizers=draw.requantizer(2, 2 * draw.numbers.weights * draw.n_in),
        name="splines",
    )


def _codebook(draw: Draw) -> ProgramLayer:
    edges = (draw.n_out, draw.n_in)
    return CodebookLayer(
        shapes=draw.weights(3, CODE.count),
        index=draw.rng.integers(0, 3, edges),
        gains=draw.weights(*edges) // 2,
        base=draw.weights(1, CODE.count, 1),
        base_index=draw.each(),
        base_weights=draw.weights(*edges, 1) // 2,
        requantizers=draw.requantizer(2, draw.numbers.weights * draw.n_in),
        biases=draw.weights(*edges) // 2,
        offsets=draw.rng.integers(5, 8, (1, CODE.count)),
        offsets_index=draw.each(),
        name="codebook",
    )


def _spline_evaluator(draw: Draw) -> ProgramLayer:
    # 64 / 3 codes a cell; the grid of 9 cells has codes in front of it and beyond.
    splines = SplineArithmetic(
        width=WIDE_CODE.width,
        order=draw.numbers.order,
        multipliers=np.full(draw.n_in, 3),
        offsets=np.full(draw.n_in, -70),
        shift=1,
        fraction_bits=5,
        scale=draw.numbers.scale,
        guard_bits=draw.numbers.guard_bits,
    )
    curves = draw.entries(1, (WIDE_CODE.count >> 4) + 1)
    return SplineEvaluatorLayer(
        draw.weights(draw.n_out, draw.n_in, 9 + draw.numbers.order),
        splines,
        Interpolation(curves, draw.each(), WIDE_CODE.width, 4, 2),
        draw.weights(draw.n_out, draw.n_in, 1),
        draw.requantizer(2, 2 * draw.numbers.entries * draw.n_in),
        "evaluated",
    )


REALISATIONS: Mapping[str, Realisation] = {
    "edge_table": Realisation(_edge_table),
    "branch_edge_table": Realisation(_branch_edge_table),
    "basis_table": Realisation(_basis_table),
    "codebook": Realisation(_codebook),
    "spline_evaluator": Realisation(_spline_evaluator, WIDE_CODE, (2, 3, 2)),
}


def network(
    realisation: str,
    sizes: tuple[int, ...] | None = None,
    numbers: Numbers = LARGE,
    seed: int = 1,
) -> Program:
    """A network of layers of one realisation, with random integers."""
    rng, kind = np.random.default_rng(seed), REALISATIONS[realisation]
    sizes = kind.sizes if sizes is None else sizes
    formats = [*[kind.format] * (len(sizes) - 2), None]
    layers = [
        kind.layer(Draw(rng, numbers, n_in, n_out, format))
        for (n_in, n_out), format in zip(pairwise(sizes), formats, strict=True)
    ]
    return Program(tuple(layers), InputEncoder(kind.format, sizes[0]))


def all_codes(program: Program, count: int, seed: int = 1) -> np.ndarray:
    """Random input codes ``[count, n_in]`` over the whole format."""
    form = program.input.format
    rng = np.random.default_rng(seed)
    return rng.integers(form.lo, form.hi + 1, (count, program.n_in))


def every_code(program: Program) -> np.ndarray:
    """All input codes ``[count, n_in]`` that there are, in a random order."""
    form = program.input.format
    grid = np.indices((form.count,) * program.n_in).reshape(program.n_in, -1).T + form.lo
    return np.random.default_rng(1).permutation(grid)
