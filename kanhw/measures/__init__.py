"""What a quantization did to a network, measured on data: errors, codes in use, and advice."""

from kanhw.measures.features import FeatureUse
from kanhw.measures.outputs import OutputError, TargetError
from kanhw.measures.quality import Quality, quality
from kanhw.measures.text import quality_lines

__all__ = [
    "FeatureUse",
    "OutputError",
    "Quality",
    "TargetError",
    "quality",
    "quality_lines",
]
