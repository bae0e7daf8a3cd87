"""Layers without run-time norms or windows: unrolled, one vector a clock, stalled as a whole."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Signal

from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Stage
from kanhw.gateware.unrolled.unrolled_layers import PipelineCore
from kanhw.schedule.formula import Formula

__all__ = ["PipelineStage"]


class PipelineStage(Stage):
    """Unrolled layers (:class:`PipelineCore`) behind streams, a vector per clock.

    The pipeline moves unless its end holds a result that nobody takes. Only the valid bits are
    reset; what the datapath holds then is never handed out.

    Parameters
    ----------
    core
        The layers.
    """

    def __init__(self, core: PipelineCore) -> None:
        self._core = core
        super().__init__(core.inputs, core.outputs)

    @property
    def core(self) -> PipelineCore:
        """The layers."""
        return self._core

    @property
    def latency(self) -> int:
        """Clock edges from an accepted input to its output."""
        return self._core.latency

    @property
    def initiation_interval(self) -> int:
        """One."""
        return 1

    @property
    def is_wires(self) -> bool:
        """A pipeline without registers."""
        return self._core.latency == 0

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock per beat, and those of its registers."""
        return Formula.of(self.inputs.beats), Formula.of(self.latency)

    @property
    def costs(self) -> HardwareCosts:
        """The core, a valid bit for every register, and the gate that says whether they move."""
        return self._core.costs + HardwareCosts(table_luts=1, register_bits=self.latency)

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return self.beat_pace()

    def elaborate(self, platform: object) -> Module:
        """The core, and a valid bit for each of its registers."""
        m = Module()
        moves = Signal()
        valid = Signal(self.latency)
        history = Cat(self.i.valid, valid)
        m.submodules.core = EnableInserter(moves)(self._core)
        m.d.comb += [
            self.o.valid.eq(history[-1]),
            moves.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(moves),
            self._core.i.eq(self.i.payload),
            self.o.payload.eq(self._core.o),
        ]
        with m.If(moves):
            m.d.sync += valid.eq(history[:-1])
        return m
