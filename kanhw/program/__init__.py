"""The integer contract: what quantization ends in and every back end must reproduce."""

from kanhw.program.code_ranges import with_code_ranges
from kanhw.program.conversion.format_fit import fit_warnings
from kanhw.program.conversion.input_conversion import InputConversion
from kanhw.program.conversion.with_formats import with_formats
from kanhw.program.encoder import InputEncoder
from kanhw.program.intervals import Interval
from kanhw.program.join_heads import join_heads
from kanhw.program.kinds.basis_table import BasisTableLayer
from kanhw.program.kinds.branch_edge_table import BranchEdgeTableLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.edge_table import EdgeTableLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.norm import NormLayer
from kanhw.program.kinds.pooling import PoolingLayer
from kanhw.program.kinds.product import ProductLayer
from kanhw.program.kinds.resident import HeadFormats, ResidentLayer
from kanhw.program.kinds.spline_evaluator import SplineEvaluatorLayer
from kanhw.program.labels import Labels
from kanhw.program.program import Program
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
    "BranchEdgeTableLayer",
    "CodebookLayer",
    "ConvolutionLayer",
    "EdgeTableLayer",
    "HeadFormats",
    "InputConversion",
    "InputEncoder",
    "Interval",
    "Labels",
    "NormLayer",
    "PoolingLayer",
    "ProductLayer",
    "Program",
    "ProgramLayer",
    "Requantizer",
    "ResidentLayer",
    "SplineEvaluatorLayer",
    "fit_warnings",
    "is_program_file",
    "join_heads",
    "load_program",
    "program_bytes",
    "save_program",
    "with_code_ranges",
    "with_formats",
]
