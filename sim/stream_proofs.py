"""Running the proofs of :mod:`kanhw.sim.formal`: Yosys makes circuits of bits, ABC decides."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil

from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.estimation.processes import run_logged
from kanhw.estimation.yosys import run_script
from kanhw.sim.formal import COVERS, RULES, StreamHarness

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
    """

    broken: dict[str, int]
    unreached: tuple[str, ...]
    clocks: int | None

    @property
    def passed(self) -> bool:
        """Whether every rule holds and everything is reached."""
        return not self.broken and not self.unreached


def prove(harness: StreamHarness, *, clocks: int = 60, seconds: float = 60.0) -> StreamProof:
    """Prove the stream rules for every behaviour of the environment.

    For ever, by computing all states that can be reached. Where there are too many for the time,
    or a rule is broken, for a number of clocks.

    Parameters
    ----------
    harness
        The component in its environment.
    clocks
        That number; what must be possible must be so within it.
    seconds
        For each of the two ways.

    Raises
    ------
    ToolNotFound
        If there is no Yosys or ABC.
    ToolFailed
        If one fails, or neither way came to an end.
    """
    abc = find_abc()
    with tempfile.TemporaryDirectory(prefix="kanhw-proof-") as name:
        folder = Path(name)
        (folder / "harness.il").write_text(rtlil.convert(harness, name="harness"))
        run_script(_SCRIPT, folder)
        seen, _ = _bounded(abc, folder, "seen", clocks, seconds, "-a")
        if _for_ever(abc, folder, seconds):
            broken, bound = dict[int, int](), None
        else:
            broken, bound = _bounded(abc, folder, "bad", clocks, seconds)
    rules, covers = list(RULES), list(COVERS)
    return StreamProof(
        {rules[k]: clock for k, clock in sorted(broken.items())},
        tuple(name for k, name in enumerate(covers) if k not in seen),
        bound,
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
    # Registers that are always equal are joined first: a payload and the copy that watches it.
    log = _run(abc, folder, f"read bad.aig; scorr; reach -T {seconds:g}", seconds)
    if "has no latches" in log:  # that alone was enough, if nothing can rise any more
        return "UNSATISFIABLE" in _run(abc, folder, "read bad.aig; scorr; orpos; sat", seconds)
    return "proved unreachable" in log


def _bounded(
    abc: Path, folder: Path, name: str, clocks: int, seconds: float, every: str = ""
) -> tuple[dict[int, int], int]:
    """Outputs that rise within some clocks, and how many clocks were looked at.

    The first that does, and all of them with the option ``-a``.
    """
    commands = f"read {name}.aig; bmc3 {every} -F {clocks} -T {seconds:g}"
    log = _run(abc, folder, commands, seconds)
    if "combinational network" in log:  # no registers, not even the harness's: all is constant
        return {}, clocks
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
