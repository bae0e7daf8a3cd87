"""The back end ``verilog``: one file of Verilog, and scripts that pack it for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kanhw.design.design import Design
from kanhw.design.identifiers import checked_identifier
from kanhw.design.manifest import VERILOG
from kanhw.design.packaging import package_files
from kanhw.design.quantities import FORMULA, comment_lines, quantities_of
from kanhw.design.wires import STREAM
from kanhw.errors import ToolFailed
from kanhw.flow.backend import Written
from kanhw.flow.testbench import testbench_for
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["VerilogBackend"]


class VerilogBackend:
    """Verilog by Amaranth.

    Its option ``interface`` is "stream" (default) or "axi4-stream"; ``name`` is that of the top
    module, of which all others' begin, and of the files ("kan"); ``testbench`` adds a testbench in
    Verilog: True for random codes, or an npz file or array of vectors as for ``kanhw.simulate``.
    """

    name = VERILOG
    converts_inputs = True
    options = ("interface", "name", "testbench")

    def write(self, program: Program, schedule: Schedule, options: Mapping[str, object]) -> Written:
        """The Verilog, a FuseSoC core and, for AXI4-Stream, a script for Vivado.

        Parameters
        ----------
        program, schedule
            What to compute, and how it is laid out.
        options
            ``interface``, ``name`` and ``testbench``, each of them or none.

        Raises
        ------
        InputError
            If there is no hardware for a layer or no such interface, or the name is no plain
            identifier of Verilog.
        ToolFailed
            If the Verilog cannot be written out.
        """
        from amaranth.back.verilog import YosysError

        from kanhw.gateware import generate_verilog
        from kanhw.gateware.top.generator import TOP

        interface = str(options.get("interface", STREAM))
        name = checked_identifier(options.get("name", TOP), "The name of a design")
        try:
            verilog = generate_verilog(program, schedule, interface, name)
        except YosysError as error:
            raise ToolFailed(
                f"Yosys, which Amaranth writes Verilog with, failed: {error}"
            ) from error
        # Nothing that is written says where it will lie.
        design = Design.of(Path(), schedule, verilog)
        packed = {name: text.encode() for name, text in package_files(design).items()}
        tested = testbench_for(program, design, options.get("testbench", False))
        packed |= tested
        first, rest = verilog.text.split("\n", 1)
        text = "\n".join([first, *comment_lines(program), rest])
        inputs, outputs = ([own.to_json() for own in each] for each in quantities_of(program))
        facts = {"formula": FORMULA, "inputs": inputs, "outputs": outputs}
        return Written(
            {design.verilog: text.encode(), **packed}, {**design.to_json(), "quantities": facts}
        )
