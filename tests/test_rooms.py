"""The floor plan: who may import whom, and how many files a room has."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Floors from the ground up. A module may import what is on lower floors, and what is in its own
# room; never up, and never a neighbour on its floor. A module or room that is not named belongs to
# the nearest one above it in its dotted name.
FLOORS = """
values
errors
entries interruption memory
places data_files
formats frames progress files folders windows records
numerics
model.activation model.arrays
model.bases.basis model.norm model.products model.symbolic
model.bases
model.layer
model
program.arrays
program.functions
program.intervals
program.requantizer
program.checks
program.kinds
program
importers.parts
importers
layers
schedule
targets.cells targets.verilog
targets
program.costs
measures
tools
design
gateware.parts.counting
gateware.parts
gateware.fabric gateware.stream gateware.splines
gateware.unrolled gateware.folded
gateware.norm gateware.image gateware.heads
gateware.top
gateware
sim.proofs
sim
power
hls.names hls.reports hls.costs
hls.cpp
hls.kinds
hls.stages
hls.files hls.baseline
hls.generate
hls.facts
hls.simulation hls.model
hls
quant.config
quant.quantizers
quant.splines
quant.record
quant.planning
quant.integers
quant.codebook
quant.realise
quant.methods
quant.training.rules
quant.training
quant.fabric.cost
quant.fabric.learned
quant.fabric.native
quant.fabric
quant.lowering
quant.post_training quant.task_heads
quant.analysis
quant.allocation
quant
estimation
reports
flow
boards.protocol
boards.catalogue boards.platforms
boards.link
boards.built
boards.host boards.loading
boards.build
boards
exploration.space
exploration.study
exploration.running
exploration.answers
exploration
cli.common
cli.data
cli.boards cli.estimates cli.exploring cli.fabric
cli
"""
# More than a room should have, and why.
LARGER: dict[str, str] = {}
MOST_FILES = 14


def modules() -> dict[str, Path]:
    """Every file of ours by the dotted name that it is imported by, without ``kanhw.``."""
    found = {}
    for top in ("kanhw", "boards", "gateware", "quant", "sim"):
        for path in (ROOT / top).glob("**/*.py"):  # does not follow kanhw's links
            parts = path.relative_to(ROOT).with_suffix("").parts[0 if top != "kanhw" else 1 :]
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def statements(body: list[Any]) -> Iterator[ast.AST]:
    """All statements, in blocks too, but for what is there for types only."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from statements(node.orelse)
            continue
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, block, []))


@cache
def imported(path: Path) -> list[tuple[str, str]]:
    """What a file imports of ours, at its head or in a function, not for types only: from, name."""
    return [
        (node.module.removeprefix("kanhw").removeprefix("."), name.name)
        for node in statements(ast.parse(path.read_text(encoding="utf-8")).body)
        if isinstance(node, ast.ImportFrom)
        if node.module and f"{node.module}.".startswith("kanhw.")
        for name in node.names
    ]


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports."""
    inner = {(module, name): f"{module}.{name}".lstrip(".") for module, name in imported(path)}
    return {name if name in known else module for (module, _), name in inner.items()}


def floors() -> dict[str, int]:
    lines = FLOORS.strip().splitlines()
    return {room: floor for floor, line in enumerate(lines) for room in line.split()}


def room_of(module: str, plan: dict[str, int]) -> str:
    while module not in plan:
        module = module.rpartition(".")[0]
        if not module:
            return ""
    return module


def misplaced(plan: dict[str, int], known: dict[str, Path]) -> list[str]:
    """Imports that go up or sideways."""
    found = []
    for module, path in sorted(known.items()):
        for other in sorted(imports(path, known)):
            ours, theirs = room_of(module, plan), room_of(other, plan)
            if theirs == "" or ours == theirs or ours == "":
                continue  # the public names and the version are everybody's
            if plan[ours] <= plan[theirs]:
                found.append(f"{module} imports {other}")
    return found


def test_no_import_goes_up_or_sideways():
    known, plan = modules(), floors()
    assert len(known) > 300
    # Every room that is named is there, and every module has a floor.
    assert [room for room in plan if room not in known] == []
    assert [m for m in known if m and not room_of(m, plan)] == []
    assert misplaced(plan, known) == []


def test_no_circle():
    known = modules()
    arrows = {module: imports(path, known) - {module} for module, path in known.items()}
    done: set[str] = set()
    while True:
        # What imports nothing that is left is taken away; a circle stays.
        free = {m for m in arrows.keys() - done if arrows[m] & arrows.keys() <= done}
        if not free:
            break
        done |= free
    # The face of kanhw hands names on when they are asked for.
    assert sorted(arrows.keys() - done - {""}) == []


def test_rooms_are_small():
    counts: dict[str, int] = {}
    for path in modules().values():
        if path.name != "__init__.py":
            room = path.parent.relative_to(ROOT).as_posix()
            counts[room] = counts.get(room, 0) + 1
    assert {room: n for room, n in counts.items() if n > MOST_FILES and room not in LARGER} == {}


def test_faces_define_nothing():
    for module, path in modules().items():
        if path.name != "__init__.py" or module in ("", "quant"):
            continue  # lazy faces, of what is heavy
        tree = ast.parse(path.read_text(encoding="utf-8"))
        allowed = (ast.Expr, ast.ImportFrom, ast.Assign)  # docstring, imports, __all__
        assert all(isinstance(node, allowed) for node in tree.body), module


def test_the_rule_sees_what_it_forbids(tmp_path):
    known = {}
    for name, line in {
        "a.low": "from kanhw.b.high import thing",
        "b.high": "from kanhw.c import side",
        "c": "def f():\n    from kanhw import __version__\n",
    }.items():
        known[name] = tmp_path / name
        known[name].write_text(line, encoding="utf-8")
    assert misplaced({"a": 0, "b": 1, "c": 1}, known) == [
        "a.low imports b.high",
        "b.high imports c",
    ]
