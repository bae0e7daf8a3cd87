"""C++ for HLS tools: the back end `hls`, its simulation, and reports of the tools."""

from kanhw.hls.reports.report import HlsReport, read_report

__all__ = ["HlsReport", "read_report"]
