"""Whether an altered place of a pipeline is ever seen: every vector there is, through its logic.

An unrolled design is a pipeline that moves as a whole. Where that can be read off its circuit, one
vector at a time says all there is to say: what is handed out with a valid bit depends on nothing
but the vector that entered as many moves ago as there are valid bits, whatever pauses and resets
there were. So its registers may be taken for wires, and what remains is evaluated for every vector,
with and without the alteration.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.proofs.and_graphs import AndGraph, Circuit

__all__ = ["same_pipeline"]

# More vectors than 2 to the power of this would not be evaluated in little memory.
MOST_INPUT_BITS = 18


def same_pipeline(graph: AndGraph) -> bool:
    """Whether the original and the altered design are pipelines that nobody can tell apart.

    Parameters
    ----------
    graph
        Both in one, chosen by the input ``altered``. False is also the answer where it is no
        pipeline, or one whose control the alteration changes.
    """
    payload = graph.inputs["i__payload"]
    (enable,), (valid,) = graph.outputs["i__ready"], graph.outputs["o__valid"]
    touched = graph.reached(graph.inputs["altered"])
    changed = touched | graph.reached(payload)
    if len(payload) > MOST_INPUT_BITS or {enable & ~1, valid & ~1} & changed:
        return False
    rests = _folded(graph, {enable: 0, _reset(graph): 0})
    if any(rests(value) != rests(r) for r, value in graph.registers.items() if r in changed):
        return False
    moves = _valid_bits(graph, enable, valid, rests)
    if moves is None:
        return False
    try:
        logic = _Logic(graph, {enable: 1, _reset(graph): 0}, moves)
    except _NoPipelineError:
        return False
    return logic.outputs(0) == logic.outputs(1)


def _reset(graph: AndGraph) -> int:
    (literal,) = graph.inputs["rst"]
    return literal


class _Folded:
    """The literals of a graph in which some have values: equal ones are equal for sure."""

    def __init__(self, graph: AndGraph, values: Mapping[int, int]) -> None:
        circuit = Circuit()
        fixed = {literal & ~1: value ^ (literal & 1) for literal, value in values.items()}
        self._found = {0: 0, **fixed}
        leaves = [literal for literals in graph.inputs.values() for literal in literals]
        for place in (*leaves, *graph.registers):
            self._found.setdefault(place, circuit.anything())
        for place, one, other in graph.ands:
            self._found.setdefault(place, circuit.both(self(one), self(other)))

    def __call__(self, literal: int) -> int:
        return self._found[literal & ~1] ^ (literal & 1)


_folded = _Folded


def _valid_bits(graph: AndGraph, enable: int, valid: int, rests: _Folded) -> int | None:
    """How many registers there are from the valid bit that enters to the one that is handed out.

    None if they are no chain that moves with the pipeline and is emptied by a reset.
    """
    (entering,) = graph.inputs["i__valid"]
    moves = _folded(graph, {enable: 1, _reset(graph): 0})
    resets = _folded(graph, {_reset(graph): 1})
    back = {moves(literal): literal for literal in (entering, *graph.registers)}
    count = 0
    while valid != entering:
        value = graph.registers.get(valid)
        if value is None or rests(value) != rests(valid) or resets(value) != 0:
            return None
        before = back.get(moves(value))
        if before is None or count > len(graph.registers):
            return None
        valid, count = before, count + 1
    return count


class _NoPipelineError(Exception):
    """Something is not as in a pipeline."""


class _Logic:
    """What a pipeline computes of a vector, its registers taken for wires.

    Parameters
    ----------
    graph
        Of the pipeline.
    values
        Of literals while it moves.
    moves
        Registers that everything must pass from the input to the output.

    Raises
    ------
    _NoPipelineError
        If something is mixed that entered at different times, or comes from elsewhere.
    """

    def __init__(self, graph: AndGraph, values: Mapping[int, int], moves: int) -> None:
        self._graph = graph
        self._folded = _folded(graph, values)
        self._operands = {place: (one, other) for place, one, other in graph.ands}
        self._operands |= {place: (value,) for place, value in graph.registers.items()}
        self._payload = set(graph.inputs["i__payload"])
        # By place, operands first: how many registers a vector has passed that is there (None:
        # nothing of a vector is), and how many a constant has.
        self._passed: dict[int, tuple[int | None, int]] = {}
        for literal in graph.outputs["o__payload"]:
            self._follow(literal & ~1)
            vector, constant = self._passed[literal & ~1]
            if vector not in (None, moves) or constant > moves:
                raise _NoPipelineError

    def outputs(self, altered: int) -> list[bytes]:
        """Every output bit for every vector."""
        bits = len(self._graph.inputs["i__payload"])
        vectors = np.arange(1 << bits, dtype=np.uint32)
        found: dict[int, np.ndarray] = {}
        for k, place in enumerate(self._graph.inputs["i__payload"]):
            found[place] = np.packbits((vectors >> k & 1).astype(np.uint8))
        ones = np.full(-(-len(vectors) // 8), 255, np.uint8)

        def value(literal: int) -> np.ndarray:
            kept = found[literal & ~1]
            return kept ^ ones if literal & 1 else kept

        for place in self._passed:
            if self._folded(place) in (0, 1):
                found[place] = ones * self._folded(place)
            elif place == self._graph.inputs["altered"][0]:
                found[place] = ones * altered
            elif place in self._operands:
                found[place] = np.bitwise_and.reduce([value(v) for v in self._operands[place]])
        return [value(literal).tobytes() for literal in self._graph.outputs["o__payload"]]

    def _follow(self, start: int) -> None:
        """Count the registers before a place and before all that it is made of."""
        left, begun = [start], set()
        while left:
            place = left[-1]
            if place in self._passed:
                left.pop()
                continue
            operands = () if self._is_leaf(place) else self._operands.get(place, (-1,))
            missing = [v & ~1 for v in operands if v & ~1 not in self._passed]
            if missing and (place in begun or min(missing) < 0):
                raise _NoPipelineError  # a circle, or an input that no vector brings
            begun.add(place)
            left += missing
            if not missing:
                self._passed[left.pop()] = self._count(place, operands)

    def _is_leaf(self, place: int) -> bool:
        known = self._folded(place) in (0, 1)
        return known or place in self._payload or place == self._graph.inputs["altered"][0]

    def _count(self, place: int, operands: tuple[int, ...]) -> tuple[int | None, int]:
        if not operands:
            return (0 if place in self._payload else None), 0
        vectors = {self._passed[v & ~1][0] for v in operands} - {None}
        constant = max(self._passed[v & ~1][1] for v in operands)
        (vector,) = vectors if len(vectors) == 1 else (None,)
        # A constant that comes later than a vector would not be there for the first one.
        if len(vectors) > 1 or (vector is not None and constant > vector):
            raise _NoPipelineError
        step = 1 if place in self._graph.registers else 0
        return (None if vector is None else vector + step), constant + step
