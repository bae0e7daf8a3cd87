"""Codebooks: the splines of many edges as few shapes, each edge with a gain of its own."""

from kanhw.quant.codebook.clustering import Clusters, k_means
from kanhw.quant.codebook.storage import CodebookStorage, codebook_storage
from kanhw.quant.codebook.sums import quantize_codebook
from kanhw.quant.codebook.weights import CodebookWeights, codebook_weights

__all__ = [
    "Clusters",
    "CodebookStorage",
    "CodebookWeights",
    "codebook_storage",
    "codebook_weights",
    "k_means",
    "quantize_codebook",
]
