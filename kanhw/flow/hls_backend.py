"""The back end ``hls``: C++ for Vivado HLS and Vitis HLS, with a testbench and scripts."""

from __future__ import annotations

from collections.abc import Mapping

from kanhw.design.identifiers import checked_identifier
from kanhw.design.manifest import HLS
from kanhw.errors import InputError
from kanhw.flow.backend import Written
from kanhw.flow.testbench import stimulus_for
from kanhw.hls.facts import facts_of
from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import write_cpp
from kanhw.hls.model.design_model import facts_of_model, model_design
from kanhw.hls.names import checked_cpp_name
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["HlsBackend"]


class HlsBackend:
    """C++ for HLS.

    Its option ``name`` is that of the top function, and what files begin with ("kan"); ``part`` and
    ``clock_ns`` are for the tools' scripts; ``testbench`` names vectors for the testbench, an npz
    file or array as for ``kanhw.simulate``, in place of random codes.
    """

    name = HLS
    converts_inputs = True
    options = ("name", "part", "clock_ns", "testbench")

    def write(self, program: Program, schedule: Schedule, options: Mapping[str, object]) -> Written:
        """Headers, sources, testbench with vectors, scripts and Makefile.

        Raises
        ------
        InputError
            If there is no C++ of a layer, the schedule asks for what HLS does not know, or an
            option is wrong.
        """
        name = checked_cpp_name(
            checked_identifier(options.get("name", "kan"), "The name of a design")
        )
        target = _target(options)
        design = write_cpp(program, schedule, name, target)
        vectors = options.get("testbench", True)
        beats = max(word.port.beats for word in design.words)
        codes, heads = stimulus_for(program, beats, True if vectors is False else vectors)
        outputs = program(codes) if heads is None else program(codes, head=heads)
        files = design.files(codes, outputs, heads)
        facts = {**facts_of(design), "model": facts_of_model(model_design(design))}
        return Written({name: text.encode() for name, text in files.items()}, facts)


def _target(options: Mapping[str, object]) -> Target:
    part, clock = str(options.get("part", Target.part)), options.get("clock_ns", Target.clock_ns)
    if not part.startswith("x") or not part.replace("-", "").isalnum():
        raise InputError(f"part must be the name of one, such as {Target.part}, not {part!r}")
    try:
        period = float(str(clock))
    except ValueError:
        period = 0.0
    if not 0.1 <= period <= 1000:
        raise InputError(f"clock_ns must be a period of 0.1 to 1000 ns, not {clock!r}")
    return Target(part, period)
