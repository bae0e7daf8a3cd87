"""Toggles of every net of a design while it computes vectors, in their order, one behind the other.

Nets have no delays: what changes within a clock and back again (a glitch) is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design
from kanhw.design.packing import checked_codes, pack_codes, unpack_codes
from kanhw.errors import InputError, ToolFailed
from kanhw.formats import FloatArray, IntArray
from kanhw.power.mapped import MappedNetlist
from kanhw.power.simulation import Simulation
from kanhw.targets.cells.batch import CellKind, Words

__all__ = ["Activity", "simulate_activity"]

# Vectors that one copy computes behind those that fill it, if there are enough of them.
_IN_A_ROW = 4
# Copies at most: beyond, values no longer fit a processor's cache.
_MOST_COPIES = 4096


@dataclass(frozen=True)
class Activity:
    """What toggled.

    Parameters
    ----------
    toggles
        ``[nets]``: changes of each net, all vectors together.
    clocks
        Clocks that were counted.
    vectors
        Vectors that were computed in them: the given ones, some of them again where they do not
        divide evenly among the copies.
    rows
        The given ones.
    input_toggles
        Changes a clock of a bit of the input, on average.
    seconds
        It took.
    """

    toggles: npt.NDArray[np.int64] | FloatArray
    clocks: int
    vectors: int
    rows: int
    input_toggles: float
    seconds: float


def simulate_activity(
    design: Design,
    netlist: MappedNetlist,
    kinds: Mapping[str, CellKind],
    codes: npt.ArrayLike,
    *,
    family: str,
) -> Activity:
    """Count the toggles of a netlist while vectors pass through it as fast as it takes them.

    Many copies run side by side, each with a piece of the vectors; those that come before its
    piece go through it first and are not counted. The first vector follows the last.

    Parameters
    ----------
    design
        Whose netlist it is, with a stream interface or without a handshake.
    netlist
        As it was synthesised.
    kinds
        Of its cells.
    codes
        Integers ``[N, n_in]`` within the input's format.
    family
        How messages call the target.

    Raises
    ------
    InputError
        If the codes do not fit, the design has heads, or its cells are not known.
    ToolFailed
        If an output is not the Program's.
    """
    started = time.perf_counter()
    rows = checked_codes(codes, design.input)
    if len(rows) < 2:
        raise InputError(f"Activity takes at least 2 vectors, not {len(rows)}: give more rows")
    if design.input.heads > 1:
        raise InputError("The activity of a design with heads is not simulated: give it one head")
    run = _Run(design, netlist, kinds, rows, family)
    run.fill()
    toggles, clocks = run.count()
    run.check()
    inputs = list(netlist.ports[design.wires.input.data])
    copies = run.copies
    return Activity(
        toggles,
        clocks * copies,
        run.counted * copies,
        len(rows),
        float(toggles[inputs].sum() / (len(inputs) * clocks * copies)),
        time.perf_counter() - started,
    )


class _Run:
    """Copies of a design, each with its piece of the vectors."""

    def __init__(
        self,
        design: Design,
        netlist: MappedNetlist,
        kinds: Mapping[str, CellKind],
        rows: IntArray,
        family: str,
    ) -> None:
        self._design, self._wires = design, design.wires
        self.copies = min(max(len(rows) // _IN_A_ROW, 1), _MOST_COPIES)
        # Vectors that do not divide evenly begin again at the first.
        self.counted = -(-len(rows) // self.copies)
        interval = max(design.initiation_interval, 1)
        self._filling = -(-design.latency_cycles // interval) + 2
        first = np.arange(self.copies) * self.counted
        # When the last of a piece is taken, the next one comes to the input.
        steps = np.arange(-self._filling, self.counted + 1)
        self._order = (first[:, None] + steps) % len(rows)
        self._rows = rows
        self._words = -(-self.copies // 64)
        self._payloads = _payloads(design, rows)[self._order]
        self._sim = Simulation(netlist, kinds, self._words, family)
        self._given = -1
        self._taken: list[Words] = []
        self._begin()

    def _begin(self) -> None:
        """Reset, with nothing at the input and every output taken."""
        for name in self._sim.netlist.inputs:
            self._sim.give(name, 0)
        wires = self._wires
        if wires.output.ready:
            self._sim.give(wires.output.ready, 1)
        if wires.reset:
            self._sim.give(wires.reset, wires.reset_level)
            for _ in range(2):
                self._sim.settle()
                self._sim.clock()
            self._sim.give(wires.reset, 1 - wires.reset_level)
        if wires.input.valid:
            self._sim.give(wires.input.valid, 1)
        self._offer()

    @property
    def _beats(self) -> int:
        return self._design.input.beats

    def _offer(self) -> None:
        """Put the next payload at the input."""
        self._given += 1
        vector, beat = divmod(self._given, self._beats)
        self._sim.give(
            self._wires.input.data, _columns(self._payloads[:, vector, beat], self._words)
        )
        last = self._wires.input.last
        if last:
            self._sim.give(last, int(beat == self._beats - 1))

    def _clock(self) -> bool:
        """One clock; whether a payload was taken."""
        sim, wires = self._sim, self._wires
        sim.settle()
        if self._level(wires.output.valid):
            self._taken.append(sim.port(wires.output.data).copy())
        taken = self._level(wires.input.ready)
        sim.clock()
        if taken:
            self._offer()
        return taken

    def _level(self, name: str) -> bool:
        """A control signal, which must be the same in all copies, as no payload decides it."""
        if not name:
            return True
        bits = _rows(self._sim.port(name), self.copies)
        if bits.any() != bits.all():
            raise ToolFailed(
                f"{name} of {self._design.path} differs between copies: a payload decides it"
            )
        return bool(bits.any())

    def _take(self, payloads: int) -> int:
        """Clocks until so many payloads were taken."""
        clocks, limit = 0, 16 * (payloads + 2) * max(self._design.initiation_interval, 1) + 1000
        while payloads:
            payloads -= self._clock()
            clocks += 1
            if clocks > limit:
                raise ToolFailed(f"{self._design.path} took no input within {limit} clocks")
        return clocks

    def fill(self) -> None:
        """Bring the vectors before each piece in."""
        self._take(self._filling * self._beats)

    def count(self) -> tuple[npt.NDArray[np.int64], int]:
        """Toggles of every net while the vectors of a piece are taken, and the clocks of one."""
        sim = self._sim
        used = _columns(np.ones((self.copies, 1), np.uint8), self._words)
        total = np.zeros(sim.netlist.nets, np.int64)
        sim.settle()
        left, clocks, before = self.counted * self._beats, 0, sim.values.copy()
        while left:
            left -= self._clock()
            clocks += 1
            sim.settle()
            changed = (sim.values ^ before) & used
            total += np.bitwise_count(changed).sum(axis=1, dtype=np.int64)
            np.copyto(before, sim.values)
        return total, clocks

    def check(self) -> None:
        """Compare the outputs with the Program's.

        Raises
        ------
        ToolFailed
            If any differs, or none came.
        """
        design, program = self._design, self._design.load_program()
        beats = design.output.beats
        skipped = 0 if self._wires.output.valid else design.latency_cycles
        found = self._taken[skipped:]
        vectors = len(found) // beats
        if vectors < 1:
            raise ToolFailed(f"{design.path} gave no output")
        bits = np.stack([_rows(words, self.copies) for words in found[: vectors * beats]])
        packed = np.packbits(bits.swapaxes(0, 1), axis=2, bitorder="little")
        outputs = unpack_codes(packed.reshape(self.copies * vectors * beats, -1), design.output)
        rows = self._rows[self._order[:, :vectors].ravel()]
        wrong = int((outputs != program(rows)).any(axis=1).sum())
        if wrong:
            raise ToolFailed(
                f"{wrong} of {len(rows)} outputs of the netlist of {design.path} are not the "
                "Program's: its activity means nothing"
            )


Bits = npt.NDArray[np.uint8]


def _payloads(design: Design, rows: IntArray) -> Bits:
    """The payloads of vectors as bits, ``[N, beats, width]``."""
    packed = pack_codes(rows, design.input)
    bits = np.unpackbits(packed, axis=1, count=design.input.width, bitorder="little")
    return bits.reshape(len(rows), design.input.beats, design.input.width)


def _columns(bits: Bits, words: int) -> Words:
    """Bits ``[copies, width]`` as words ``[width, words]``."""
    padded = np.zeros((words * 64, bits.shape[1]), np.uint8)
    padded[: len(bits)] = bits
    packed = np.packbits(padded.T, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


def _rows(words: Words, copies: int) -> Bits:
    """Undo :func:`_columns`: bits ``[copies, width]``."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=copies, bitorder="little").T
