"""An AXI4-Lite slave through which heads are written."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.heads.head_map import DATA_BITS, HeadMap

__all__ = ["IDENTITY", "REGISTERS", "VERSION", "AxiLiteHeads", "axi_lite_members"]

# "KANH", and the version of this map of registers.
IDENTITY, VERSION = 0x4B414E48, 1

# Byte offsets.
REGISTERS = {
    "ID": 0x00,
    "VERSION": 0x04,
    "HEADS": 0x08,
    "STATUS": 0x0C,
    "COMMIT": 0x10,
    "WINDOW": 0x14,
    "WINDOW_BYTES": 0x18,
}

_REGISTER_BITS = 6
_OKAY, _SLVERR = 0, 2


class AxiLiteHeads(Component):
    """Registers, and a window to the contents of heads.

    ========== ====== =================================================================
    register   access
    ========== ====== =================================================================
    ID, VERSION read  what this is
    HEADS      read   number of heads
    STATUS     read   bit 0: the spare bank is not free; bit 1: ``flag``
    COMMIT     write  the head that the spare bank becomes; reads as the commits so far
    WINDOW     read   byte offset of the window
    WINDOW_BYTES read its size
    ========== ====== =================================================================

    The window takes whole words: address a of :class:`~kanhw.gateware.heads.head_map.HeadMap` is 4
    a bytes from its start. Whatever is not there, cannot be read or written, or comes while the
    spare bank is not free, is answered with SLVERR and changes nothing; so is a word of which only
    some bytes are written. A write of no bytes is nothing. Of COMMIT, bytes that are not written
    are 0. The two lowest address bits are not read.

    Parameters
    ----------
    map
        What is in the window.
    heads
        How many there are.

    Members
    -------
    s_axi_* :
        AXI4-Lite with 32 bits of data.
    write : Out(stream of a struct): ``address``, ``data``; hit, busy : In(1)
    commit : Out(stream of a head)
        See :class:`~kanhw.gateware.heads.head_stream.HeadStream`, whose ``write`` and ``commit``
        are ready whenever it is not ``busy``.
    flag : In(1)
    """

    def __init__(self, map: HeadMap, heads: int) -> None:
        self._heads = heads
        self.window_bits = max(map.address_bits + 2, _REGISTER_BITS)
        self.address_bits = self.window_bits + 1
        entry = data.StructLayout({"address": map.address_bits, "data": DATA_BITS})
        head = unsigned(max((heads - 1).bit_length(), 1))
        super().__init__(
            {
                **axi_lite_members(self.address_bits),
                "write": Out(stream.Signature(entry)),
                "commit": Out(stream.Signature(head)),
                "hit": In(1),
                "busy": In(1),
                "flag": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The two directions, which know nothing of each other."""
        m = Module()
        commits = Signal(32)
        self._writes(m, commits)
        self._reads(m, commits)
        return m

    def _writes(self, m: Module, commits: Signal) -> None:
        """Address and data wait for each other; then the answer is given."""
        # AXI lets address and data come in either order: each has a register, which is not ready
        # again until the write is done. The write happens (`acts`) with both there and the
        # channel of answers free.
        address, word = Signal(self.address_bits), Signal(DATA_BITS)
        strobes, has_address, has_word = Signal(4), Signal(), Signal()
        acts, good = Signal(), Signal()
        m.d.comb += [
            self.s_axi_awready.eq(~has_address),
            self.s_axi_wready.eq(~has_word),
            acts.eq(has_address & has_word & (~self.s_axi_bvalid | self.s_axi_bready)),
        ]
        with m.If(self.s_axi_awvalid & self.s_axi_awready):
            m.d.sync += [address.eq(self.s_axi_awaddr), has_address.eq(1)]
        with m.If(self.s_axi_wvalid & self.s_axi_wready):
            m.d.sync += [
                word.eq(self.s_axi_wdata),
                strobes.eq(self.s_axi_wstrb),
                has_word.eq(1),
            ]
        with m.If(self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(acts):
            m.d.sync += [
                has_address.eq(0),
                has_word.eq(0),
                self.s_axi_bvalid.eq(1),
                self.s_axi_bresp.eq(Mux(good, _OKAY, _SLVERR)),
            ]
        # The upper half of the addresses is the window, behind which are the memories of heads; the
        # lower half has the registers, of which only COMMIT is written.
        in_window, place = address[-1], address[2 : self.window_bits]
        index = self.write.payload.address
        # A window smaller than the registers has nothing above its last address.
        inside = place[len(index) :] == 0
        written = Cat(strobe.replicate(8) for strobe in strobes) & word
        is_commit = ~in_window & (place == REGISTERS["COMMIT"] >> 2)
        m.d.comb += [index.eq(place), self.write.payload.data.eq(word)]
        m.d.comb += self.commit.payload.eq(written)
        # A write of no bytes changes nothing, and is answered by whether there is something.
        with m.If(strobes == 0):
            m.d.comb += good.eq(in_window & self.hit & inside | is_commit)
        with m.Elif(in_window):
            m.d.comb += [
                good.eq(self.hit & inside & ~self.busy & strobes.all()),
                self.write.valid.eq(acts & good),
            ]
        with m.Elif(is_commit):
            m.d.comb += [
                good.eq((written < self._heads) & ~self.busy),
                self.commit.valid.eq(acts & good),
            ]
            with m.If(self.commit.valid):
                m.d.sync += commits.eq(commits + 1)

    def _reads(self, m: Module, commits: Value) -> None:
        """An address at a time."""
        m.d.comb += self.s_axi_arready.eq(~self.s_axi_rvalid)
        with m.If(self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
        values: dict[str, Value | int] = {
            "ID": IDENTITY,
            "VERSION": VERSION,
            "HEADS": self._heads,
            "STATUS": Cat(self.busy, self.flag),
            "COMMIT": commits,
            "WINDOW": 1 << self.window_bits,
            "WINDOW_BYTES": 1 << self.window_bits,
        }
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [
                self.s_axi_rvalid.eq(1),
                self.s_axi_rdata.eq(0),
                self.s_axi_rresp.eq(_SLVERR),
            ]
            for name, value in values.items():
                with m.If(self.s_axi_araddr[2:] == REGISTERS[name] >> 2):
                    m.d.sync += [self.s_axi_rdata.eq(value), self.s_axi_rresp.eq(_OKAY)]


def axi_lite_members(address_bits: int) -> dict[str, In | Out]:
    """The signals of a slave with 32 bits of data; protection is not looked at."""
    word, strobes, response = unsigned(DATA_BITS), unsigned(DATA_BITS // 8), unsigned(2)
    address, protection = unsigned(address_bits), unsigned(3)
    return {
        "s_axi_awaddr": In(address),
        "s_axi_awprot": In(protection),
        "s_axi_awvalid": In(1),
        "s_axi_awready": Out(1),
        "s_axi_wdata": In(word),
        "s_axi_wstrb": In(strobes),
        "s_axi_wvalid": In(1),
        "s_axi_wready": Out(1),
        "s_axi_bresp": Out(response),
        "s_axi_bvalid": Out(1),
        "s_axi_bready": In(1),
        "s_axi_araddr": In(address),
        "s_axi_arprot": In(protection),
        "s_axi_arvalid": In(1),
        "s_axi_arready": Out(1),
        "s_axi_rdata": Out(word),
        "s_axi_rresp": Out(response),
        "s_axi_rvalid": Out(1),
        "s_axi_rready": In(1),
    }
