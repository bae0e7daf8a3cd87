"""Reports: the data of a finished design first, then what a terminal and a browser show of it."""

from kanhw.reports.curves import EdgePlot, LayerCurves, Trace, network_curves
from kanhw.reports.html import write_html
from kanhw.reports.layer_facts import LayerFacts
from kanhw.reports.picture import readme_picture
from kanhw.reports.scores import Score
from kanhw.reports.summary import Summary, summarise
from kanhw.reports.terminal import summary_table, summary_text

__all__ = [
    "EdgePlot",
    "LayerCurves",
    "LayerFacts",
    "Score",
    "Summary",
    "Trace",
    "network_curves",
    "readme_picture",
    "summarise",
    "summary_table",
    "summary_text",
    "write_html",
]
