"""Whether an altered place of a design is ever seen: what every register holds, of which vector.

No payload decides when a design takes and gives. So its states, as far as no payload reaches, are
few, and in each of them a register holds a function of the last words that were taken, or nothing
that matters any more. Starting from power-up, every state and every input is followed, with and
without the alteration, and for each state is kept what its registers hold: a constant, the truth
table of a function of some words with the number of words taken since each, or, where two ways to
the same state leave something else, anything. Where whatever is handed out is the same function of
the same words in both designs, in all of these states, nobody can tell them apart, in whatever
order vectors, pauses and resets come. Where it is another function, but always the same one in
place of what the original hands out, of the same words, then what becomes of a vector hangs on that
vector alone: whoever has tried all vectors, in any order, has tried everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.proofs.and_graphs import AndGraph

__all__ = ["same_for_vectors"]

# Functions of more bits have tables that are too long, and more states take too much time.
MOST_BITS = 16
MOST_STATES = 40_000
# Of a word before so many others nothing is known.
MOST_WORDS = 64

# What a bit holds in one design: false, true, anything; else a function, from _FIRST on.
_FALSE, _TRUE, _ANYTHING, _FIRST = 0, 1, -1, 2

# What a word of several bits is, in a form that can be compared.
Content = tuple[object, ...]


def same_for_vectors(graph: AndGraph) -> bool:
    """Whether it is proved that two designs that agree on every vector agree for ever.

    Parameters
    ----------
    graph
        Both in one, chosen by the input ``altered``. False is also the answer where payloads decide
        when a vector is taken or handed out, or where there are too many states.
    """
    payload = graph.inputs["i__payload"]
    hidden = graph.reached(payload)
    handshake = graph.outputs["i__ready"] + graph.outputs["o__valid"]
    if len(payload) > MOST_BITS or any(literal & ~1 in hidden for literal in handshake):
        return False
    return _Exploration(graph, hidden).same()


class _Functions:
    """What a bit holds in one design, by numbers: a function of some of the last words taken.

    A word is what the input takes at once; a vector may be of several. A function is kept as the
    numbers of words taken since each word that it hangs on, and its truth table over these.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._kept: list[tuple[tuple[int, ...], bytes]] = []
        self._numbers: dict[tuple[tuple[int, ...], bytes], int] = {}
        words = np.arange(1 << bits)
        self.newest = [self._number((0,), (words >> k & 1).astype(bool)) for k in range(bits)]

    def both(self, one: int, other: int) -> int:
        """What an AND of two gives."""
        if _FALSE in (one, other):
            return _FALSE
        if one in (_TRUE, other) or other == _TRUE:
            return other if one == _TRUE else one
        if _ANYTHING in (one, other):
            return _ANYTHING
        ages = tuple(sorted(set(self._ages(one)) | set(self._ages(other))))
        if len(ages) * self._bits > MOST_BITS:
            return _ANYTHING
        return self._number(ages, self._over(one, ages) & self._over(other, ages))

    def complement(self, function: int) -> int:
        """What an inverter gives."""
        if function < _FIRST:
            return {_FALSE: _TRUE, _TRUE: _FALSE, _ANYTHING: _ANYTHING}[function]
        ages = self._ages(function)
        return self._number(ages, ~self._over(function, ages))

    def older(self, function: int) -> int:
        """The same after one more word was taken."""
        if function < _FIRST:
            return function
        ages, table = self._kept[function - _FIRST]
        if ages[-1] + 1 == MOST_WORDS:
            return _ANYTHING
        return self._keep(tuple(age + 1 for age in ages), table)

    def last_word(self, functions: Sequence[int]) -> int:
        """The number of words taken since the last one that any function hangs on."""
        known = [self._ages(function)[0] for function in functions if function >= _FIRST]
        return min(known, default=0)

    def counted_from(self, last: int, functions: Sequence[int]) -> Content:
        """Functions, their words counted from another one than the last."""
        content: list[object] = []
        for function in functions:
            if function < _FIRST:
                content.append(function)
            else:
                ages, table = self._kept[function - _FIRST]
                content.append((tuple(age - last for age in ages), table))
        return tuple(content)

    def _ages(self, function: int) -> tuple[int, ...]:
        return self._kept[function - _FIRST][0]

    def _over(self, function: int, ages: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """The truth table with an axis a word, of length 1 for those that do not matter."""
        own, table = self._kept[function - _FIRST]
        bits = np.frombuffer(table, np.uint8)
        size = 1 << self._bits
        shape = [size if age in own else 1 for age in ages]
        return np.unpackbits(bits, count=size ** len(own)).astype(bool).reshape(shape)

    def _number(self, ages: tuple[int, ...], table: npt.NDArray[np.bool_]) -> int:
        """A function without the words that it does not hang on."""
        for axis in reversed(range(len(ages))):
            first = np.take(table, [0], axis)
            if (table == first).all():
                ages, table = ages[:axis] + ages[axis + 1 :], first.squeeze(axis)
        if not ages:
            return _TRUE if table else _FALSE
        return self._keep(ages, np.packbits(table).tobytes())

    def _keep(self, ages: tuple[int, ...], table: bytes) -> int:
        found = self._numbers.get((ages, table))
        if found is None:
            found = self._numbers[ages, table] = _FIRST + len(self._kept)
            self._kept.append((ages, table))
        return found


class _Values:
    """What a bit holds in both designs at once, by numbers: equal numbers are equal contents."""

    def __init__(self, bits: int) -> None:
        self._functions = _Functions(bits)
        self._pairs: list[tuple[int, int]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._both: dict[tuple[int, int], int] = {}
        self._not: dict[int, int] = {}
        self._older: dict[int, int] = {}
        self.false = self._number((_FALSE, _FALSE))
        self.true = self._number((_TRUE, _TRUE))
        self.altered = self._number((_FALSE, _TRUE))
        # Anything, in each of the designs; and anything, but the same in both.
        self.anything = self._number((_ANYTHING, _ANYTHING))
        self.same = len(self._pairs)
        self._pairs.append((_ANYTHING, _ANYTHING))
        self.newest = [self._number((bit, bit)) for bit in self._functions.newest]

    def is_same(self, value: int) -> bool:
        """Whether both designs hold the same."""
        first, second = self._pairs[value]
        return value == self.same or (first == second != _ANYTHING)

    def both(self, one: int, other: int) -> int:
        """What an AND gives."""
        key = (one, other) if one <= other else (other, one)
        found = self._both.get(key)
        if found is None:
            pairs = zip(self._pairs[one], self._pairs[other], strict=True)
            first, second = (self._functions.both(a, b) for a, b in pairs)
            equal = self.is_same(one) and self.is_same(other)
            found = self._both[key] = self._of(first, second, equal)
        return found

    def complement(self, value: int) -> int:
        """What an inverter gives."""
        found = self._not.get(value)
        if found is None:
            first, second = map(self._functions.complement, self._pairs[value])
            found = self._not[value] = self._of(first, second, self.is_same(value))
        return found

    def older(self, value: int) -> int:
        """The same after one more word was taken."""
        found = self._older.get(value)
        if found is None:
            first, second = map(self._functions.older, self._pairs[value])
            found = self._older[value] = self._of(first, second, self.is_same(value))
        return found

    def joined(self, one: int, other: int) -> int:
        """What is known of a value that is one of two."""
        if one == other:
            return one
        return self.same if self.is_same(one) and self.is_same(other) else self.anything

    def handed_out(self, word: Sequence[int]) -> tuple[Content, Content] | None:
        """What a word is in both designs, counted from the last word taken that matters to it.

        None if that is not known; of the same in both designs it need not be.
        """
        sides = tuple(tuple(self._pairs[bit][side] for bit in word) for side in (0, 1))
        if _ANYTHING in (*sides[0], *sides[1]):
            return None
        last = self._functions.last_word([*sides[0], *sides[1]])
        first, second = (self._functions.counted_from(last, side) for side in sides)
        return first, second

    def _of(self, first: int, second: int, equal: bool) -> int:
        if _ANYTHING in (first, second) and equal:
            return self.same
        return self._number((first, second))

    def _number(self, pair: tuple[int, int]) -> int:
        if pair not in self._numbers:
            self._numbers[pair] = len(self._pairs)
            self._pairs.append(pair)
        return self._numbers[pair]


class _Exploration:
    """All states that can be reached, and what the registers that payloads reach hold in each."""

    def __init__(self, graph: AndGraph, hidden: set[int]) -> None:
        self._graph = graph
        self._values = _Values(len(graph.inputs["i__payload"]))
        self._control = [place for place in graph.registers if place not in hidden]
        self._data = [place for place in graph.registers if place in hidden]
        self._early = [row for row in graph.ands if row[0] not in hidden]
        self._late = [row for row in graph.ands if row[0] in hidden]
        # What the altered design hands out in place of each word of the original.
        self._instead: dict[Content, Content] = {}
        self._unknown = False

    def same(self) -> bool:
        """Whether in every state each word is handed out as itself, or always as another one."""
        false = self._values.false
        first = (false,) * len(self._control)
        holds = {first: (false,) * len(self._data)}
        left = deque([first])
        while left:
            control = left.popleft()
            for later, data in self._steps(control, holds[control]):
                if data is None or len(holds) > MOST_STATES:
                    return False
                known = holds.get(later)
                joined = data
                if known is not None:
                    pairs = zip(known, data, strict=True)
                    joined = tuple(self._values.joined(one, other) for one, other in pairs)
                if joined != known:
                    holds[later] = joined
                    left.append(later)
        others = any(word != instead for word, instead in self._instead.items())
        return not (others and self._unknown)

    def _steps(
        self, control: tuple[int, ...], data: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...] | None]]:
        """The state after every input; its data are None where a difference was handed out."""
        values, graph = self._values, self._graph
        unchosen = ("i__payload", "altered", "clk")
        names = [name for name in graph.inputs if name not in unchosen]
        places = [place for name in names for place in graph.inputs[name]]
        bits = (values.false, values.true)
        for chosen in product(bits, repeat=len(places)):
            found = {0: values.false, graph.inputs["altered"][0]: values.altered}
            found |= dict.fromkeys(graph.inputs.get("clk", ()), values.false)
            found |= zip(places, chosen, strict=True)
            found |= zip(self._control, control, strict=True)
            self._evaluate(found, self._early)
            taken = self._read(found, graph.outputs["i__ready"][0])
            taken = values.both(taken, found[graph.inputs["i__valid"][0]])
            is_taken = taken == values.true
            held = map(values.older, data) if is_taken else data
            found |= zip(self._data, held, strict=True)
            payload = graph.inputs["i__payload"]
            entering = values.newest if is_taken else [values.same] * len(payload)
            found |= zip(payload, entering, strict=True)
            self._evaluate(found, self._late)
            later = tuple(self._read(found, graph.registers[place]) for place in self._control)
            if self._differs(found):
                yield later, None
                return
            yield later, tuple(self._read(found, graph.registers[place]) for place in self._data)

    def _differs(self, found: dict[int, int]) -> bool:
        """Whether the designs may be told apart now, but by a word that is always another one."""
        outputs, values = self._graph.outputs, self._values
        (valid,) = outputs["o__valid"]
        if not all(
            values.is_same(self._read(found, literal)) for literal in (*outputs["i__ready"], valid)
        ):
            return True
        if self._read(found, valid) == values.false:
            return False
        word = [self._read(found, literal) for literal in outputs["o__payload"]]
        handed_out = values.handed_out(word)
        if handed_out is None:
            self._unknown = True
            return not all(map(values.is_same, word))
        original, altered = handed_out
        return self._instead.setdefault(original, altered) != altered

    def _read(self, found: dict[int, int], literal: int) -> int:
        value = found[literal & ~1]
        return self._values.complement(value) if literal & 1 else value

    def _evaluate(self, found: dict[int, int], rows: list[tuple[int, int, int]]) -> None:
        both, complement = self._values.both, self._values.complement
        for place, one, other in rows:
            first, second = found[one & ~1], found[other & ~1]
            found[place] = both(
                complement(first) if one & 1 else first,
                complement(second) if other & 1 else second,
            )
