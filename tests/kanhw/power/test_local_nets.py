"""Which nets stay within a slice."""

import pytest

from kanhw.power.local_nets import local_nets
from kanhw.power.mapped import MappedNetlist
from kanhw.targets.cells.cell import Cell
from kanhw.targets.table import cell_kinds_of

# Inputs are nets 2 and 3, the clock 4, what is looked at 5.
PORTS = {"i": (2, 3), "clk": (4,), "o": (9,)}


def lut(name, given, made):
    return Cell(name, "LUT1", {}, {"I0": (given,), "O": (made,)})


def register(name, given, made):
    return Cell(name, "FDRE", {}, {"D": (given,), "Q": (made,), "C": (4,)})


CASES = {
    "its own flip-flop": (([lut("a", 2, 5), register("r", 5, 6)]), True),
    "two flip-flops": ([lut("a", 2, 5), register("r", 5, 6), register("s", 5, 7)], False),
    "a flip-flop and a look-up table": (
        [lut("a", 2, 5), register("r", 5, 6), lut("b", 5, 7)], False,
    ),
    "a wide multiplexer": (
        [lut("a", 2, 5),
         Cell("m", "MUXF7", {}, {"I0": (5,), "I1": (6,), "S": (3,), "O": (7,)})], True,
    ),
    "a carry chain": (
        [lut("a", 2, 5), Cell("c", "CARRY4", {}, {"S": (5,), "DI": (2,), "O": (7,)})], True,
    ),
    "the next carry cell": (
        [Cell("c", "CARRY4", {}, {"S": (2,), "CO": (6, 7, 8, 5)}),
         Cell("d", "CARRY4", {}, {"S": (3,), "CI": (5,)})], True,
    ),
    "a sum and its flip-flop": (
        [Cell("c", "CARRY4", {}, {"S": (2,), "O": (5,)}), register("r", 5, 6)], True,
    ),
    "what a flip-flop gives": ([register("r", 2, 5), register("s", 5, 6)], False),
    "nothing": ([lut("a", 2, 5)], False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_net_that_ends_at(name):
    cells, local = CASES[name]
    netlist = MappedNetlist(PORTS, frozenset({"i", "clk"}), tuple(cells), 10)
    found = local_nets(netlist, cell_kinds_of("xcup"))
    assert bool(found[5]) == local
    assert not found[[0, 1, 2, 3, 4]].any()


def test_what_leaves_the_design_is_not_local():
    netlist = MappedNetlist({**PORTS, "o": (5,)}, frozenset({"i", "clk"}), (
        lut("a", 2, 5), register("r", 5, 6),
    ), 10)  # fmt: skip
    assert not local_nets(netlist, cell_kinds_of("xcup"))[5]
