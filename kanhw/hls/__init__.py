"""C++ for HLS tools: the back end `hls`, its simulation, FP32 baselines, a model, reports."""

from kanhw.hls.baseline.cpp import float_sources
from kanhw.hls.baseline.reference import run_float32
from kanhw.hls.model.design_model import model_of
from kanhw.hls.model.floating import model_of_float
from kanhw.hls.reports.report import HlsReport, read_report

__all__ = [
    "HlsReport",
    "float_sources",
    "model_of",
    "model_of_float",
    "read_report",
    "run_float32",
]
