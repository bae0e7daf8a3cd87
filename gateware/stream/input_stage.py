"""The frame of stages behind the input ports, which change every code of a beat alone."""

from __future__ import annotations

from abc import abstractmethod

from amaranth.hdl import EnableInserter, Module, Mux, Signal, Value

from kanhw.gateware.stream.cycle_model import BeatPace, Pace
from kanhw.gateware.stream.stage import BeatStage
from kanhw.gateware.stream.valid_bits import valid_bits

__all__ = ["InputStage"]


class InputStage(BeatStage):
    """A pipeline through which beats go one by one, features of several beats taking turns.

    Sub-classes say what becomes of a beat (:meth:`change`), and whose turns there are.
    """

    @property
    @abstractmethod
    def turns(self) -> int:
        """Beats of a vector whose features take turns; 1 where all beats are alike."""

    @abstractmethod
    def change(self, m: Module, pipeline: Module, turn: Value | None) -> None:
        """Connect a beat's codes from input to output.

        Parameters
        ----------
        m, pipeline
            Where connections go, and where registers go, which move together.
        turn
            Which beat of a vector comes; None where all are alike.
        """

    @property
    def holds_vectors(self) -> bool:
        """No: beats go through as they come."""
        return False

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return BeatPace(1, 1, self.latency)

    def elaborate(self, platform: object) -> Module:
        """The pipeline, all of which moves together, and a counter of beats."""
        m, pipeline = Module(), Module()
        moves = valid_bits(m, self.i.valid, self.latency, self.o)
        m.d.comb += self.i.ready.eq(moves)
        m.submodules.pipeline = EnableInserter(moves)(pipeline)
        turn = None
        if self.turns > 1:
            turn = Signal(range(self.turns))
            with m.If(moves & self.i.valid):
                m.d.sync += turn.eq(Mux(turn == self.turns - 1, 0, turn + 1))
        self.change(m, pipeline, turn)
        return m
