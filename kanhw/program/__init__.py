"""The integer contract: what quantization ends in and every back end must reproduce."""

from kanhw.program.codebook_layer import CodebookLayer
from kanhw.program.evaluator_layer import SplineEvaluatorLayer
from kanhw.program.heads import join_heads
from kanhw.program.intervals import Interval
from kanhw.program.layers import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    EdgeTableLayer,
    ProgramLayer,
)
from kanhw.program.norm_layer import NormLayer
from kanhw.program.product_layer import ProductLayer
from kanhw.program.program import InputEncoder, Program
from kanhw.program.requantizer import Requantizer
from kanhw.program.resident_layer import HeadFormats, ResidentLayer
from kanhw.program.storage import (
    PROGRAM_FORMAT,
    is_program_file,
    load_program,
    program_bytes,
    save_program,
)
from kanhw.program.window_layers import ConvolutionLayer, PoolingLayer

__all__ = [
    "PROGRAM_FORMAT",
    "BasisTableLayer",
    "BranchEdgeTableLayer",
    "CodebookLayer",
    "ConvolutionLayer",
    "EdgeTableLayer",
    "HeadFormats",
    "InputEncoder",
    "Interval",
    "NormLayer",
    "PoolingLayer",
    "ProductLayer",
    "Program",
    "ProgramLayer",
    "Requantizer",
    "ResidentLayer",
    "SplineEvaluatorLayer",
    "is_program_file",
    "join_heads",
    "load_program",
    "program_bytes",
    "save_program",
]
