"""A testbench in plain Verilog, with the words that go in and those that must come out.

It needs nothing but a simulator: run in the design's folder it reads ``in.hex`` and
``expected.hex``, prints a line that begins with ``PASS`` or ``FAIL``, and ends with a status other
than 0 if it failed.
"""

from __future__ import annotations

import numpy.typing as npt

from kanhw.design.design import Design, Port
from kanhw.design.packing import pack_codes, payload_ints
from kanhw.design.testbench_text import BARE, HANDSHAKE
from kanhw.formats import IntArray

__all__ = ["EXPECTED_FILE", "INPUT_FILE", "testbench_files"]

INPUT_FILE, EXPECTED_FILE = "in.hex", "expected.hex"


def testbench_files(
    design: Design, codes: IntArray, outputs: IntArray, heads: npt.ArrayLike | None = None
) -> dict[str, bytes]:
    """The testbench and its words, by file name.

    Parameters
    ----------
    design
        What is tested.
    codes
        ``[N, n_in]``: what goes in, N at least 1.
    outputs
        ``[N, n_out]``: what the Program makes of it.
    heads
        ``[N]``: which head each vector is for; None is head 0.
    """
    words = pack_codes(codes, design.input, heads), pack_codes(outputs, design.output)
    given, expected = (payload_ints(own) for own in words)
    return {
        f"{design.top}_tb.v": _text(design, len(codes)).encode(),
        INPUT_FILE: _hex(given, design.input),
        EXPECTED_FILE: _hex(expected, design.output),
    }


def _hex(words: list[int], port: Port) -> bytes:
    """A word a line, the first code in its lowest bits."""
    digits = -(-port.width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words).encode()


def _text(design: Design, vectors: int) -> str:
    template = HANDSHAKE if design.schedule.handshake else BARE
    return template.format(
        top=design.top,
        vectors=vectors,
        in_width=design.input.width,
        out_width=design.output.width,
        in_words=vectors * design.input.beats,
        out_words=vectors * design.output.beats,
        beats=design.output.beats,
        mask=f"{design.output.width}'h{_mask(design.output):x}",
        latency=design.latency_cycles,
        patience=4 * (design.latency_cycles + design.initiation_interval) + 1000,
        reset_level=design.wires.reset_level,
        idle_level=1 - design.wires.reset_level,
        ports=",\n".join(f"    .{name}({value})" for name, value in _ports(design)),
        input_file=INPUT_FILE,
        expected_file=EXPECTED_FILE,
    )


def _mask(port: Port) -> int:
    """Which bits of a vector's last beat mean something."""
    codes = port.total - (port.beats - 1) * port.count if port.length is not None else port.count
    return (1 << codes * port.lane_bits) - 1


def _ports(design: Design) -> list[tuple[str, str]]:
    """What every port of the design is connected with."""
    wires, data = design.wires, design.input.data_width
    if not design.schedule.handshake:
        clock = [] if design.latency_cycles == 0 else [(wires.clock, "clk")]
        return [*clock, (wires.input.data, "i_word"), (wires.output.data, "o_word")]
    ports = [(wires.clock, "clk"), (wires.reset, "rst")]
    if wires.input.user:
        ports.append((wires.input.data, f"i_word[{data - 1}:0]"))
        ports.append((wires.input.user, f"i_word[{design.input.width - 1}:{data}]"))
    else:
        ports.append((wires.input.data, "i_word"))
    ports += [(wires.input.valid, "i_valid"), (wires.input.ready, "i_ready")]
    ports += [(wires.output.data, "o_word"), (wires.output.valid, "o_valid")]
    ports.append((wires.output.ready, "o_ready"))
    if wires.input.last:
        # Beats are counted from reset: what marks the last one may be left low.
        ports += [(wires.input.last, "1'b0"), (wires.output.last, "")]
    return ports + [(name, "0") for name in wires.control] + [(name, "") for name in wires.answers]
