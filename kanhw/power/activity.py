"""Toggles of every net of a design while it computes vectors, in their order, one behind the other.

Nets have no delays: what changes within a clock and back again (a glitch) is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design
from kanhw.design.packing import checked_codes, pack_codes, unpack_codes
from kanhw.design.wires import Wires
from kanhw.errors import InputError, ToolFailed
from kanhw.formats import FloatArray, IntArray
from kanhw.power.mapped import MappedNetlist
from kanhw.power.simulation import Simulation
from kanhw.targets.cells.batch import Batch, CellKind, Words
from kanhw.targets.cells.cell import HIGH, LOW, Cell

__all__ = ["Activity", "simulate_activity"]

# Vectors that fill a copy, at most: buffers of all stages together hold fewer.
_MOST_FILLING = 1024
_NEARLY = 0.95
# Copies at most: beyond, values no longer fit a processor's cache.
_MOST_COPIES = 4096
# The type of the cell that stands for what is outside.
_SOURCE = "$source"
# What a clock costs, whatever the number of copies, in words of 64 of them.
_WORDS_A_CLOCK = 1
# Words of all nets that are computed at once, of all their copies and clocks: 16 MB.
_AT_ONCE = 1 << 21


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
    beats
        Payloads of a vector at the input.
    """

    toggles: npt.NDArray[np.int64] | FloatArray
    clocks: int
    vectors: int
    rows: int
    input_toggles: float
    seconds: float
    beats: int = 1

    @property
    def changes(self) -> float:
        """How often a bit of the input is another one in the next payload."""
        return self.input_toggles * self.clocks / (self.vectors * self.beats)


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
    run, toggles, clocks = _steady(design, netlist, kinds, rows, family)
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
        design.input.beats,
    )


