"""The back end ``verilog``: one file of Verilog, and scripts that pack it for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kanhw.design.design import VERILOG, Design
from kanhw.design.identifiers import checked_identifier
from kanhw.design.packaging import package_files
from kanhw.design.wires import STREAM
from kanhw.errors import ToolFailed
from kanhw.flow.backend import Written
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["VerilogBackend"]


class VerilogBackend:
    """Verilog by Amaranth.

    Its option ``interface`` is "stream" (default) or "axi4-stream"; ``name`` is that of the top
    module, of which all others' begin, and of the files ("kan").
    """

    name = VERILOG
    options = ("interface", "name")

    def write(self, program: Program, schedule: Schedule, options: Mapping[str, object]) -> Written:
        """The Verilog, a FuseSoC core and, for AXI4-Stream, a script for Vivado.

        Parameters
        ----------
        program, schedule
            What to compute, and how it is laid out.
        options
            ``interface`` and ``name``, or nothing.

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
        return Written({design.verilog: verilog.text.encode(), **packed}, design.to_json())
