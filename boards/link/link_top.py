"""The top of every board: a network behind a UART, without anything that only one family has."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out, connect

from kanhw.boards.link.answer_writer import AnswerWriter
from kanhw.boards.link.frame_receiver import FrameReceiver
from kanhw.boards.link.frame_sender import FrameSender
from kanhw.boards.link.lights import Lights
from kanhw.boards.link.request_reader import RequestReader
from kanhw.boards.link.self_test import SelfTest
from kanhw.boards.link.uart import UartReceiver, UartTransmitter
from kanhw.boards.protocol.frames import CRC_BYTES, HEADER_BYTES, MOST_PAYLOAD
from kanhw.boards.protocol.messages import STATUS_FIELDS, Identity, Kind
from kanhw.design.design import Port
from kanhw.design.packing import payload_bytes
from kanhw.errors import InputError

__all__ = ["MOST_WINDOW", "LinkTop", "buffer_bytes", "vector_bytes", "window_of"]

MOST_WINDOW = 16
"""Vectors that may be under way."""

_LEAST_BUFFER = 512  # a block RAM of the smallest family


def vector_bytes(port: Port) -> int:
    """Bytes of a vector on the link: of whole bytes for every beat."""
    return port.beats * payload_bytes(port)


def buffer_bytes(input_bytes: int) -> int:
    """Bytes of the memory for frames: a power of two, two vectors at least.

    Raises
    ------
    InputError
        If a vector is longer than a frame.
    """
    if input_bytes > MOST_PAYLOAD:
        raise InputError(
            f"A vector of {input_bytes} bytes is longer than a frame of the link, which carries "
            f"{MOST_PAYLOAD}"
        )
    needed = 2 * (input_bytes + HEADER_BYTES) + CRC_BYTES + 1
    return max(_LEAST_BUFFER, 1 << (needed - 1).bit_length())


def window_of(input_bytes: int) -> int:
    """Vectors without an answer that never overrun the memory for frames."""
    # A byte stays free, and the checksum of the last one is there until it is checked.
    room = buffer_bytes(input_bytes) - 1 - CRC_BYTES
    return min(MOST_WINDOW, room // (input_bytes + HEADER_BYTES))


class LinkTop(Component):
    """A network that answers requests by the protocol of ``docs/link.md``.

    Parameters
    ----------
    network
        A component with streams ``i`` and ``o``, such as
        :class:`kanhw.gateware.top.stream_top.StreamTop`.
    ports
        What its two payloads are.
    identity
        What the design says of itself.
    divisor
        Clocks of a bit of the UART.

    Members
    -------
    rx : In(1), tx : Out(1)
        The UART.
    button : In(1)
        Of any clock; while it is pressed, everything is as after power-up.
    alive, working, failed : Out(1)
        See :class:`~kanhw.boards.link.lights.Lights`.
    busy : Out(1)
        Something is to be done that does not wait for the UART's line.
    """

    def __init__(
        self, network: Component, ports: tuple[Port, Port], identity: Identity, divisor: int
    ) -> None:
        self._network, self._ports = network, ports
        self._identity, self._divisor = identity, divisor
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "button": In(1),
                "alive": Out(1),
                "working": Out(1),
                "failed": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Everything, under reset while the button is pressed."""
        m = Module()
        pressed = Signal()
        m.submodules.synchronizer = FFSynchronizer(self.button, pressed)
        m.submodules.inside = ResetInserter(pressed)(self._inside())
        return m

    def _inside(self) -> Module:
        """From the line to the network and back; a request for a reset resets all in between."""
        m = Module()
        inputs, outputs = self._ports
        m.submodules.uart_rx = uart_rx = UartReceiver(self._divisor)
        m.submodules.uart_tx = uart_tx = UartTransmitter(self._divisor)
        m.submodules.receiver = receiver = FrameReceiver(buffer_bytes(vector_bytes(inputs)))
        m.submodules.lights = lights = Lights(self._identity.clock_hz)
        reader = RequestReader(inputs.width, inputs.beats)
        filling = _filling(outputs)
        test = SelfTest(inputs.width, outputs.width, filling, outputs.beats)
        writer = AnswerWriter(outputs.width, outputs.beats, self._identity)
        sender = FrameSender()
        sequences = SyncFIFOBuffered(width=8, depth=MOST_WINDOW)
        parts = {
            "reader": reader,
            "test": test,
            "network": self._network,
            "writer": writer,
            "sender": sender,
            "sequences": sequences,
        }
        for name, part in parts.items():
            m.submodules[name] = ResetInserter(receiver.reset)(part)
        m.d.comb += [
            uart_rx.rx.eq(self.rx),
            self.tx.eq(uart_tx.tx),
            receiver.data.eq(uart_rx.data),
            receiver.strobe.eq(uart_rx.strobe),
            receiver.spoiled.eq(uart_rx.broken),
        ]
        for source, target in (
            (receiver.o, reader.i),
            (reader.o, test.i),
            (reader.sequence, sequences.w_stream),
            (reader.control, writer.control),
            (test.network_i, self._network.i),
            (self._network.o, test.network_o),
            (test.o, writer.i),
            (sequences.r_stream, writer.sequence),
            (writer.o, sender.i),
            (sender.o, uart_tx.i),
        ):
            connect(m, source, target)
        asks = writer.control.valid & writer.control.ready
        control = writer.control.payload
        nothing = (sequences.level == 0) & writer.quiet
        # Long before the next request is read.
        starts = Signal()
        m.d.sync += starts.eq(asks & (control.kind == Kind.TEST) & (control.refusal == 0))
        m.d.comb += [
            # While an answer to it is given, a request stays.
            reader.quiet.eq(sequences.level == 0),
            reader.testing.eq(test.testing),
            test.argument.eq(reader.argument),
            test.shift.eq(reader.shift),
            test.start.eq(starts),
            self.busy.eq(test.testing | ~nothing | receiver.o.valid),
            lights.busy.eq(self.busy),
        ]
        status, error = self._status(m, receiver, test)
        m.d.comb += [
            writer.status.eq(status),
            lights.error.eq(error),
            self.alive.eq(lights.alive),
            self.working.eq(lights.working),
            self.failed.eq(lights.failed),
        ]
        return m

    def _status(self, m: Module, receiver: FrameReceiver, test: SelfTest) -> tuple[Value, Value]:
        """The bytes of a status, and whether an error was counted."""
        bits = {name: 8 * size for name, size in STATUS_FIELDS.items()}
        counts = {name: Signal(bits[name], name=name) for name in ("frames", "broken", "overruns")}
        for name, event in (("broken", receiver.broken), ("overruns", receiver.overrun)):
            with m.If(event & ~counts[name].all()):
                m.d.sync += counts[name].eq(counts[name] + 1)
        with m.If(receiver.good):
            m.d.sync += counts["frames"].eq(counts["frames"] + 1)
        with m.If(receiver.reset):
            m.d.sync += [count.eq(0) for count in counts.values()]
        error = Signal()
        m.d.sync += error.eq(counts["broken"].any() | counts["overruns"].any())
        values: dict[str, Value] = {
            **counts,
            "testing": test.testing,
            "to_take": test.to_take,
            "to_give": test.to_give,
            "clocks": test.clocks,
            "signature": test.misr,
        }
        parts = []
        for name, width in bits.items():
            part = Signal(width, name=f"status_{name}")
            m.d.comb += part.eq(values[name])
            parts.append(part)
        return Cat(*parts), error


def _filling(port: Port) -> int:
    """Bits of a vector's last beat that mean nothing."""
    return (port.count * port.beats - port.total) * port.lane_bits
