"""The words at the ports of a design: codes in lanes of whole bytes, the head above them."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.design.design import Port
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.hls.cpp.types import Types
from kanhw.schedule.transfer import Transfer

__all__ = ["Word", "port_of"]

# The widest AXI4-Stream that the tools make.
_WIDEST = 4096


@dataclass(frozen=True)
class Word:
    """A word of a port, as C++ types and the functions that read and write it.

    Parameters
    ----------
    side
        ``input`` or ``output``.
    port
        What it holds.
    code
        The type of a code.
    """

    side: str
    port: Port
    code: str

    @property
    def name(self) -> str:
        """Of its type."""
        return f"{self.side}_word"

    @property
    def bits(self) -> int:
        """Bits of the word, whole bytes."""
        return -(-self.port.width // 8) * 8

    def text(self, *, native: bool) -> str:
        """Its type, and functions for a code and the head of a word."""
        if native:
            return (
                f"struct {self.name} {{\n    int64_t lanes[{self.port.count}];\n"
                "    int head;\n};\n"
                f"inline {self.code} {self.side}_code(const {self.name} &word, int lane) {{\n"
                f"    return ({self.code})word.lanes[lane];\n}}\n"
                f"inline void set_{self.side}_code({self.name} &word, int lane, "
                f"{self.code} code) {{\n"
                "    word.lanes[lane] = code;\n}\n" + self._heads(native=True)
            )
        lane = self.port.lane_bits
        sign = "" if self.port.format.signed else "u"
        return (
            f"typedef ap_uint<{self.bits}> {self.name};\n"
            f"inline {self.code} {self.side}_code(const {self.name} &word, int lane) {{\n"
            f"    return {self.code}(word.range(lane * {lane} + {self.port.format.width - 1}, "
            f"lane * {lane}));\n}}\n"
            f"inline void set_{self.side}_code({self.name} &word, int lane, "
            f"{self.code} code) {{\n"
            f"    const ap_{sign}int<{lane}> extended = code;\n"
            f"    word.range(lane * {lane} + {lane - 1}, lane * {lane}) = extended;\n}}\n"
            + self._heads(native=False)
        )

    def _heads(self, *, native: bool) -> str:
        if not self.port.head_bits:
            return ""
        low, bits = self.port.data_width, self.port.head_bits
        get = "word.head" if native else f"word.range({low + bits - 1}, {low}).to_int()"
        put = "word.head" if native else f"word.range({low + bits - 1}, {low})"
        value = "head" if native else f"ap_uint<{bits}>(head)"
        return (
            f"inline int {self.side}_head(const {self.name} &word) {{\n    return {get};\n}}\n"
            f"inline void set_{self.side}_head({self.name} &word, int head) {{\n"
            f"    {put} = {value};\n}}\n"
        )


def port_of(side: str, transfer: Transfer, form: CodeFormat, types: Types, heads: int = 1) -> Word:
    """The words in which a transfer passes a port.

    Raises
    ------
    InputError
        If they are wider than AXI4-Stream can be.
    """
    lane = -(-form.width // 8) * 8
    port = Port(transfer.count, form, transfer.beats, transfer.length, lane, heads)
    if port.width > _WIDEST:
        raise InputError(
            f"A beat of {transfer.count} codes of {form.width} bits needs {port.width} bits, but "
            f"an AXI4-Stream of HLS has at most {_WIDEST}: use the folded schedule with fewer "
            "parallel inputs and outputs (--schedule folded --parallel-inputs N)"
        )
    return Word(side, port, types.of(form))
