"""Simulating designs and proving that they compute what their Programs compute."""

from kanhw.design.packing import pack_codes, payload_ints, unpack_codes
from kanhw.sim.cocotb_run import SimulationRun, run_cocotb
from kanhw.sim.equivalence import EquivalenceReport, check_design, golden_outputs
from kanhw.sim.fast import FastRun, run_fast
from kanhw.sim.mismatches import Mismatch
from kanhw.sim.netlist import netlist_design
from kanhw.sim.vectors import Integers, Vectors, checked_vectors, read_vectors, stimulus
from kanhw.tools.simulators import Simulator, find_simulator

__all__ = [
    "EquivalenceReport",
    "FastRun",
    "Integers",
    "Mismatch",
    "SimulationRun",
    "Simulator",
    "Vectors",
    "check_design",
    "checked_vectors",
    "find_simulator",
    "golden_outputs",
    "netlist_design",
    "pack_codes",
    "payload_ints",
    "read_vectors",
    "run_cocotb",
    "run_fast",
    "stimulus",
    "unpack_codes",
]
