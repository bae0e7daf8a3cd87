"""The top of a board for a Program."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from kanhw.boards.link.link_top import LinkTop, vector_bytes, window_of
from kanhw.boards.link.uart import checked_divisor
from kanhw.boards.protocol.messages import IDENTITY_BYTES, VERSION, Identity
from kanhw.design.design import Port
from kanhw.errors import InputError
from kanhw.gateware.top.stream_top import StreamTop, ports_of
from kanhw.program import Program, program_bytes
from kanhw.schedule.schedule import Schedule

__all__ = ["LinkedNetwork", "identity_of", "linked_network"]

# A receiver samples in the middle of ten bits, so it can be half a bit off after nine and a half;
# half of that is the other end's, and cables take some.
_MOST_OFF = 0.02


@dataclass(frozen=True)
class LinkedNetwork:
    """A Program's network with its link.

    Parameters
    ----------
    top
        What is put on the board.
    input, output
        The network's payloads.
    latency_cycles, initiation_interval
        Of the network, in clocks.
    identity
        What it says of itself.
    divisor
        Clocks of a bit of the UART.
    """

    top: LinkTop
    input: Port
    output: Port
    latency_cycles: int
    initiation_interval: int
    identity: Identity
    divisor: int


def identity_of(program: Program, schedule: Schedule) -> bytes:
    """16 bytes that say which Program, under which schedule, speaking which protocol."""
    described = json.dumps([VERSION, schedule.to_json()], sort_keys=True).encode()
    return hashlib.sha256(described + program_bytes(program)).digest()[:IDENTITY_BYTES]


def linked_network(
    program: Program, schedule: Schedule, *, clock_hz: int, baud: int
) -> LinkedNetwork:
    """Put a Program behind a UART.

    Parameters
    ----------
    program, schedule
        As for :func:`kanhw.generate`.
    clock_hz
        Of the network and the link.
    baud
        Bits a second of the UART.

    Raises
    ------
    InputError
        If the clock makes no such rate, there is no hardware for a layer, or the link cannot serve
        it: without a handshake, with heads that are written, or vectors longer than a frame.
    """
    if not schedule.handshake:
        raise InputError(
            "A board needs a design with a handshake: generate it without --no-handshake"
        )
    if program.writable:
        raise InputError(
            "The link does not write heads: put the network on a board with writable=False, or use "
            "AXI4-Lite"
        )
    divisor = checked_divisor(round(clock_hz / baud))
    off = abs(clock_hz / divisor / baud - 1)
    if off > _MOST_OFF:
        raise InputError(
            f"A clock of {clock_hz / 1e6:g} MHz makes {clock_hz / divisor:.0f} baud, which is "
            f"{100 * off:.1f} % off {baud}: choose another --baud, such as {clock_hz // divisor}"
        )
    network = StreamTop(program, schedule)
    ports = ports_of(network, program)
    taken, given = (vector_bytes(port) for port in ports)
    identity = Identity(identity_of(program, schedule), window_of(taken), taken, given, clock_hz)
    return LinkedNetwork(
        LinkTop(network, ports, identity, divisor),
        *ports,
        network.latency,
        network.initiation_interval,
        identity,
        divisor,
    )
