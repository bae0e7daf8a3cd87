"""A design cut between its stages: whoever cannot tell any stage apart cannot tell the design.

Every stage is looked at alone, with whatever may stand before and behind it: that is more than what
does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from benchmarks.proofs.and_graphs import AndGraph
from benchmarks.proofs.flow_proofs import altered_graph
from kanhw.tools.yosys import run_script

__all__ = ["Boundary", "altered_stages", "boundaries"]


@dataclass(frozen=True)
class Boundary:
    """The wires of a stream between two stages, by name."""

    payload: str
    valid: str
    ready: str


def boundaries(verilog: str, work: Path) -> list[Boundary]:
    """The streams between the stages of a design, in order.

    Parameters
    ----------
    verilog
        The name of a Verilog file of kanhw, whose top is ``kan``.
    work
        Where it is, and where files may be written.
    """
    run_script(f"read_verilog {verilog}\nhierarchy -top kan\nproc\nwrite_json stages.json\n", work)
    top = json.loads((work / "stages.json").read_text())["modules"]["kan"]
    names = {tuple(net["bits"]): name for name, net in top["netnames"].items()}
    found = []
    for number in range(1, len(top["cells"])):
        cell = top["cells"].get(f"stage{number}")
        if cell is None:
            break
        ports = [tuple(cell["connections"][f"i__{port}"]) for port in ("payload", "valid", "ready")]
        found.append(Boundary(*(names[port] for port in ports)))
    return found


def altered_stages(work: Path, command: str, cuts: list[Boundary]) -> list[AndGraph]:
    """The stages that an alteration reaches, each as a design with an input ``altered``.

    Parameters
    ----------
    work, command
        As for :func:`~benchmarks.proofs.flow_proofs.altered_graph`.
    cuts
        The streams between the stages.
    """
    wires = [wire for cut in cuts for wire in (cut.payload, cut.valid, cut.ready)]
    whole = altered_graph(work, command, wires)
    inputs, outputs = whole.inputs, whole.outputs
    # Every stream: what its sender drives, and what its receiver does.
    streams = [(inputs["i__payload"], inputs["i__valid"], outputs["i__ready"])]
    streams += [(outputs[c.payload], outputs[c.valid], outputs[c.ready]) for c in cuts]
    streams += [(outputs["o__payload"], outputs["o__valid"], inputs["o__ready"])]
    stages = []
    for (payload, valid, ready), (result, result_valid, result_ready) in pairwise(streams):
        rest = {name: inputs[name] for name in ("altered", "rst")}
        ports = {**rest, "i__payload": payload, "i__valid": valid, "o__ready": result_ready}
        given = {"i__ready": ready, "o__valid": result_valid, "o__payload": result}
        stage = _alone(whole, ports, given)
        if inputs["altered"][0] in stage.reached([]) | _made_of(stage):
            stages.append(stage)
    return stages


def _alone(
    whole: AndGraph, inputs: dict[str, list[int]], outputs: dict[str, list[int]]
) -> AndGraph:
    """What some outputs of a graph are made of, up to literals that are inputs now."""
    # Whatever the sign and however often it is there, an input is one bit that may be anything.
    places = {name: list(dict.fromkeys(v & ~1 for v in values)) for name, values in inputs.items()}
    given = {place for values in places.values() for place in values} - {0}
    cut = replace(
        whole,
        inputs={name: [place for place in found if place] for name, found in places.items()},
        outputs=outputs,
        registers={place: v for place, v in whole.registers.items() if place not in given},
        ands=[row for row in whole.ands if row[0] not in given],
    )
    cone = _made_of(cut)
    return replace(
        cut,
        registers={place: value for place, value in cut.registers.items() if place in cone},
        ands=[row for row in cut.ands if row[0] in cone],
    )


def _made_of(graph: AndGraph) -> set[int]:
    """What the outputs of a graph are made of, by any number of registers."""
    operands = {place: (one, other) for place, one, other in graph.ands}
    operands |= {place: (value,) for place, value in graph.registers.items()}
    left = [literal & ~1 for literals in graph.outputs.values() for literal in literals]
    found: set[int] = set()
    while left:
        place = left.pop()
        if place not in found:
            found.add(place)
            left += [literal & ~1 for literal in operands.get(place, ())]
    return found
