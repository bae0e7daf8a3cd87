"""The bank of every vector, beside the stages that it goes through."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.heads.head_loader import HeadBanks, HeadLoader, head_number
from kanhw.gateware.heads.head_map import DATA_BITS, HeadMap
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.stream.stage import Stage

__all__ = ["HeadStream", "queue_depths"]


def queue_depths(stages: Sequence[Stage]) -> list[int]:
    """Places for the banks of the vectors in front of every stage with heads.

    As many as may be under way up to the last step in the stage. With fewer places vectors would
    wait for them; none would be lost.
    """
    depths, waiting = [], 0
    for stage in stages:
        if isinstance(stage, ResidentStage):
            # Its buffer holds two vectors, and a third arrives.
            depths.append(waiting + 4)
            waiting = 0
        # A vector per register where they come at every clock, and what waits at both ends.
        waiting += stage.latency // stage.initiation_interval + 2
    return depths


class HeadStream(Component):
    """Gives every vector a bank, carries it to the stages with heads, and writes other heads.

    Parameters
    ----------
    heads
        How many there are.
    stages
        All stages of a design.

    Members
    -------
    head : In(unsigned)
        Of the vector that enters.
    enters : In(1); ready : Out(1)
        Whether a vector's first beat enters, which it may only where there is room.
    leaves : In(1)
        Whether a vector has left the last stage with heads.
    banks : In and Out
        ``bank0``, ``passed0``, ``bank1`` ...: the streams of the stages with heads.
    write : In(stream of a struct): ``address``, ``data``; commit : In(stream of a head)
        Only where heads can be written: see :class:`HeadLoader` and :class:`HeadBanks`.
    busy, hit : Out(1)
        Whether the spare bank is not free yet; whether there is something at ``write``'s address.
    w_enable0, w_enable1, ... : Out; w_bank, w_address, w_data : Out
        For the stages with heads.
    """

    def __init__(self, heads: int, stages: Sequence[Stage]) -> None:
        self._heads = heads
        self._resident = [stage for stage in stages if isinstance(stage, ResidentStage)]
        self._depths = queue_depths(stages)
        self._most = sum(stage.latency + 4 for stage in stages) + sum(self._depths)
        self.writable = any(stage.layer.writable is not None for stage in self._resident)
        bank = self._resident[0].bank.payload.shape()
        self.head_bits = (heads - 1).bit_length()
        members = {
            "head": In(unsigned(max(self.head_bits, 1))),
            "enters": In(1),
            "leaves": In(1),
            "ready": Out(1),
        }
        for k in range(len(self._resident)):
            members[f"bank{k}"] = Out(stream.Signature(bank))
            members[f"passed{k}"] = In(stream.Signature(bank))
        if self.writable:
            self.map = HeadMap(self._resident)
            self._loader = HeadLoader(self.map, len(self._resident[0].bank.payload))
            entry = data.StructLayout({"address": self.map.address_bits, "data": DATA_BITS})
            members |= {
                "write": In(stream.Signature(entry)),
                "commit": In(stream.Signature(unsigned(max(self.head_bits, 1)))),
                "busy": Out(1),
                "hit": Out(1),
                "w_bank": Out(bank),
                "w_address": Out(self._loader.address.shape()),
                "w_data": Out(self._loader.word.shape()),
            }
            for k, stage in enumerate(self._resident):
                members[f"w_enable{k}"] = Out(len(stage.regions))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        """A queue in front of every stage with heads; banks and writes where there are any."""
        m = Module()
        entering: Value = head_number(self.head, self._heads)
        if self.writable:
            m.submodules.banks = banks = HeadBanks(self._heads, self._most)
            m.d.comb += [
                banks.head.eq(self.head),
                banks.enters.eq(self.enters),
                banks.leaves.eq(self.leaves),
                self.busy.eq(banks.busy),
                banks.commit.payload.eq(self.commit.payload),
                banks.commit.valid.eq(self.commit.valid),
                self.commit.ready.eq(banks.commit.ready),
            ]
            entering = banks.bank
            self._load(m, banks)
        # In front of every stage with heads a queue of banks, in the order of the vectors that are
        # on their way to it. The stage takes a bank off with the last step of its vector.
        width = len(self.bank0.payload)
        for k, depth in enumerate(self._depths):
            m.submodules[f"queue{k}"] = queue = SyncFIFO(width=width, depth=depth)
            given = getattr(self, f"bank{k}")
            m.d.comb += [
                given.payload.eq(queue.r_data),
                given.valid.eq(queue.r_rdy),
                queue.r_en.eq(given.ready),
            ]
            if k == 0:
                # A vector enters the design only where its bank has a place.
                m.d.comb += [
                    queue.w_data.eq(entering),
                    queue.w_en.eq(self.enters),
                    self.ready.eq(queue.w_rdy),
                ]
                continue
            # The bank of a vector goes on when the stage before has read it for the last time,
            # which is before the vector's codes reach the next stage.
            passed = getattr(self, f"passed{k - 1}")
            m.d.comb += [
                queue.w_data.eq(passed.payload),
                queue.w_en.eq(passed.valid),
                passed.ready.eq(queue.w_rdy),
            ]
        # Behind the last stage with heads nothing wants to know a vector's bank.
        m.d.comb += getattr(self, f"passed{len(self._depths) - 1}").ready.eq(1)
        return m

    def _load(self, m: Module, banks: HeadBanks) -> None:
        m.submodules.loader = loader = self._loader
        m.d.comb += [
            loader.i.payload.eq(self.write.payload),
            loader.i.valid.eq(self.write.valid),
            self.write.ready.eq(loader.i.ready),
            loader.busy.eq(banks.busy),
            loader.spare.eq(banks.spare),
            self.hit.eq(loader.hit),
            self.w_bank.eq(loader.bank),
            self.w_address.eq(loader.address),
            self.w_data.eq(loader.word),
        ]
        for number, region in enumerate(self.map.regions):
            enable = getattr(self, f"w_enable{region.stage}")
            m.d.comb += enable[region.memory].eq(loader.enables[number])
