"""The vectors of a design's own testbench: given ones, or random codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kanhw.design.design import Design
from kanhw.design.testbench import testbench_files
from kanhw.formats import IntArray
from kanhw.program import Program

__all__ = ["stimulus_for", "testbench_for"]

# Random vectors: fewer of what comes in many beats.
MOST_VECTORS, MOST_WORDS = 100, 20_000


def testbench_for(program: Program, design: Design, vectors: object) -> dict[str, bytes]:
    """The files of a testbench, by name.

    Parameters
    ----------
    program, design
        What is tested, and as what.
    vectors
        False for none, True for random codes; else an npz file, or an array ``[N, n_in]``, of what
        :func:`kanhw.simulate` takes.

    Raises
    ------
    InputError
        If the vectors do not fit the network.
    """
    if vectors is False:
        return {}
    beats = max(design.input.beats, design.output.beats)
    codes, heads = stimulus_for(program, beats, vectors)
    outputs = program(codes) if heads is None else program(codes, head=heads)
    return testbench_files(design, codes, outputs, heads)


def stimulus_for(
    program: Program, beats: int, vectors: object
) -> tuple[IntArray, IntArray | None]:
    """Codes ``[N, n_in]`` for a testbench, and the head of each where there are several.

    Parameters
    ----------
    program
        What is tested.
    beats
        Beats of a vector, of which more make fewer random vectors.
    vectors
        True for random codes; else as for :func:`testbench_for`.

    Raises
    ------
    InputError
        If the vectors do not fit the network.
    """
    return _random(program, beats) if vectors is True else _given(program, vectors)


def _given(program: Program, vectors: Any) -> tuple[IntArray, IntArray | None]:
    from kanhw.sim.vectors import checked_vectors, read_vectors, stimulus

    if isinstance(vectors, str | Path):
        data = read_vectors(vectors, program)
    else:
        data = checked_vectors(program, vectors)
    return stimulus(program, data.x, data.head), data.head


def _random(program: Program, beats: int) -> tuple[IntArray, IntArray | None]:
    """Codes over their ranges, ends among them; the same for the same design."""
    count = max(min(MOST_VECTORS, MOST_WORDS // beats), 2)
    rng = np.random.default_rng(0)
    lo, hi = program.input.code_ends
    codes = rng.integers(lo, hi + 1, (count, program.n_in))
    codes[0], codes[1] = lo, hi
    heads = None if program.heads == 1 else rng.integers(0, program.heads, count)
    return codes, heads
