"""Codebooks: the splines of many edges as few shapes, each edge with a gain of its own."""

from kanhw.quant.codebook.clustering import Clusters, k_means
from kanhw.quant.codebook.heads import lower_heads, quantize_heads
from kanhw.quant.codebook.storage import CodebookStorage, codebook_storage
from kanhw.quant.codebook.sums import quantize_codebook
from kanhw.quant.codebook.tuning import fine_tune
from kanhw.quant.codebook.weights import CodebookWeights, codebook_weights

__all__ = [
    "Clusters",
    "CodebookStorage",
    "CodebookWeights",
    "codebook_storage",
    "codebook_weights",
    "fine_tune",
    "k_means",
    "lower_heads",
    "quantize_codebook",
    "quantize_heads",
]
