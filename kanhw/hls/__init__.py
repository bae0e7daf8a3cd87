"""C++ for HLS tools: the back end `hls`, its simulation, FP32 baselines, reports of the tools."""

from kanhw.hls.baseline.cpp import float_sources
from kanhw.hls.baseline.reference import run_float32
from kanhw.hls.reports.report import HlsReport, read_report

__all__ = ["HlsReport", "float_sources", "read_report", "run_float32"]
