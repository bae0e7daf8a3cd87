"""What the manifest of a design in C++ says, and that it is what the Program makes."""

from __future__ import annotations

import json
from typing import Any

from kanhw.design.backend_design import BackendDesign
from kanhw.design.manifest import MANIFEST
from kanhw.design.quantities import FORMULA, quantities_of
from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import CppDesign, write_cpp
from kanhw.hls.names import checked_cpp_name
from kanhw.program import Program

__all__ = ["checked_facts", "facts_of"]


def facts_of(design: CppDesign) -> dict[str, Any]:
    """What a user of the files must know."""
    inputs, outputs = ([own.to_json() for own in each] for each in quantities_of(design.program))
    given, made = design.words
    return {
        "top": design.name,
        "input": given.port.to_json(),
        "output": made.port.to_json(),
        "interval": design.interval,
        "operations": design.operations,
        "part": design.target.part,
        "clock_ns": design.target.clock_ns,
        "notes": list(design.notes),
        "quantities": {"formula": FORMULA, "inputs": inputs, "outputs": outputs},
    }


def checked_facts(design: BackendDesign) -> Program:
    """The Program of a design in C++, after what the manifest says was compared with it.

    Raises
    ------
    InputError
        If a fact differs from what the Program and the Schedule make; the message names it.
    """
    program, said = design.load_program(), Entry(design.facts, f"{design.path / MANIFEST}: facts")
    name = checked_cpp_name(said.text("top"))
    if f"{name}.cpp" not in design.files:
        raise InputError(
            f"{design.path / MANIFEST} says facts.top {name}, but there is no {name}.cpp: "
            "generate the design again"
        )
    target = Target(said.text("part"), said.number("clock_ns"))
    made = json.loads(json.dumps(facts_of(write_cpp(program, design.schedule, name, target))))
    for key, value in made.items():
        if said.get(key, None) != value:
            raise InputError(
                f"{design.path / MANIFEST} says facts.{key} that its Program and schedule do not "
                "make: generate the design again"
            )
    return program
