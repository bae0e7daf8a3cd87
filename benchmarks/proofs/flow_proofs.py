"""Whether an altered place of a design is ever seen: what may flow from it, proved by ABC.

No payload decides when a design takes and gives. So what no payload reaches, the counters, valid
bits and constants by step, is computed in both designs, the original and the altered one, side by
side. Of all other bits only this is kept: whether they may not be the same in both. A bit that is
chosen by what is computed may differ where the chosen one may, and any other where anything that
it is made of may. That is never less than what does differ. The states of this model are few, since
no payloads are in them; where in none of them what may differ is handed out, the designs are the
same to everybody, for ever, from power-up on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from benchmarks.proofs.and_graphs import AndGraph, Circuit, read_graph
from kanhw.sim.proofs.stream_proofs import find_abc
from kanhw.tools.processes import run_logged
from kanhw.tools.yosys import run_script

__all__ = ["altered_graph", "never_seen"]


def altered_graph(work: Path, command: str, shown: Collection[str] = ()) -> AndGraph:
    """The design ``base.il`` with an input ``altered``: false in the original, true in the other.

    Parameters
    ----------
    work
        Where that file is.
    command
        Of Yosys, which alters a place.
    shown
        Wires that become outputs too, by their names.
    """
    expose = "".join(f"expose w:{wire}\n" for wire in shown)
    chosen = command.replace("mutate ", "mutate -ctrl altered 1 1 ", 1)
    run_script(
        f"read_rtlil base.il\n{chosen}\n{expose}proc\nflatten\nopt\nmemory_map\nopt\ntechmap\nopt\n"
        # Logic is not optimised as ANDs: what is chosen by a computed bit must be seen to be so.
        "async2sync\ndffunmap\nsetundef -zero -init\naigmap\nopt_clean\n"
        "write_aiger -zinit -ascii -map altered.map altered.aag\n",
        work,
    )
    return read_graph(work / "altered.aag", work / "altered.map")


def never_seen(graph: AndGraph, work: Path, seconds: float) -> bool:
    """Whether it is proved that nobody ever sees an altered place of a design.

    Parameters
    ----------
    graph
        The design of :func:`altered_graph`.
    work
        Where files may be written.
    seconds
        For each attempt.
    """
    stages = {int(number) for name in graph.names.values() for number in _STAGE.findall(name)}
    # The fewer stages have to be looked at, the fewer states there are.
    for last in sorted(stages):
        behind = [f"stage{number}." for number in stages if number > last]
        if _proved(graph, behind, work, seconds):
            return True
    return not stages and _proved(graph, (), work, seconds)


_STAGE = re.compile(r"\bstage(\d+)\.")


def _proved(graph: AndGraph, left_out: Collection[str], work: Path, seconds: float) -> bool:
    """Whether ABC proves it, without looking at the registers whose names begin like that."""
    model = _Model(graph, left_out)
    model.circuit.write(work / "flow.aag", model.seen)
    run_script("read_aiger -clk_name clk flow.aag\nwrite_aiger -zinit flow.aig\n", work)
    start = "read flow.aig; scorr; dc2; trim"

    def answer(commands: str) -> str:
        words = [str(find_abc()), "-c", f"{start}; {commands}"]
        return run_logged("ABC", words, work / "abc.log", timeout=4 * seconds + 60)[1]

    return _never(answer, seconds)


def _never(answer: Callable[[str], str], seconds: float) -> bool:
    """Whether the one output never rises: by a set of states, or by all of them."""
    log = answer(f"pdr -T {max(1, round(seconds / 10))}")
    if "Property proved" in log or "was asserted in frame" in log:
        return "Property proved" in log
    # By default it gives up at 50,000 nodes of a diagram.
    log = answer(f"reach -B 1000000 -T {max(1, round(seconds))}")
    if "has no latches" in log:
        return "UNSATISFIABLE" in answer("sat")
    return "proved unreachable" in log


class _Model:
    """What may differ between the designs.

    Registers that are left out hold anything, the same in both designs; that one would become what
    may differ is a failure, so that they do stay the same.
    """

    def __init__(self, graph: AndGraph, left_out: Collection[str]) -> None:
        self._graph = graph
        self._touched = graph.reached(graph.inputs["altered"])
        self._hidden = graph.reached(graph.inputs["i__payload"])
        names = graph.names.items()
        self._out = {p for p, name in names if name.startswith(tuple(left_out))}
        self.circuit = Circuit()
        # By place: what it is in both designs, or whether that may differ.
        self._known: dict[int, tuple[int, int]] = {0: (0, 0)}
        self._may_differ: dict[int, int] = dict.fromkeys(graph.inputs["i__payload"], 0)
        for name, places in graph.inputs.items():
            for place in places if name not in ("altered", "i__payload") else ():
                self._known[place] = (self.circuit.anything(),) * 2
        self._known[graph.inputs["altered"][0]] = (0, 1)
        for place in graph.registers:
            self._begin(place)
        for place, one, other in graph.ands:
            self._add(place, one, other)
        for place, value in graph.registers.items():
            self._end(place, value)
        self.seen = self._seen()

    def _begin(self, place: int) -> None:
        """Make the registers for one of the design."""
        circuit = self.circuit
        if place in self._hidden:
            kept = place in self._touched and place not in self._out
            self._may_differ[place] = circuit.register() if kept else 0
        elif place in self._out:
            self._known[place] = (circuit.anything(),) * 2
        else:
            first = circuit.register()
            second = circuit.register() if place in self._touched else first
            self._known[place] = (first, second)

    def _add(self, place: int, one: int, other: int) -> None:
        """Make what stands for an AND of the design."""
        circuit = self.circuit
        if place not in self._hidden:
            pairs = zip(self._values(one), self._values(other), strict=True)
            first, second = (circuit.both(a, b) for a, b in pairs)
            self._known[place] = (first, second)
            return
        differs = circuit.either(self._differs(one), self._differs(other))
        for side in (one, other):
            if side & ~1 in self._known:
                # Where it is false in both, the other side does not matter.
                passes = circuit.either(self._differs(side), self._values(side)[0])
                differs = circuit.both(passes, differs)
        self._may_differ[place] = differs

    def _end(self, place: int, value: int) -> None:
        """Say what the registers become."""
        if place in self._out:
            return
        if place not in self._hidden:
            for register, later in zip(self._known[place], self._values(value), strict=True):
                self.circuit.becomes(register, later)
        elif place in self._touched:
            self.circuit.becomes(self._may_differ[place], self._differs(value))

    def _seen(self) -> int:
        """Whether what may differ is handed out, or gets where it must not."""
        graph, seen = self._graph, 0
        (valid,) = graph.outputs["o__valid"]
        for name, literals in graph.outputs.items():
            for literal in literals:
                differs = self._differs(literal)
                if name == "o__payload" and valid & ~1 in self._known:
                    differs = self.circuit.both(differs, self._values(valid)[0])
                seen = self.circuit.either(seen, differs)
        for place in self._out:
            seen = self.circuit.either(seen, self._differs(graph.registers[place]))
        # A clock later, so that it is never constantly true, of which ABC makes nothing.
        later = self.circuit.register()
        self.circuit.becomes(later, seen)
        return later

    def _values(self, literal: int) -> tuple[int, int]:
        first, second = self._known[literal & ~1]
        return first ^ (literal & 1), second ^ (literal & 1)

    def _differs(self, literal: int) -> int:
        place = literal & ~1
        if place in self._may_differ:
            return self._may_differ[place]
        return self.circuit.differ(*self._known[place])
