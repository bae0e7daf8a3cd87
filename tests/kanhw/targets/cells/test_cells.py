"""What cells compute, against integers: 64 random cases beside each other in a word."""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.targets.cells.batch import Batch, packed
from kanhw.targets.cells.cell import HIGH, LOW, Cell
from kanhw.targets.table import TARGETS, cell_kinds_of

XCUP, ECP5, ICE40 = (cell_kinds_of(name) for name in ("xcup", "ecp5", "ice40"))


def cell(kind, /, ports=None, **parameters):
    return Cell("u", kind, {name: str(value) for name, value in parameters.items()}, ports or {})


def random_bits(rng, count):
    return rng.integers(0, 2, (count, 64))


def words(bits):
    """``[inputs, 64]`` as ``[inputs, 1, 1]``."""
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view("<u8")[:, None]


def unpacked(found):
    octets = np.ascontiguousarray(found[:, 0]).view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little")


def numbers(bits):
    return (bits.astype(object) * (1 << np.arange(len(bits)).astype(object))[:, None]).sum(axis=0)


def value(text):
    return int(text, 2)


LUTS = [(XCUP, f"LUT{k}", "INIT", k) for k in range(1, 7)]
LUTS += [(ECP5, "LUT4", "INIT", 4), (ICE40, "SB_LUT4", "LUT_INIT", 4)]


@pytest.mark.parametrize("kinds, name, parameter, size", LUTS)
def test_look_up_tables(kinds, name, parameter, size):
    rng = np.random.default_rng(size)
    text = "".join(map(str, rng.integers(0, 2, 1 << size)))
    kind = kinds[name]
    assert len(kind.inputs) == size
    bits = random_bits(rng, size)
    found = unpacked(kind.make([cell(name, **{parameter: text})], 1).outputs(words(bits)))
    expected = [value(text) >> int(address) & 1 for address in numbers(bits)]
    np.testing.assert_array_equal(found[0], expected)


def test_two_tables_in_one():
    rng = np.random.default_rng(0)
    text = "".join(map(str, rng.integers(0, 2, 64)))
    bits = random_bits(rng, 6)
    kind = XCUP["LUT6_2"]
    whole, low = unpacked(kind.make([cell("LUT6_2", INIT=text)], 1).outputs(words(bits)))
    assert [port for port, _ in kind.outputs] == ["O6", "O5"]
    addresses = numbers(bits)
    np.testing.assert_array_equal(whole, [value(text) >> int(a) & 1 for a in addresses])
    np.testing.assert_array_equal(low, [value(text) >> int(a & 31) & 1 for a in addresses])


@pytest.mark.parametrize("name, width", [("CARRY4", 4), ("CARRY8", 8)])
def test_carry_chains_add(name, width):
    rng = np.random.default_rng(1)
    a, b, carry = random_bits(rng, width), random_bits(rng, width), random_bits(rng, 1)
    kind = XCUP[name]
    rest = np.zeros((len(kind.inputs) - 2 * width - 1, 64), int)
    found = unpacked(kind.make([cell(name)], 1).outputs(words(np.vstack([a ^ b, a, carry, rest]))))
    total = numbers(a) + numbers(b) + carry[0]
    expected = np.array([[int(t) >> k & 1 for t in total] for k in range(width)])
    np.testing.assert_array_equal(found[:width], expected)
    np.testing.assert_array_equal(found[2 * width - 1], [int(t) >> width for t in total])


def test_slices_of_ecp5_add():
    rng = np.random.default_rng(2)
    a, b, carry = random_bits(rng, 2), random_bits(rng, 2), random_bits(rng, 1)
    # Sum of A and B; C and D do not count. The lower half is what carries: A and B both.
    init = "".join(str(k & 1 ^ k >> 1 & 1) for k in reversed(range(16)))
    fields = {"INIT0": init, "INIT1": init, "INJECT1_0": "NO", "INJECT1_1": "NO"}
    zeros = np.zeros((2, 64), int)
    bits = np.vstack([a[:1], b[:1], zeros, a[1:], b[1:], zeros, carry])
    # With A xor B as table, what enters passes where they differ, and the table's own low bits
    # (A xor B, 0 where they are equal) are generated elsewhere: only carries that pass are seen.
    found = unpacked(ECP5["CCU2C"].make([cell("CCU2C", **fields)], 1).outputs(words(bits)))
    spread = a ^ b
    first = spread[0] & carry[0]
    np.testing.assert_array_equal(found[0], spread[0] ^ carry[0])
    np.testing.assert_array_equal(found[1], spread[1] ^ first)
    np.testing.assert_array_equal(found[2], spread[1] & first)


