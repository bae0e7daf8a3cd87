"""From a Program and a schedule to the files of a design in C++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.hls.cpp.source import Source
from kanhw.hls.files.headers import tables_header, types_header
from kanhw.hls.files.scripts import Target, makefile, tool_scripts
from kanhw.hls.files.testbench import testbench_source, vectors_text
from kanhw.hls.files.top import port_functions, top_header, top_source
from kanhw.hls.files.words import Word, port_of
from kanhw.hls.stages.chain import Chain, StageSite
from kanhw.hls.stages.table import stage_writer
from kanhw.program import Program, ProgramLayer, ResidentLayer
from kanhw.schedule.layer_layouts import edges_of, window_of
from kanhw.schedule.layout import lay_out
from kanhw.schedule.schedule import Schedule

__all__ = ["CppDesign", "write_cpp"]

# What Vivado HLS is said to unroll at most.
_MOST_UNROLLED = 4096
# What means nothing in HLS, with the only value that is taken.
_MEANINGLESS: dict[str, Any] = {
    "fabric": "portable",
    "adder_levels": 1,
    "table_registers": True,
    "merge_tables": None,
    "handshake": True,
}


@dataclass(frozen=True)
class CppDesign:
    """The C++ of a Program under a schedule.

    Parameters
    ----------
    name
        Of the top function, and what names of files begin with.
    program, schedule
        What it computes, and how.
    chain
        Its functions.
    words
        Of its ports.
    target
        For the tools' scripts.
    """

    name: str
    program: Program
    schedule: Schedule
    chain: Chain
    words: tuple[Word, Word]
    target: Target

    @property
    def interval(self) -> int:
        """Clocks between two inferences that the loops ask for; tools may add some a loop."""
        ports = [word.port.beats for word in self.words]
        return max(*ports, *(process.clocks for process in self.chain.processes))

    @property
    def operations(self) -> int:
        """Terms that an inference adds up."""
        return sum(_terms(layer) for layer in self.program.layers)

    def files(
        self, codes: IntArray, outputs: IntArray, heads: IntArray | None = None
    ) -> dict[str, str]:
        """All files by name, with a testbench on these vectors."""
        name, source = self.name, self.chain.source
        about = _comment(self.program.source)
        ports = (self.words[0].port, self.words[1].port)
        guard = f"{source.prefix}_LAYERS_H"
        functions = "\n".join(source.functions)
        return {
            f"{name}_types.h": types_header(source, self.words, about),
            f"{name}_tables.h": tables_header(source, about),
            f"{name}_layers.h": f"{about}#ifndef {guard}\n#define {guard}\n\n{functions}\n#endif\n",
            f"{name}.h": top_header(name, self.words, about),
            f"{name}.cpp": top_source(name, self.chain, self.words, about),
            f"{name}_tb.cpp": testbench_source(name, self.words, about),
            f"{name}_vectors.txt": vectors_text(codes, outputs, ports, heads),
            "Makefile": makefile(name),
            **tool_scripts(name, self.target),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What tools are known to refuse or do differently, each with what to do about it."""
        found = []
        for layer in self.program.layers:
            pipelined = not self.schedule.folded and layer.active.size > _MOST_UNROLLED
            if pipelined:
                found.append(
                    f"layer {layer.name!r} unrolls {layer.active.size} edges, and Vivado HLS is "
                    f"said to stop at {_MOST_UNROLLED}: fold it (--schedule folded) for that tool"
                )
        return tuple(found)


def write_cpp(program: Program, schedule: Schedule, name: str, target: Target) -> CppDesign:
    """Write a Program under a schedule in C++ for HLS.

    Raises
    ------
    InputError
        If the schedule asks for what means nothing in HLS, heads can be written, a layer or stage
        is of a kind that no C++ is known of, or a port would be too wide.
    """
    _check(program, schedule)
    layout = lay_out(program, schedule)
    source = Source(name, memories=schedule.folded)
    chain = Chain(source, program, schedule, layout.inputs.count)
    given = port_of("input", layout.inputs, program.input.format, source.types, program.heads)
    for number, planned in enumerate(layout.stages):
        stage_writer(planned.kind)(StageSite(chain, planned, number))
    made = port_of("output", layout.outputs, program.output_format, source.types)
    port_functions(chain, (given, made), chain.at.struct)
    return CppDesign(name, program, schedule, chain, (given, made), target)


def _comment(text: str) -> str:
    """The first line of a text as a comment; nothing in it goes on into the next line."""
    lines = text.splitlines()
    if not lines:
        return ""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in lines[0])
    return f"// {plain}".rstrip("\\ ") + "\n"


def _terms(layer: ProgramLayer) -> int:
    """Terms that the sums of a layer have, of all windows together."""
    edges = edges_of(layer)
    window = window_of(layer)
    functions = getattr(edges, "coefficients", np.empty((1, 1, 1))).shape[2]
    each = edges.n_in if edges.active.size == 1 else edges.active.size * functions
    return int(each * (1 if window is None else window.positions))


def _check(program: Program, schedule: Schedule) -> None:
    for field, only in _MEANINGLESS.items():
        value = getattr(schedule, field)
        if value != only:
            raise InputError(
                f"{field}={value!r} says nothing to an HLS tool, which places registers and "
                f"chooses cells itself: leave it out ({field}={only!r}), or use the back end "
                "'verilog'"
            )
    for layer in program.layers:
        if isinstance(layer, ResidentLayer) and layer.writable is not None:
            raise InputError(
                f"Layer {layer.name!r}: heads of C++ for HLS cannot be written at run time: join "
                "them without writable formats, or use the back end 'verilog'"
            )
