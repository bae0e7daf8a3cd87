"""A Program between two AXI4-Streams."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Cat, ClockDomain, Module, Mux, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out, connect

from kanhw.design.design import Port
from kanhw.design.wires import lane_bits
from kanhw.gateware.top.axi_lite import AxiLiteHeads, axi_lite_members
from kanhw.gateware.top.stream_top import StreamTop, ports_of
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["AxiClocks", "AxiStreamTop"]


class AxiStreamTop(Component):
    """A :class:`~kanhw.gateware.top.stream_top.StreamTop` with the signals of AXI4-Stream.

    Code k of a beat is in a lane of whole bytes, from bit ``k * lane_bits(width)`` on, and fills
    it: sign- or zero-extended. Of an input only the code itself is read. The last beat of every
    vector or image leaves with ``m_axis_tlast``.

    Beats are counted from reset, so that ``s_axis_tlast`` decides nothing. It may mark the last
    beat of every vector, or of some: several vectors may be a packet. If it comes in the midst of
    a vector, ``tlast_error`` rises and stays until reset.

    Parameters
    ----------
    program, schedule
        As for :class:`~kanhw.gateware.top.stream_top.StreamTop`.

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tlast : In; s_axis_tready : Out
        Inputs; s_axis_tuser : In is the head, where there are several.
    m_axis_tdata, m_axis_tvalid, m_axis_tlast : Out; m_axis_tready : In
        Outputs.
    tlast_error : Out(1)
    s_axi_* :
        Only where heads can be written: see :class:`~kanhw.gateware.top.axi_lite.AxiLiteHeads`.
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self._top = StreamTop(program, schedule)
        inputs, outputs = ports_of(self._top, program)
        self._input = replace(inputs, lane=lane_bits(inputs.format.width))
        self._output = replace(outputs, lane=lane_bits(outputs.format.width))
        self._lite = None
        if self._top.heads is not None and self._top.heads.writable:
            self._lite = AxiLiteHeads(self._top.heads.map, program.heads)
        lite = axi_lite_members(self._lite.address_bits) if self._lite else {}
        user = {"s_axis_tuser": In(self._input.head_bits)} if self._input.head_bits else {}
        super().__init__(
            {
                "s_axis_tdata": In(unsigned(self._input.data_width)),
                **user,
                "s_axis_tlast": In(1),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(unsigned(self._output.data_width)),
                "m_axis_tlast": Out(1),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "tlast_error": Out(1),
                **lite,
            }
        )

    @property
    def control_bits(self) -> int:
        """Address bits of the AXI4-Lite slave; 0 where there is none."""
        return self._lite.address_bits if self._lite else 0

    @property
    def ports(self) -> tuple[Port, Port]:
        """The ports of inputs and of outputs."""
        return self._input, self._output

    @property
    def latency(self) -> int:
        """Clock edges from an accepted input to its output, without stalls."""
        return self._top.latency

    @property
    def initiation_interval(self) -> int:
        """Clocks between two inputs in steady state."""
        return self._top.initiation_interval

    def elaborate(self, platform: object) -> Module:
        """Lanes to codes and back; beats counted at both ends."""
        m = Module()
        m.submodules.top = top = self._top
        head = [self.s_axis_tuser] if self._input.head_bits else []
        m.d.comb += [
            top.i.payload.eq(Cat(_codes(self.s_axis_tdata, self._input), *head)),
            top.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(top.i.ready),
            self.m_axis_tdata.eq(_lanes(top.o.payload, self._output)),
            self.m_axis_tvalid.eq(top.o.valid),
            top.o.ready.eq(self.m_axis_tready),
        ]
        accepts, gives = top.i.valid & top.i.ready, top.o.valid & top.o.ready
        ends = _counted(m, "input", self._input.beats, accepts)
        m.d.comb += self.m_axis_tlast.eq(_counted(m, "output", self._output.beats, gives))
        with m.If(accepts & self.s_axis_tlast & ~ends):
            m.d.sync += self.tlast_error.eq(1)
        if self._lite is not None:
            self._connect_lite(m, self._lite)
        return m

    def _connect_lite(self, m: Module, lite: AxiLiteHeads) -> None:
        m.submodules.lite = lite
        connect(m, lite.write, self._top.write)
        connect(m, lite.commit, self._top.commit)
        m.d.comb += [
            lite.hit.eq(self._top.hit),
            lite.busy.eq(self._top.busy),
            lite.flag.eq(self.tlast_error),
        ]
        for name, member in axi_lite_members(lite.address_bits).items():
            ours, theirs = getattr(self, name), getattr(lite, name)
            m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)


def _counted(m: Module, name: str, beats: int, moves: Value) -> Value:
    """A bit: this is the last beat of its vector, with ``moves`` at every beat."""
    place = Signal(range(max(beats, 2)), name=f"{name}_beat")
    last = place == beats - 1
    if beats > 1:
        with m.If(moves):
            m.d.sync += place.eq(Mux(last, 0, place + 1))
    return last


def _codes(data: Value, port: Port) -> Value:
    """The codes in the lanes of a beat, close together."""
    lanes = (data.word_select(k, port.lane_bits) for k in range(port.count))
    return Cat(lane[: port.format.width] for lane in lanes)


def _lanes(codes: Value, port: Port) -> Value:
    """Codes that stand close together, in lanes of their own."""
    width = port.format.width
    lanes = []
    for k in range(port.count):
        code = codes[k * width : (k + 1) * width]
        above = code[-1] if port.format.signed else 0
        lanes.append(Cat(code, (Value.cast(above) for _ in range(port.lane_bits - width))))
    return Cat(lanes)


class AxiClocks(Component):
    """A component with the clock ``aclk`` and the synchronous reset ``aresetn``, active low.

    Parameters
    ----------
    inner
        In the domain ``sync``. Its members are this one's too.

    Members
    -------
    aclk, aresetn : In(1)
    """

    def __init__(self, inner: Component) -> None:
        self._inner = inner
        super().__init__({"aclk": In(1), "aresetn": In(1), **dict(inner.signature.members)})

    def elaborate(self, platform: object) -> Module:
        """A clock domain, and wires."""
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.submodules.axi = self._inner
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        for name, member in self._inner.signature.members.items():
            ours, theirs = getattr(self, name), getattr(self._inner, name)
            m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)
        return m
