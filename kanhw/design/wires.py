"""The names of the signals at the edge of a design, and the polarity of its reset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kanhw.errors import InputError
from kanhw.values import meant

__all__ = [
    "AXI4_STREAM",
    "INTERFACES",
    "STREAM",
    "StreamWires",
    "Wires",
    "lane_bits",
    "wires_of",
]

STREAM, AXI4_STREAM = "stream", "axi4-stream"
INTERFACES = (STREAM, AXI4_STREAM)


_AXI_LITE_IN: tuple[str, ...] = tuple(
    f"s_axi_{name}"
    for name in (
        *("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready"),
        *("araddr", "arprot", "arvalid", "rready"),
    )
)
_AXI_LITE_OUT: tuple[str, ...] = tuple(
    f"s_axi_{name}"
    for name in ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid")
)
_STREAM_WRITES: tuple[tuple[str, ...], tuple[str, ...]] = (
    ("write__payload", "write__valid", "commit__payload", "commit__valid"),
    ("write__ready", "commit__ready", "busy", "hit"),
)


@dataclass(frozen=True)
class StreamWires:
    """The signals of one stream; an empty name is a signal that there is not.

    Parameters
    ----------
    data, valid, ready
        A transfer happens at a clock edge where valid and ready are high.
    last
        Marks the last beat of a vector or image.
    user
        The head of a vector. Where there is no such signal the head is in the upper bits of data.
    """

    data: str
    valid: str = ""
    ready: str = ""
    last: str = ""
    user: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The signals that there are."""
        return tuple(name for name in asdict(self).values() if name)


@dataclass(frozen=True)
class Wires:
    """The signals of a design.

    Parameters
    ----------
    clock, reset
        Without a handshake there is no reset.
    reset_level
        The level that resets.
    input, output
        The two streams.
    control
        Inputs through which heads are written; low where none are.
    answers
        Outputs that belong to these, and flags.
    """

    clock: str
    reset: str
    reset_level: int
    input: StreamWires
    output: StreamWires
    control: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All signals."""
        own = [name for name in (self.clock, self.reset) if name]
        return (*own, *self.input.names, *self.output.names, *self.control, *self.answers)

    def to_json(self) -> dict[str, Any]:
        """The signals as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Wires:
        """The inverse of :meth:`to_json`."""
        streams = {side: StreamWires(**data[side]) for side in ("input", "output")}
        others = {side: tuple(data[side]) for side in ("control", "answers")}
        return cls(**{**data, **streams, **others})


def lane_bits(width: int) -> int:
    """Bits of a code's lane in AXI4-Stream: 1, 2, 4, 8 ... bytes that hold ``width`` bits."""
    return 8 << (-(-width // 8) - 1).bit_length()


def wires_of(
    interface: str, *, handshake: bool = True, heads: bool = False, writable: bool = False
) -> Wires:
    """The signals of a design of an interface.

    Parameters
    ----------
    interface
        One of ``INTERFACES``.
    handshake
        Whether there are valid and ready.
    heads
        Whether every vector says which head it is for.
    writable
        Whether heads can be written.

    Raises
    ------
    InputError
        If there is no such interface, or none without a handshake.
    """
    if interface not in INTERFACES:
        raise InputError(
            f"Unknown interface {interface!r}: this version knows "
            f"{' and '.join(map(repr, INTERFACES))}{meant(interface, INTERFACES)}"
        )
    if interface == AXI4_STREAM:
        if not handshake:
            raise InputError(
                "AXI4-Stream is a handshake: use handshake=True, or interface='stream'"
            )
        inputs = _axi_stream("s_axis", user="s_axis_tuser" if heads else "")
        outputs = _axi_stream("m_axis")
        control, answers = (_AXI_LITE_IN, _AXI_LITE_OUT) if writable else ((), ())
        return Wires("aclk", "aresetn", 0, inputs, outputs, control, (*answers, "tlast_error"))
    if not handshake:
        return Wires("clk", "", 1, StreamWires("i__payload"), StreamWires("o__payload"))
    control, answers = _STREAM_WRITES if writable else ((), ())
    return Wires("clk", "rst", 1, _stream("i"), _stream("o"), control, answers)


def _axi_stream(name: str, user: str = "") -> StreamWires:
    return StreamWires(f"{name}_tdata", f"{name}_tvalid", f"{name}_tready", f"{name}_tlast", user)


def _stream(name: str) -> StreamWires:
    return StreamWires(f"{name}__payload", f"{name}__valid", f"{name}__ready")
