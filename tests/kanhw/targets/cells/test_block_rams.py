"""Block RAMs against memories of plain integers: each mode, and whole memories through Yosys."""

import numpy as np
import pytest

from kanhw.power.mapped import read_netlist
from kanhw.power.simulation import Simulation
from kanhw.targets.cells.batch import bits_of as from_integers
from kanhw.targets.cells.batch import held, integers, packed
from kanhw.targets.cells.cell import Cell
from kanhw.targets.table import cell_kinds_of, target_named
from kanhw.tools.yosys import run_script

COPIES, CLOCKS = 64, 12


def binary(value, width):
    return f"{value:0{width}b}"


def spread(words):
    octets = np.ascontiguousarray(words).view(np.uint8)
    return np.unpackbits(octets, axis=-1, bitorder="little")


def bits_of(values, width):
    """Integers ``[...]`` as bits ``[width, ...]``."""
    return np.stack([(values >> k) & 1 for k in range(width)]).astype(np.uint8)


class Stimulus:
    """Random inputs of a kind, some of them held or put together of integers."""

    def __init__(self, kind, rng):
        self.kind = kind
        self.bits = rng.integers(0, 2, (len(kind.inputs), CLOCKS, COPIES), np.uint8)

    def rows(self, name, count):
        return [self.kind.inputs.index((name, bit)) for bit in range(count)]

    def give(self, name, values, count):
        self.bits[self.rows(name, count)] = bits_of(np.asarray(values), count)

    def numbers(self, name, count):
        weights = (1 << np.arange(count))[:, None, None]
        return (self.bits[self.rows(name, count)].astype(np.int64) * weights).sum(axis=0)