def test_a_carry_of_ice40_is_the_majority():
    bits = random_bits(np.random.default_rng(3), 3)
    found = unpacked(ICE40["SB_CARRY"].make([cell("SB_CARRY")], 1).outputs(words(bits)))
    np.testing.assert_array_equal(found[0], bits.sum(axis=0) >= 2)


FLIP_FLOPS = [
    (XCUP, cell("FDRE", INIT="1"), 1, lambda d, e, r, q: 0 if r else d if e else q),
    (XCUP, cell("FDSE", INIT="0"), 0, lambda d, e, r, q: 1 if r else d if e else q),
    (XCUP, cell("FDRE", IS_R_INVERTED="1"), 0, lambda d, e, r, q: 0 if not r else d if e else q),
    (ICE40, cell("SB_DFF"), 0, lambda d, e, r, q: d),
    (ICE40, cell("SB_DFFE"), 0, lambda d, e, r, q: d if e else q),
    (ICE40, cell("SB_DFFSR"), 0, lambda d, e, r, q: 0 if r else d),
    (ICE40, cell("SB_DFFESS"), 0, lambda d, e, r, q: (1 if r else d) if e else q),
    (ECP5, cell("TRELLIS_FF", REGSET="SET"), 1, lambda d, e, r, q: 1 if r else d if e else q),
    (ECP5, cell("TRELLIS_FF", CEMUX="1"), 0, lambda d, e, r, q: 0 if r else d),
    (ECP5, cell("TRELLIS_FF", CEMUX="INV"), 0, lambda d, e, r, q: 0 if r else q if e else d),
]


@pytest.mark.parametrize(
    "kinds, one, first, then", FLIP_FLOPS, ids=lambda v: getattr(v, "kind", "")
)
def test_flip_flops(kinds, one, first, then):
    rng = np.random.default_rng(4)
    batch = kinds[one.kind].make([one], 1)
    state = np.full(64, first)
    for _ in range(4):
        bits = random_bits(rng, 3)
        if one.kind in ("SB_DFF", "SB_DFFE"):
            bits[2] = 0  # a port that is not there
        np.testing.assert_array_equal(unpacked(batch.outputs(words(bits)))[0], state)
        batch.clock(words(bits))
        state = np.array([then(*row, q) for row, q in zip(bits.T, state, strict=True)])


def test_what_no_design_has_is_refused(monkeypatch):
    with pytest.raises(InputError, match="FDRE u has an inverted clock"):
        XCUP["FDRE"].make([cell("FDRE", IS_C_INVERTED="1")], 1)
    with pytest.raises(InputError, match="TRELLIS_FF u has an inverted clock or an asynchronous"):
        ECP5["TRELLIS_FF"].make([cell("TRELLIS_FF", {"LSR": (5,)}, SRMODE="ASYNC")], 1)
    with pytest.raises(InputError, match="RAMB18E2 u has output registers: not simulated"):
        XCUP["RAMB18E2"].make([cell("RAMB18E2", DOB_REG="1")], 1)
    with pytest.raises(InputError, match="RAMB36E2 u has an inverted clock: not simulated"):
        XCUP["RAMB36E2"].make([cell("RAMB36E2", IS_CLKBWRCLK_INVERTED="1")], 1)
    with pytest.raises(InputError, match="DP16KD u has an asynchronous reset: not simulated"):
        ECP5["DP16KD"].make([cell("DP16KD", {"RSTB": (9,)}, RESETMODE="ASYNC")], 1)
    with pytest.raises(InputError, match="DP16KD u is selected by its CS ports: not simulated"):
        ECP5["DP16KD"].make([cell("DP16KD", {"CSA1": (9,)})], 1)
    with pytest.raises(InputError, match="DSP48E2 u does more than a product"):
        XCUP["DSP48E2"].make([cell("DSP48E2", {"OPMODE": (LOW,) * 9})], 1)
    monkeypatch.setitem(TARGETS, "own", replace(TARGETS["ice40"], name="own", cell_kinds=None))
    message = "The activity of own netlists is not simulated, .*: take xcup, ecp5, ice40"
    with pytest.raises(InputError, match=message):
        cell_kinds_of("own")


def test_shift_registers():
    rng = np.random.default_rng(5)
    batch = XCUP["SRL16E"].make([cell("SRL16E", INIT="0" * 15 + "1")], 1)
    state = np.zeros((16, 64), int)
    state[0] = 1
    for _ in range(6):
        bits = random_bits(rng, 6)
        read, last = unpacked(batch.outputs(words(bits)))
        np.testing.assert_array_equal(read, state[numbers(bits[:4]).astype(int), range(64)])
        np.testing.assert_array_equal(last, state[-1])
        batch.clock(words(bits))
        shifted = np.vstack([bits[4], state[:-1]])
        state = np.where(bits[5], shifted, state)


