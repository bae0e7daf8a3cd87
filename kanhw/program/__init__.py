"""The integer contract: what quantization ends in and every back end must reproduce."""

from kanhw.program.intervals import Interval
from kanhw.program.layers import BasisTableLayer, EdgeTableLayer, ProgramLayer
from kanhw.program.program import InputEncoder, Program
from kanhw.program.requantizer import Requantizer
from kanhw.program.storage import (
    PROGRAM_FORMAT,
    is_program_file,
    load_program,
    program_bytes,
    save_program,
)

__all__ = [
    "PROGRAM_FORMAT",
    "BasisTableLayer",
    "EdgeTableLayer",
    "InputEncoder",
    "Interval",
    "Program",
    "ProgramLayer",
    "Requantizer",
    "is_program_file",
    "load_program",
    "program_bytes",
    "save_program",
]
