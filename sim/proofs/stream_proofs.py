"""The stream rules of a component proved: all states that can be reached, or a number of clocks."""

from __future__ import annotations

import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil

from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.interruption import temporary_folder
from kanhw.sim.proofs.formal import Harness
from kanhw.tools.processes import run_logged
from kanhw.tools.yosys import run_script

__all__ = ["StreamProof", "find_abc", "prove"]

# All logic as ANDs and inverters, every register with its initial value. What is not watched goes.
_SCRIPT = """\
read_rtlil harness.il
hierarchy -top harness
proc
flatten
memory_map
opt
techmap
opt
async2sync
dffunmap
abc -g AND
opt_clean
design -save both
delete -output harness/seen
opt_clean
write_aiger -zinit bad.aig
design -load both
delete -output harness/bad
opt_clean
write_aiger -zinit seen.aig
"""

# By default it gives up at 50,000 nodes of a diagram: within seconds, whatever time there is.
_REACH = "reach -B 1000000"


# By default the solver gives up at once.
_CONFLICTS = 1_000_000_000


@dataclass(frozen=True)
class StreamProof:
    """What was proved of a component.

    Parameters
    ----------
    broken
        The rule that it breaks first, with the clock in which that is seen.
    unreached
        What could not be brought about though it must be possible: the proof is empty then.
    clocks
        For how many clocks after power-up the rules hold; None: for ever.
    covered
        Clocks within which everything is reached that can be.
    """

    broken: dict[str, int]
    unreached: tuple[str, ...]
    clocks: int | None
    covered: int

    @property
    def passed(self) -> bool:
        """Whether every rule holds and everything is reached, and reached within the clocks."""
        within = self.clocks is None or self.clocks > self.covered
        return not self.broken and not self.unreached and within


def prove(
    harness: Harness,
    *,
    clocks: int = 60,
    seconds: float = 60.0,
    only: str | None = None,
    inductive: bool = False,
) -> StreamProof:
    """Prove the rules of a harness for every behaviour of the environment.

    For ever, by computing all states that can be reached, or a set of states around them that no
    step leaves. Where neither is found in time, or a rule is broken, for a number of clocks.

    Parameters
    ----------
    harness
        The component in its environment.
    clocks
        That number; what must be possible must be so within it.
    seconds
        For each of the ways.
    only
        Look whether this rule is broken within the clocks, and prove nothing for ever.
    inductive
        The rules say so much of the state that they hold in every clock because they held in the
        one before: for ever is proved by that step. The other ways would have to find out by
        themselves how the registers hang together.

    Raises
    ------
    ToolNotFound
        If there is no Yosys or ABC.
    ToolFailed
        If one fails, or neither way came to an end.
    """
    abc = find_abc()
    with temporary_folder("kanhw-proof-") as folder:
        (folder / "harness.il").write_text(rtlil.convert(harness, name="harness"))
        run_script(_SCRIPT, folder)
        seen, _ = _bounded(abc, folder, "read seen.aig; bmc3 -a", clocks, seconds)
        if only is not None:
            place = list(harness.rules).index(only)
            way = f"read bad.aig; cone -O {place}; scleanup; bmc3"
            found, bound = _bounded(abc, folder, way, clocks, seconds)
            broken = dict.fromkeys([place] if found else [], max(found.values(), default=0))
        elif (_inductive if inductive else _for_ever)(abc, folder, seconds):
            broken, bound = dict[int, int](), None
        else:
            broken, bound = _bounded(abc, folder, "read bad.aig; bmc3", clocks, seconds)
    rules, covers = list(harness.rules), list(harness.covers)
    return StreamProof(
        {rules[k]: clock for k, clock in sorted(broken.items())},
        tuple(name for k, name in enumerate(covers) if k not in seen),
        bound,
        max(seen.values(), default=0),
    )


def find_abc() -> Path:
    """The ABC that pyosys brings, else ``yosys-abc`` on PATH.

    Raises
    ------
    ToolNotFound
        If there is none.
    """
    spec = importlib.util.find_spec("pyosys")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "yosys-abc"
        if program.is_file():
            return program
    found = shutil.which("yosys-abc")
    if found is None:
        raise ToolNotFound("ABC was not found: install it with 'pip install pyosys'")
    return Path(found)


def _for_ever(abc: Path, folder: Path, seconds: float) -> bool:
    """Whether no state in which a rule is broken can be reached, and that was found in time."""
    # Registers that are always equal are joined first: a payload and the copy that watches it. All
    # states are counted where they are few; many states may have a simple reason.
    for way, share in (("reach", 0.1), ("orpos; pdr", 0.2), (_REACH, 1.0)):
        commands = f"read bad.aig; scorr; {way} -T {max(1, round(share * seconds))}"
        log = _run(abc, folder, commands, seconds)
        if "has no latches" in log:  # that alone was enough, if nothing can rise any more
            return "UNSATISFIABLE" in _run(abc, folder, "read bad.aig; scorr; orpos; sat", seconds)
        if "proved unreachable" in log or "Property proved" in log:
            return True
        if "was asserted in frame" in log:
            return False
    return False


def _inductive(abc: Path, folder: Path, seconds: float) -> bool:
    """Whether no rule is broken in the first clock, nor in one that follows one without."""
    # Without `scorr`: it would take rules away that it proves, and others follow from these.
    broken, looked = _bounded(abc, folder, "read bad.aig; bmc3", 2, seconds)
    step = f"read bad.aig; orpos; ind -F 2 -C {_CONFLICTS} -T {seconds:g}"
    return (
        not broken and looked == 2 and "Networks are equivalent" in _run(abc, folder, step, seconds)
    )


def _bounded(
    abc: Path, folder: Path, way: str, clocks: int, seconds: float
) -> tuple[dict[int, int], int]:
    """Outputs that rise within some clocks, and how many clocks were looked at.

    The first that does, and all of them with the option ``-a``.
    """
    commands = f"{way} -F {clocks} -T {seconds:g}"
    log = _run(abc, folder, commands, seconds)
    if "combinational network" in log:  # no registers, not even the harness's: all is constant
        return {}, clocks
    if "Explored all reachable states" in log:
        return _asserted(log), clocks
    found = _asserted(log)
    done = re.search(r"after (\d+) frames|asserted in (\d+) frames", log)
    if done is None and not found:
        raise ToolFailed(f"ABC's answer cannot be read: {log[-300:]}")
    return found, max(found.values()) if done is None else int(done[1] or done[2])


def _asserted(log: str) -> dict[int, int]:
    lines = re.findall(r"Output (\d+) (?:of miter \S+ )?was asserted in frame\s+(\d+)", log)
    return {int(output): int(frame) for output, frame in lines}


def _run(abc: Path, folder: Path, commands: str, seconds: float) -> str:
    status, log = run_logged(
        "ABC", [str(abc), "-c", commands], folder / "abc.log", timeout=4 * seconds + 60
    )
    if status != 0:
        raise ToolFailed(f"ABC failed: exit status {status}: {log[-300:]}")
    return log