@pytest.mark.parametrize(
    "kinds, name, columns, address, width",
    [(XCUP, "RAM32M", 4, 5, 2), (XCUP, "RAM64M8", 8, 6, 1), (ECP5, "TRELLIS_DPR16X4", 1, 4, 4)],
)
def test_memories_of_tables(kinds, name, columns, address, width):
    rng = np.random.default_rng(6)
    kind = kinds[name]
    batch = kind.make([cell(name)], 1)
    assert len(kind.outputs) == columns * width
    state = np.zeros((64, columns, 1 << address, width), int)
    for _ in range(8):
        bits = random_bits(rng, len(kind.inputs))
        reads = bits[: columns * address].reshape(columns, address, 64)
        places = [numbers(one).astype(int) for one in reads]
        found = unpacked(batch.outputs(words(bits))).reshape(columns, width, 64)
        for k in range(columns):
            np.testing.assert_array_equal(found[k].T, state[range(64), k, places[k]])
        batch.clock(words(bits))
        rest = bits[columns * address :]
        where, enable = numbers(rest[:address]).astype(int), rest[address]
        data = rest[address + 1 :].reshape(columns, width, 64)
        for copy in np.flatnonzero(enable):
            state[copy, :, where[copy]] = data[:, :, copy]


CLOCKED = [(XCUP, name) for name in ("FDRE", "FDSE", "SRL16E", "SRLC32E", "RAM32M", "RAM64M8")]
CLOCKED += [(ECP5, "TRELLIS_DPR16X4"), (ECP5, "TRELLIS_FF"), (ICE40, "SB_DFFESR")]


@pytest.mark.parametrize("kinds, name", CLOCKED, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("together", [False, True], ids=["each copy its own", "all copies alike"])
def test_many_clocks_at_once_are_as_many_one_by_one(kinds, name, together):
    rng = np.random.default_rng(8)
    kind = kinds[name]
    shape = (len(kind.inputs), 3, 21, 64)
    bits = rng.integers(0, 2, (*shape[:-1], 1 if together else 64), np.uint8)
    given = packed(np.broadcast_to(bits, shape))
    given = np.concatenate([given, given], axis=-1)
    one, other = (kind.make([cell(name, INIT="1")] * 3, 2) for _ in range(2))
    for part in (np.s_[:, :, :13], np.s_[:, :, 13:]):
        np.testing.assert_array_equal(one.run(given[part]), Batch.run(other, given[part]))


@pytest.mark.parametrize(
    "kinds, name, a, b, ports",
    [
        (XCUP, "DSP48E2", 27, 18, {"OPMODE": (HIGH, LOW, HIGH, *[LOW] * 6)}),
        (ECP5, "MULT18X18D", 18, 18, {}),
    ],
)
def test_multipliers(kinds, name, a, b, ports):
    bits = random_bits(np.random.default_rng(7), a + b)
    found = unpacked(kinds[name].make([cell(name, ports)], 1).outputs(words(bits)))

    def signed(rows):
        return numbers(rows) - (rows[-1].astype(object) << len(rows))

    expected = signed(bits[:a]) * signed(bits[a:])
    np.testing.assert_array_equal(
        found, [[int(product) >> k & 1 for product in expected] for k in range(len(found))]
    )


@pytest.mark.parametrize("width", [1, 4, 9, 18])
def test_block_rams_are_read_behind_a_clock_edge(width):
    rng = np.random.default_rng(8)
    content = rng.integers(0, 2, (2048, 9))
    data, parity = content[:, :8].ravel(), content[:, 8]
    fields = {
        f"INIT_{row:02X}": "".join(map(str, data[256 * row : 256 * row + 256][::-1]))
        for row in range(64)
    }
    fields |= {
        f"INITP_{row:02X}": "".join(map(str, parity[256 * row : 256 * row + 256][::-1]))
        for row in range(8)
    }
    kind = XCUP["RAMB18E2"]
    batch = kind.make([cell("RAMB18E2", READ_WIDTH_A=f"{width:b}", **fields)], 1)
    bits = random_bits(rng, len(kind.inputs))
    assert not batch.outputs(words(bits)).any()
    batch.clock(words(bits))
    found = unpacked(batch.outputs(words(bits)))[:width]
    stored = (content if width >= 9 else content[:, :8]).reshape(-1, width)
    places = numbers(bits[:14]).astype(int) // (width // 9 * 8 if width >= 9 else width)
    np.testing.assert_array_equal(found.T, np.where(bits[14, :, None], stored[places], 0))
