"""A small integer network per edge realisation, for proofs that would take long on a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
)
from kanhw.schedule import Schedule

CODE = CodeFormat(4, True)
SIZES = (4, 3, 2)
# Of four B-splines of order 1 at most two are not zero at a code.
LIVE_BASIS = np.array([[[4, 0, 0, 0], [3, 2, 0, 0], [0, 5, 1, 0], [0, 1, 6, 3]] * 4])

SCHEDULES: Mapping[str, Schedule] = {
    "unrolled": Schedule(),
    "folded": Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2),
}

Layer = Callable[[np.random.Generator, int, int, bool], ProgramLayer]


def _requantizer(
    rng: np.random.Generator, branches: int, n_out: int, reach: int, last: bool
) -> Requantizer:
    """Random multipliers and biases, and a shift that spreads sums up to ``reach`` over codes."""
    factors = rng.integers(100, 900, (branches, n_out))
    bias = rng.integers(-900, 900, n_out)
    if last:
        return Requantizer(factors, bias)
    shift = max((900 * reach * branches // CODE.count).bit_length() - 1, 1)
    return Requantizer(factors, bias, shift, CODE)


def _edge_table(rng: np.random.Generator, n_in: int, n_out: int, last: bool) -> ProgramLayer:
    tables = rng.integers(-40, 40, (n_out, n_in, CODE.count))
    return EdgeTableLayer(tables, (_requantizer(rng, 1, n_out, 20 * n_in, last),), "edges")


def _branch_edge_table(rng: np.random.Generator, n_in: int, n_out: int, last: bool) -> ProgramLayer:
    tables = [rng.integers(-40, 40, (n_out, n_in, CODE.count)) for _ in range(2)]
    return BranchEdgeTableLayer(*tables, (_requantizer(rng, 2, n_out, 20 * n_in, last),), "both")


def _basis_table(rng: np.random.Generator, n_in: int, n_out: int, last: bool) -> ProgramLayer:
    return BasisTableLayer(
        basis=LIVE_BASIS,
        basis_index=np.zeros(n_in, np.int64),
        coefficients=rng.integers(-8, 8, (n_out, n_in, LIVE_BASIS.shape[2])),
        base=rng.integers(-8, 8, (1, CODE.count, 1)),
        base_index=np.zeros(n_in, np.int64),
        base_weights=rng.integers(-8, 8, (n_out, n_in, 1)),
        requantizers=(_requantizer(rng, 2, n_out, 15 * n_in, last),),
        name="splines",
    )


def _codebook(rng: np.random.Generator, n_in: int, n_out: int, last: bool) -> ProgramLayer:
    return CodebookLayer(
        shapes=rng.integers(-8, 8, (3, CODE.count)),
        index=rng.integers(0, 3, (n_out, n_in)),
        gains=rng.integers(-4, 5, (n_out, n_in)),
        base=rng.integers(-8, 8, (1, CODE.count, 1)),
        base_index=np.zeros(n_in, np.int64),
        base_weights=rng.integers(-4, 5, (n_out, n_in, 1)),
        requantizers=(_requantizer(rng, 2, n_out, 10 * n_in, last),),
        biases=rng.integers(-3, 4, (n_out, n_in)),
        offsets=rng.integers(5, 8, (1, CODE.count)),
        offsets_index=np.zeros(n_in, np.int64),
        name="codebook",
    )


REALISATIONS: Mapping[str, Layer] = {
    "edge_table": _edge_table,
    "branch_edge_table": _branch_edge_table,
    "basis_table": _basis_table,
    "codebook": _codebook,
}


def network(realisation: str, sizes: tuple[int, ...] = SIZES, seed: int = 1) -> Program:
    """A network of layers of one realisation, with random integers."""
    rng = np.random.default_rng(seed)
    layers = []
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        layers.append(REALISATIONS[realisation](rng, n_in, n_out, k == len(sizes) - 2))
    return Program(tuple(layers), InputEncoder(CODE, sizes[0]))


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