def _steady(
    design: Design,
    netlist: MappedNetlist,
    kinds: Mapping[str, CellKind],
    rows: IntArray,
    family: str,
) -> tuple[_Run, npt.NDArray[np.int64], int]:
    """A run whose counted vectors are taken as slowly as they are for ever, and what it counted.

    Buffers take vectors faster until they are full, and how many they hold is not told. It may
    also be that vectors are taken a little faster than a design says, twice alike.
    """
    interval = max(design.initiation_interval, 1)
    filling = -(-design.latency_cycles // interval) + 2
    before = 0.0
    while filling <= _MOST_FILLING:
        run = _Run(design, netlist, kinds, rows, family, filling)
        toggles, clocks = run.count()
        each = clocks / run.counted
        if each >= interval or each == before >= _NEARLY * interval:
            return run, toggles, clocks
        filling, before = 2 * filling, each
    raise ToolFailed(
        f"{design.path} still takes vectors faster than one every {interval} clocks behind "
        f"{_MOST_FILLING} of them"
    )


def _pieces(rows: int, filling: int) -> tuple[int, int]:
    """How many copies cost least, each behind vectors that fill it, and the vectors of each.

    These are an even number, as buffers of two pages take them by turns: all copies begin with the
    same page, as one that computes all vectors does.
    """

    def counted(words: int) -> int:
        return 2 * -(-rows // (2 * min(64 * words, _MOST_COPIES)))

    def cost(words: int) -> int:
        return (filling + counted(words)) * (words + _WORDS_A_CLOCK)

    each = counted(min(range(1, -(-min(rows, _MOST_COPIES) // 64) + 1), key=cost))
    return -(-rows // each), each


class _Source(Batch):
    """What stands before the input: the next payload, when the one before was taken."""

    def __init__(self, payloads: Words) -> None:
        self._payloads, self._place = payloads, 0

    def outputs(self, inputs: Words) -> Words:
        given: Words = self._payloads[self._place][:, None]
        return given

    def clock(self, inputs: Words) -> None:
        if inputs[0, 0, 0] & inputs[1, 0, 0] & np.uint64(1):
            self._place = min(self._place + 1, len(self._payloads) - 1)


def _with_source(
    netlist: MappedNetlist, wires: Wires, payloads: Words
) -> tuple[MappedNetlist, CellKind]:
    """A netlist with the source as one more cell, and its kind.

    Parameters
    ----------
    netlist, wires
        The design.
    payloads
        ``[payloads, bits, words]``, whether one is a vector's last on top.
    """

    def net(name: str, otherwise: int) -> tuple[int]:
        return (netlist.ports[name][0] if name else otherwise,)

    ports = {
        "ready": net(wires.input.ready, HIGH),
        "valid": net(wires.input.valid, HIGH),
        "data": netlist.ports[wires.input.data],
        "last": net(wires.input.last, LOW),
    }
    kind = CellKind(
        "source",
        [("ready", 0), ("valid", 0)],
        [*(("data", bit) for bit in range(len(ports["data"]))), ("last", 0)],
        lambda _, __: _Source(payloads),
        clocked=True,
    )
    cell = Cell("source", _SOURCE, {}, ports)
    inputs = netlist.inputs - {wires.input.data, wires.input.last}
    return replace(netlist, cells=(*netlist.cells, cell), inputs=inputs), kind


class _Run:
    """Copies of a design, each with its piece of the vectors."""

    def __init__(
        self,
        design: Design,
        netlist: MappedNetlist,
        kinds: Mapping[str, CellKind],
        rows: IntArray,
        family: str,
        filling: int,
    ) -> None:
        self._design, self._wires = design, design.wires
        interval = max(design.initiation_interval, 1)
        self._filling = filling
        # Vectors that do not divide evenly begin again at the first.
        self.copies, self.counted = _pieces(len(rows), self._filling)
        first = np.arange(self.copies) * self.counted
        # When the last of a piece is taken, the next one comes to the input.
        steps = np.arange(-self._filling, self.counted + 1)
        self._order = (first[:, None] + steps) % len(rows)
        self._rows = rows
        words = -(-self.copies // 64)
        self._used = _columns(np.ones((self.copies, 1), np.uint8), words)[0]
        clocks = (self._filling + self.counted) * interval
        # Pieces of one length, of which the last hardly goes too far.
        pieces = -(-clocks * words * netlist.nets // _AT_ONCE)
        self._clocks = -(-clocks // pieces)
        full, kind = _with_source(netlist, self._wires, self._payloads(words))
        self._sim = Simulation(full, {**kinds, _SOURCE: kind}, words, family)
        self._taken: list[Words] = []
        self._begin()

    def _payloads(self, words: int) -> Words:
        """All that is given, with a bit for the last of a vector: ``[payloads, bits, words]``."""
        bits = _payloads(self._design, self._rows)[self._order]
        copies, vectors, beats, width = bits.shape
        last = np.zeros((copies, vectors, beats, 1), np.uint8)
        last[:, :, -1] = 1
        flat = np.concatenate([bits, last], axis=3).reshape(copies, -1)
        return _columns(flat, words).reshape(vectors * beats, width + 1, words)

    def _begin(self) -> None:
        """Reset, with every output taken."""
        for name in self._sim.inputs:
            self._sim.give(name, 0)
        wires = self._wires
        if wires.output.ready:
            self._sim.give(wires.output.ready, 1)
        if wires.reset:
            self._sim.give(wires.reset, wires.reset_level)
            self._sim.run(2)
            self._sim.give(wires.reset, 1 - wires.reset_level)
        if wires.input.valid:
            self._sim.give(wires.input.valid, 1)

    def _levels(self, name: str) -> npt.NDArray[np.bool_]:
        """A control signal by clock, the same in all copies, as no payload decides it."""
        if not name:
            return np.ones(self._clocks, bool)
        bits = self._sim.port(name)[0] & self._used
        high: npt.NDArray[np.bool_] = (bits == self._used).all(axis=1)
        low = (bits == 0).all(axis=1)
        if not (high | low).all():
            raise ToolFailed(
                f"{name} of {self._design.path} differs between copies: a payload decides it"
            )
        return high

    def count(self) -> tuple[npt.NDArray[np.int64], int]:
        """Toggles of every net while the vectors of a piece are taken, and the clocks of one."""
        sim, beats = self._sim, self._design.input.beats
        # Payloads that are taken before the counted ones, and with them.
        before = self._filling * beats
        every = before + self.counted * beats
        total = np.zeros(len(sim.values), np.int64)
        taken = passed = clocks = 0
        limit = 16 * (every + 2) * max(self._design.initiation_interval, 1) + 1000
        kept: Words | None = None
        over = False
        while not over:
            if passed > limit:
                raise ToolFailed(f"{self._design.path} took no input within {limit} clocks")
            sim.run(self._clocks)
            passed += self._clocks
            # How many were taken when a clock begins; a change belongs to the clock before it.
            counts = taken + np.cumsum([0, *self._levels(self._wires.input.ready)])
            counted = np.flatnonzero((counts[:-1] >= before) & (counts[:-1] < every))
            if kept is not None:
                total += _changes(kept, sim.values[:, :1], self._used)
                kept = None
            if len(counted):
                first, last = int(counted[0]), int(counted[-1])
                values = sim.values[:, first : last + 2]
                total += _changes(values[:, :-1], values[:, 1:], self._used)
                kept = values[:, -1:].copy() if last == self._clocks - 1 else None
            clocks += len(counted)
            given = self._levels(self._wires.output.valid) & (counts[:-1] < every)
            self._taken += list(sim.port(self._wires.output.data)[:, given].swapaxes(0, 1))
            taken, over = int(counts[-1]), counts[-2] >= every
        return sim.by_net(total), clocks

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


def _changes(before: Words, after: Words, used: Words) -> npt.NDArray[np.int64]:
    """Bits of each row that differ in the copies that are used, all clocks together."""
    counts = np.bitwise_count((before ^ after) & used)
    found: npt.NDArray[np.int64] = counts.reshape(len(counts), -1).sum(axis=1, dtype=np.int64)
    return found


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