def ran(kind, cell, bits):
    """The outputs before each clock, ``[outputs, clocks, copies]``, in pieces of several clocks."""
    batch = kind.make([cell], COPIES // 64)
    words = packed(bits)[:, None]
    cuts = [batch.run(words[:, :, part]) for part in (slice(0, 7), slice(7, 8), slice(8, None))]
    return spread(np.concatenate(cuts, axis=2)[:, 0])


def test_registers_hold_what_they_took_last():
    rng = np.random.default_rng(0)
    for density in (0.0, 0.1, 0.6, 1.0):
        taken = rng.random((3, 13, 64)) < density
        given = rng.integers(0, 2, (3, 13, 64), np.uint8)
        first = rng.integers(0, 2, (3, 64), np.uint8)
        states, last = held(packed(first), packed(given), packed(taken))
        now = first
        for clock in range(13):
            np.testing.assert_array_equal(spread(states[:, clock]), now)
            now = np.where(taken[:, clock], given[:, clock], now)
        np.testing.assert_array_equal(spread(last), now)


@pytest.mark.parametrize("count", [1, 8, 13, 64])
def test_integers_of_bits_and_back(count):
    bits = np.random.default_rng(0).integers(0, 2, (count, 3, 128), np.uint8)
    words = packed(bits)
    weights = (1 << np.arange(count).astype(object))[:, None, None]
    expected = (bits.astype(object) * weights).sum(axis=0)
    np.testing.assert_array_equal(integers(words, signed=False).view(np.uint64), expected)
    signed = expected - (bits[-1].astype(object) << count)
    found = integers(words, signed=True)
    np.testing.assert_array_equal(found, signed)
    np.testing.assert_array_equal(from_integers(found, count), words)


AMD = {
    "xcup": ("DIN{}DIN", "DINP{}DINP", "DOUT{}DOUT", "DOUTP{}DOUTP", "E2"),
    "xc7": ("DI{}DI", "DIP{}DIP", "DO{}DO", "DOP{}DOP", "E1"),
}


def lanes(among, data, parity, letters, size):
    """Places of the bytes of some ports, each with its parity bit on top."""
    ports = [
        (parity.format(one), byte) if bit == 8 else (data.format(one), 8 * byte + bit)
        for one in letters
        for byte in range(size)
        for bit in range(9)
    ]
    return [list(among).index(port) for port in ports]


class Bytes:
    """Memories of bytes of 9 bits, one for each copy."""

    def __init__(self, content):
        self.bytes = np.repeat(np.asarray(content, np.int64)[None], COPIES, axis=0)

    def read(self, copy, width, address):
        own = self.bytes[copy]
        if width < 9:
            return int(own[address >> 3]) >> address % 8 // width * width & (1 << width) - 1
        count = width // 9
        start = (address >> 3) // count * count
        return sum(int(own[start + k]) << 9 * k for k in range(count))

    def write(self, copy, width, address, value, strobes):
        own = self.bytes[copy]
        if width < 9:
            if strobes & 1:
                shift = address % 8 // width * width
                kept = int(own[address >> 3]) & ~(((1 << width) - 1) << shift)
                own[address >> 3] = kept | value << shift
            return
        count = width // 9
        for k in range(count):
            if strobes >> k & 1:
                own[(address >> 3) // count * count + k] = value >> 9 * k & 511


def amd_cell(name, size, rng, **parameters):
    """One of random content; its write enables are not constant."""
    content = rng.integers(0, 512, 1024 * size)
    data = "".join(binary(int(one) & 255, 8) for one in content[::-1])
    parity = "".join(str(one >> 8) for one in content[::-1])
    fields = {f"INIT_{k:02X}": data[len(data) - 256 * (k + 1) :][:256] for k in range(32 * size)}
    fields |= {
        f"INITP_{k:02X}": parity[len(parity) - 256 * (k + 1) :][:256] for k in range(4 * size)
    }
    nets = {"WEA": (5,) * size, "WEBWE": (5,) * 2 * size, "ENARDEN": (6,), "ENBWREN": (6,)}
    nets |= {"RSTRAMARSTRAM": (7,), "RSTRAMB": (7,)}
    return Cell("u", name, fields | parameters, nets), content


PORTS = [
    # Of port A and port B: widths of reads and writes; modes.
    ("xcup", 2, (9, 9), (18, 4), ("READ_FIRST", "NO_CHANGE")),
    ("xcup", 2, (1, 2), (9, 18), ("WRITE_FIRST", "READ_FIRST")),
    ("xcup", 4, (36, 36), (9, 0), ("WRITE_FIRST", "WRITE_FIRST")),
    ("xcup", 4, (4, 36), (18, 18), ("NO_CHANGE", "WRITE_FIRST")),
    ("xcup", 2, (36, 0), (0, 36), ("READ_FIRST", "READ_FIRST")),
    ("xcup", 4, (72, 0), (0, 36), ("WRITE_FIRST", "WRITE_FIRST")),
    ("xc7", 2, (18, 9), (2, 2), ("READ_FIRST", "WRITE_FIRST")),
    ("xc7", 4, (9, 0), (0, 72), ("READ_FIRST", "READ_FIRST")),
]


@pytest.mark.some(3)
@pytest.mark.parametrize("target, size, one, other, modes", PORTS)
@pytest.mark.parametrize("few", [False, True], ids=["any address", "one address a clock"])
def test_block_rams_of_amd(target, size, one, other, modes, few):
    rng = np.random.default_rng(size + len(modes[0]))
    *names, suffix = AMD[target]
    kind = cell_kinds_of(target)[f"RAMB{9 * size}{suffix}"]
    widths = {"A": one, "B": other}
    fields = {f"READ_WIDTH_{port}": binary(own[0], 32) for port, own in widths.items()}
    fields |= {f"WRITE_WIDTH_{port}": binary(own[1], 32) for port, own in widths.items()}
    fields |= {f"WRITE_MODE_{port}": mode for port, mode in zip("AB", modes, strict=True)}
    fields |= {f"SRVAL_{port}": "1" * 36 for port in "AB"}
    cell, content = amd_cell(f"RAMB{9 * size}{suffix}", size, rng, **fields)
    given = Stimulus(kind, rng)
    bits = 14 if size == 2 else 15
    # Few addresses, so that what was written is read; never both ports at one word.
    shape = (CLOCKS, 1 if few else COPIES)
    addresses = {
        "A": np.broadcast_to(rng.integers(0, 512, shape), (CLOCKS, COPIES)),
        "B": np.broadcast_to(rng.integers(0, 512, shape) + 512, (CLOCKS, COPIES)),
    }
    if not one[1]:  # What B writes A reads.
        addresses["A"] = addresses["A"] + 512
    given.give("ADDRARDADDR", addresses["A"], bits)
    given.give("ADDRBWRADDR", addresses["B"], bits)
    given.bits[given.rows("RSTRAMARSTRAM", 1)] &= rng.random((CLOCKS, COPIES)) < 0.2
    found = ran(kind, cell, given.bits)

    model = AmdModel(kind, size, names, widths, dict(zip("AB", modes, strict=True)), content)
    for clock in range(CLOCKS):
        for port, (reads, _) in widths.items():
            places = model.outputs(port)
            seen = (found[places, clock].astype(object).T << np.arange(reads)).sum(axis=1)
            np.testing.assert_array_equal(seen, model.state[port], f"port {port}, clock {clock}")
        for copy in range(COPIES):
            model.clock(given, addresses, clock, copy)


CONTROLS = {"A": ("ENARDEN", "RSTRAMARSTRAM", "WEA"), "B": ("ENBWREN", "RSTRAMB", "WEBWE")}


class AmdModel:
    """Two ports, by their letters, of memories of bytes."""

    def __init__(self, kind, size, names, widths, modes, content):
        self.kind, self.size, self.names = kind, size, names
        self.widths, self.modes = widths, modes
        self.memory = Bytes(content)
        self.state = {port: np.zeros(COPIES, object) for port in "AB"}

    def letters(self, port, width):
        return "AB" if width > 9 * self.size else port

    def outputs(self, port):
        reads = self.widths[port][0]
        letters = self.letters(port, reads)
        return lanes(self.kind.outputs, *self.names[2:], letters, self.size)[:reads]

    def inputs(self, port):
        writes = self.widths[port][1]
        letters = self.letters(port, writes)
        return lanes(self.kind.inputs, *self.names[:2], letters, self.size)[:writes]

    def clock(self, given, addresses, clock, copy):
        """One edge in one copy."""
        where = {port: int(own[clock, copy]) for port, own in addresses.items()}
        before = {
            port: self.memory.read(copy, own[0], where[port]) if own[0] else 0
            for port, own in self.widths.items()
        }
        for port, (reads, writes) in self.widths.items():
            enable, reset, strobe = CONTROLS[port]
            if not given.numbers(enable, 1)[clock, copy]:
                continue
            strobes = int(given.numbers(strobe, max(writes // 9, 1))[clock, copy]) if writes else 0
            if strobes:
                bits = given.bits[self.inputs(port), clock, copy]
                value = sum(int(bit) << k for k, bit in enumerate(bits))
                self.memory.write(copy, writes, where[port], value, strobes)
            mode = self.modes[port] if strobes else "READ_FIRST"
            if not reads:
                continue
            if given.numbers(reset, 1)[clock, copy]:
                self.state[port][copy] = (1 << reads) - 1
            elif mode == "READ_FIRST":
                self.state[port][copy] = before[port]
            elif mode == "WRITE_FIRST":
                self.state[port][copy] = self.memory.read(copy, reads, where[port])


@pytest.mark.some(4)
@pytest.mark.parametrize("reads, writes", [(0, 3), (1, 0), (2, 2), (3, 1), (0, 0), (3, 3), (1, 2)])
def test_block_rams_of_ice40(reads, writes):
    rng = np.random.default_rng(reads)
    kind = cell_kinds_of("ice40")["SB_RAM40_4K"]
    content = rng.integers(0, 1 << 16, 256)
    text = "".join(binary(int(row), 16) for row in content[::-1])
    fields = {f"INIT_{k:X}": text[4096 - 256 * (k + 1) :][:256] for k in range(16)}
    fields |= {"READ_MODE": binary(reads, 32), "WRITE_MODE": binary(writes, 32)}
    nets = {"WE": (5,), "WCLKE": (6,), "RE": (7,), "RCLKE": (8,)}
    given = Stimulus(kind, rng)
    for name in ("RADDR", "WADDR"):
        # Few rows, so that what was written is read.
        rows = given.rows(name, 11)
        given.bits[rows[2:8]] = 0
    found = ran(kind, Cell("u", "SB_RAM40_4K", fields, nets), given.bits)

    def lines(mode, address):
        """Bits of a row and lines of data of a narrow word."""
        apart, first = 1 << mode, (0, 0, 1, 3)[mode]
        part = address >> 8 & apart - 1
        return [(apart * k + part, apart * k + first) for k in range(16 // apart)]

    for copy in range(COPIES):
        memory, state = [int(row) for row in content], 0
        for clock in range(CLOCKS):
            assert sum(int(b) << k for k, b in enumerate(found[:, clock, copy])) == state

            def value(name, count=1, clock=clock, copy=copy):
                return int(given.numbers(name, count)[clock, copy])

            before = memory[value("RADDR", 11) & 255]
            if value("WE") and value("WCLKE"):
                for bit, line in lines(writes, where := value("WADDR", 11)):
                    if writes or not value("MASK", 16) >> line & 1:
                        kept = memory[where & 255] & ~(1 << bit)
                        memory[where & 255] = kept | (value("WDATA", 16) >> line & 1) << bit
            if value("RE") and value("RCLKE"):
                own = lines(reads, value("RADDR", 11))
                state = sum((before >> bit & 1) << line for bit, line in own)


# Memories that are written, whose widths and depths need different modes of block RAMs: bytes and
# narrow words, words of other widths at the two ports, what a port reads while it writes, a reset.
MEMORIES = """
module memories(
    input clk, input [8:0] a, b, input we, re, clear, input [3:0] be, input [35:0] d,
    output reg [7:0] plain, output reg [35:0] bytes, output reg [1:0] deep,
    output reg [8:0] first, through, kept, cleared, output reg [15:0] wide
);
    (* ram_style = "block" *) reg [7:0] m0 [0:63];
    (* ram_style = "block" *) reg [35:0] m1 [0:63];
    (* ram_style = "block" *) reg [1:0] m2 [0:511];
    (* ram_style = "block" *) reg [8:0] m3 [0:63], m4 [0:63], m5 [0:63], m7 [0:63];
    (* ram_style = "block" *) reg [3:0] m6 [0:255];
    integer i;
    initial for (i = 0; i < 64; i = i + 1) begin m0[i] = 3 * i; m1[i] = i * 64'h12345; end
    initial cleared = 9'h11c;
    always @(posedge clk) begin
        if (we) m0[a[5:0]] <= d[7:0];
        if (re) plain <= m0[b[5:0]];
        for (i = 0; i < 4; i = i + 1) if (we && be[i]) m1[a[5:0]][9*i +: 9] <= d[9*i +: 9];
        bytes <= m1[b[5:0]];
        if (we) m2[a] <= d[1:0];
        deep <= m2[b];
        // What a port that writes reads at the same edge: the old word, the new one, nothing.
        if (re) begin
            if (we) m3[a[5:0]] <= d[8:0];
            first <= m3[a[5:0]];
            if (we) m4[a[5:0]] <= d[8:0];
            through <= we ? d[8:0] : m4[a[5:0]];
            if (we) m5[a[5:0]] <= d[8:0]; else kept <= m5[a[5:0]];
        end
        if (we) m6[a[7:0]] <= d[3:0];
        wide <= {m6[{b[5:0], 2'd3}], m6[{b[5:0], 2'd2}], m6[{b[5:0], 2'd1}], m6[{b[5:0], 2'd0}]};
        if (we) m7[a[5:0]] <= d[8:0];
        if (clear) cleared <= 9'h0a5; else if (re) cleared <= m7[b[5:0]];
    end
endmodule
"""
INPUTS = {"a": 9, "b": 9, "we": 1, "re": 1, "clear": 1, "be": 4, "d": 36}
OUTPUTS = ("plain", "bytes", "deep", "first", "through", "kept", "wide", "cleared")


class Memories:
    """What the Verilog says, in one copy."""

    def __init__(self):
        self.m = [[3 * i & 255 for i in range(64)], [i * 0x12345 for i in range(64)], [0] * 512]
        self.m += [[0] * 64, [0] * 64, [0] * 64, [0] * 256, [0] * 64]
        self.out = dict.fromkeys(OUTPUTS, 0) | {"cleared": 0x11C}

    def clock(self, a, b, we, re, clear, be, d):
        m, out, x, y = self.m, self.out, a & 63, b & 63
        out |= {"bytes": m[1][y], "deep": m[2][b]}
        out["wide"] = sum(m[6][4 * y + k] << 4 * k for k in range(4))
        if re:
            out |= {"plain": m[0][y], "first": m[3][x], "through": d & 511 if we else m[4][x]}
            out["kept"] = out["kept"] if we else m[5][x]
            out["cleared"] = m[7][y]
        if clear:
            out["cleared"] = 0x0A5
        if we:
            m[0][x], m[2][a], m[6][a & 255], m[7][x] = d & 255, d & 3, d & 15, d & 511
            mask = sum(511 << 9 * k for k in range(4) if be >> k & 1)
            m[1][x] = m[1][x] & ~mask | d & mask
            if re:
                m[3][x] = m[4][x] = m[5][x] = d & 511


@pytest.mark.some(1)
@pytest.mark.parametrize("target", ["ecp5", "ice40", "xcup", "xc7"])
def test_memories_are_what_their_verilog_says(target, tmp_path):
    family = target_named(target)
    (tmp_path / "memories.v").write_text(MEMORIES)
    script = family.script(next(iter(family.recipes)), "memories")
    run_script(f"read_verilog memories.v\n{script}write_json n.json\n", tmp_path)
    netlist = read_netlist(tmp_path / "n.json", "memories")
    blocks = [one for one in netlist.cells if cell_kinds_of(target)[one.kind].part == "bram"]
    assert len(blocks) >= 8
    simulation = Simulation(netlist, cell_kinds_of(target), 1, target)
    rng = np.random.default_rng(1)
    copies = [Memories() for _ in range(COPIES)]
    for clock in range(40):
        # Half of the reads are of what was just written.
        given = {name: rng.integers(0, 1 << width, COPIES) for name, width in INPUTS.items()}
        given["a"] &= 0x10F
        given["b"] = np.where(rng.random(COPIES) < 0.5, given["a"] ^ 1, given["b"] & 0x10F)
        for name, values in given.items():
            simulation.give(name, packed(bits_of(values, INPUTS[name])))
        simulation.run(1)
        for name in OUTPUTS:
            bits = spread(simulation.port(name)[:, 0]).astype(object)
            found = (bits << np.arange(len(bits))[:, None]).sum(axis=0)
            expected = [copy.out[name] for copy in copies]
            np.testing.assert_array_equal(found, expected, f"{name}, clock {clock}")
        for k, copy in enumerate(copies):
            copy.clock(**{name: int(values[k]) for name, values in given.items()})
