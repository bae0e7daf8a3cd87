"""Scripts for the tools: Tcl for Vivado HLS, Vitis HLS and Vivado, and a Makefile."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Target", "makefile", "tool_scripts"]


@dataclass(frozen=True)
class Target:
    """What a design is synthesised for.

    Parameters
    ----------
    part
        As the tools name it.
    clock_ns
        The period that is asked for.
    """

    part: str = "xczu7ev-ffvc1156-2-e"
    clock_ns: float = 4.0


def tool_scripts(name: str, target: Target) -> dict[str, str]:
    """Tcl by file name: an HLS run for either tool, and the implementation of what it wrote."""
    return {
        f"{name}_vivado_hls.tcl": _hls(name, target, "vivado_hls -f", ""),
        f"{name}_vitis_hls.tcl": _hls(
            name, target, "vitis-run --mode hls --tcl", " -flow_target vivado"
        ),
        f"{name}_vivado.tcl": _vivado(name, target),
    }


def _hls(name: str, target: Target, command: str, flow: str) -> str:
    vitis = bool(flow)
    project = f"{name}_{'vitis' if vitis else 'vivado'}_hls"
    flags = "-std=c++11" if vitis else "-std=c++0x"
    default = "" if vitis else " default"
    versions = (
        "Vitis HLS from 2022.1 on; before 2023.2 it is run by vitis_hls -f."
        if vitis
        else "Vivado HLS 2018.2 to 2019.2."
    )
    return f"""# {command} {project}.tcl
# C simulation, synthesis, co-simulation and export of an IP. {versions}
# Settings whose defaults differ between the tools are given here.
set here [file dirname [file normalize [info script]]]
open_project -reset {project}
set_top {name}
add_files "$here/{name}.cpp" -cflags "{flags}"
add_files -tb "$here/{name}_tb.cpp" -cflags "{flags}"
add_files -tb "$here/{name}_vectors.txt"
open_solution -reset solution{flow}
set_part {{{target.part}}}
create_clock -period {target.clock_ns:g} -name default
set_clock_uncertainty 12.5%{default}
config_compile -pipeline_loops 0
config_schedule -enable_dsp_full_reg=0
csim_design -argv "$here/{name}_vectors.txt"
csynth_design
cosim_design -argv "$here/{name}_vectors.txt"
export_design -format ip_catalog
exit
"""


def _vivado(name: str, target: Target) -> str:
    return f"""# vivado -mode batch -source {name}_vivado.tcl -tclargs FOLDER_WITH_VERILOG
# Out of context: from what an HLS tool wrote (solution/syn/verilog) to reports of utilisation,
# timing and power. Without activity of a simulation, power is the tool's vectorless estimate.
if {{[llength $argv] != 1}} {{
    puts stderr "name the folder with the Verilog, such as {name}_vitis_hls/solution/syn/verilog"
    exit 1
}}
set verilog [lindex $argv 0]
if {{[llength [glob -nocomplain "$verilog/*.v"]] == 0}} {{
    puts stderr "$verilog holds no Verilog: run an HLS tool first"
    exit 1
}}
read_verilog [glob "$verilog/*.v"]
# Values of tables lie beside the Verilog that reads them.
foreach table [glob -nocomplain "$verilog/*.dat"] {{ file copy -force $table . }}
synth_design -top {name} -part {target.part} -mode out_of_context
create_clock -period {target.clock_ns:g} -name ap_clk [get_ports ap_clk]
opt_design
place_design
phys_opt_design
route_design
report_utilization -file {name}_utilization.rpt
report_timing_summary -file {name}_timing.rpt
report_power -file {name}_power.rpt
exit
"""


def makefile(name: str) -> str:
    """A Makefile: ``make csim`` with a plain compiler, and the tools where they are installed."""
    upper, tab = name.upper(), "\t"
    return f"""# make csim HLS_INCLUDE=FOLDER runs the C++ on its vectors with a plain compiler.
# FOLDER has ap_int.h and hls_stream.h: the include folder of an HLS tool, or ap_types of the
# Python package hls4ml.
# make csim NATIVE=1 ... takes 64-bit integers in place of exact widths, and is faster.
CXX ?= g++
CXXFLAGS ?= -O1
BUILD := {name}_csim$(if $(NATIVE),_native)
SOURCES := {name}.cpp {name}_tb.cpp
HEADERS := {name}.h {name}_types.h {name}_tables.h {name}_layers.h

csim: $(BUILD)
{tab}./$(BUILD) {name}_vectors.txt

$(BUILD): $(SOURCES) $(HEADERS)
ifndef HLS_INCLUDE
{tab}$(error HLS_INCLUDE is not set: name the folder of ap_int.h and hls_stream.h, such as \\
{tab}HLS_INCLUDE=.../hls4ml/templates/vivado/ap_types after 'pip install hls4ml')
endif
{tab}$(CXX) $(CXXFLAGS) -std=c++11 -ffp-contract=off -Wno-unknown-pragmas \\
{tab}    $(if $(NATIVE),-D{upper}_NATIVE) \\
{tab}    -isystem $(HLS_INCLUDE) -o $@ $(SOURCES)

vivado_hls:
{tab}vivado_hls -f {name}_vivado_hls.tcl

vitis_hls:
{tab}vitis-run --mode hls --tcl {name}_vitis_hls.tcl

clean:
{tab}rm -f {name}_csim {name}_csim_native

.PHONY: csim vivado_hls vitis_hls clean
"""
