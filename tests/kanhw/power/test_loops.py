"""Random circuits whose registers close loops: as integers what arrays of their cells compute."""

import numpy as np
import pytest

from kanhw.power import simulation
from kanhw.power.mapped import MappedNetlist
from kanhw.power.order import ordered
from kanhw.power.simulation import Simulation
from kanhw.targets.cells.cell import HIGH, LOW, Cell
from kanhw.targets.table import cell_kinds_of

KINDS = cell_kinds_of("xcup")
INPUTS = tuple(range(2, 8))


def bits(rng, count):
    return "".join(map(str, rng.integers(0, 2, count)))


def circuit(rng, cells=60):
    """Registers first, so that logic in any order behind them reads them and they read it."""
    nets = 8
    made, waiting = [], []
    for k in range(12):
        name = ("FDRE", "FDSE")[k % 2]
        fields = {"INIT": bits(rng, 1)}
        fields |= {f"IS_{port}_INVERTED": bits(rng, 1) for port in ("D", "CE", "RS"[k % 2])}
        waiting.append((f"q{k}", name, fields, "RS"[k % 2], nets))
        nets += 1
    for k in range(cells):
        kind = rng.choice(["LUT1", "LUT3", "LUT5", "LUT6", "MUXF7", "CARRY4", "INV"])
        ports, spec = {}, KINDS[kind]
        for port, _ in spec.inputs:
            width = sum(name == port for name, _ in spec.inputs)
            ports[port] = tuple(int(net) for net in rng.integers(0, nets, width))
        for port in dict.fromkeys(name for name, _ in spec.outputs):
            width = sum(name == port for name, _ in spec.outputs)
            ports[port] = tuple(range(nets, nets + width))
            nets += width
        if kind == "CARRY4":  # One of both is constant; the highest carry is open.
            ports["CYINIT"] = (LOW,)
            ports["CO"] = ports["CO"][:3]
        made.append(Cell(f"c{k}", str(kind), {"INIT": bits(rng, 64)}, ports))
    for name, kind, fields, reset, net in waiting:
        reads = rng.integers(8, nets, 3)
        ports = {port: (int(own),) for port, own in zip(("D", "CE", reset), reads, strict=True)}
        made.append(Cell(name, kind, fields, {**ports, "Q": (net,)}))
    order = rng.permutation(len(made))
    cells = tuple(made[number] for number in order)
    return MappedNetlist({"i": INPUTS, "o": tuple(range(8, nets))}, frozenset({"i"}), cells, nets)


def ran(netlist, words, given):
    run = Simulation(netlist, KINDS, words, "xcup")
    found = []
    for clocks, own in zip((5, 1, 9), given, strict=True):
        run.give("i", own)
        run.run(clocks)
        found.append(run.port("o"))
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("seed, words", [(0, 1), (1, 1), (2, 3), (3, 2)])
def test_loops_as_integers_and_as_arrays(seed, words, monkeypatch):
    rng = np.random.default_rng(seed)
    netlist = circuit(rng)
    kinds = [KINDS[cell.kind] for cell in netlist.cells]
    assert any(part.loop for part in ordered(netlist.cells, kinds))
    given = rng.integers(0, 2**64, (3, len(INPUTS), words), np.uint64)
    compiled = ran(netlist, words, given)
    monkeypatch.setattr(simulation, "is_compiled", lambda _: False)
    np.testing.assert_array_equal(compiled, ran(netlist, words, given))
    # Registers do not all stand still.
    assert (compiled != compiled[:, :1]).any(axis=(1, 2)).mean() > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_cells_stand_behind_those_that_they_hang_on(seed):
    netlist = circuit(np.random.default_rng(seed))
    cells = netlist.cells
    kinds = [KINDS[cell.kind] for cell in cells]
    parts = ordered(cells, kinds)
    place = {
        number: (at, level)
        for at, part in enumerate(parts)
        for level, numbers in enumerate(part.levels)
        for number in numbers
    }
    assert sorted(place) == list(range(len(cells)))
    driver = {cell.net(*p): n for n, cell in enumerate(cells) for p in kinds[n].outputs}
    for number, cell in enumerate(cells):
        for port in kinds[number].inputs:
            net = cell.net(*port)
            if net in (LOW, HIGH) or net not in driver:
                continue
            source = place[driver[net]]
            if source[0] == place[number][0] and parts[source[0]].loop and kinds[number].clocked:
                continue
            assert source < place[number]
