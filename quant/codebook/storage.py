"""What codebooks take to store, to the bit, beside dense weights of 4 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray, format_for
from kanhw.quant.config import QuantConfig
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.model import QuantModel

__all__ = ["CodebookStorage", "codebook_storage"]

_DENSE_BITS = 4
_FLOAT_BITS = 32


@dataclass(frozen=True, kw_only=True)
class CodebookStorage:
    """Bits of the codebook layers of one network, or of several that share codebooks.

    What belongs to an edge counts for the float network's active edges, whatever it was rounded to.
    Dense weights are counted without the tables of bases that they need.

    Parameters
    ----------
    edges
        Active edges (a number, not bits).
    shapes
        Every codebook once, however many layers and networks share it.
    indices, gains, biases
        What tells an edge's function from others.
    base_weights
        Of the base branches that are no part of the shapes.
    tables
        The tabulated base activations and offsets.
    dense_int4
        All weights of the same edges in 4 bits.
    float32
        The same in 32 bits.
    """

    edges: int
    shapes: int
    indices: int
    gains: int
    biases: int
    base_weights: int
    tables: int
    dense_int4: int
    float32: int

    @property
    def total(self) -> int:
        """All that is stored."""
        edges = self.indices + self.gains + self.biases + self.base_weights
        return self.shapes + edges + self.tables

    @property
    def compression_over_int4(self) -> float:
        """How many times as much dense weights of 4 bits take; below 1 they take less."""
        return self.dense_int4 / self.total

    @property
    def compression_over_float32(self) -> float:
        """How many times as much the float weights take."""
        return self.float32 / self.total

    def __str__(self) -> str:
        """All parts in a line each, dense weights of 4 bits beside them."""
        parts = ("shapes", "indices", "gains", "biases", "base_weights", "tables", "total")
        lines = [_line(part.replace("_", " "), getattr(self, part)) for part in parts]
        for name, bits in (("dense INT4", self.dense_int4), ("float32", self.float32)):
            lines.append(f"{_line(name, bits)}, {bits / self.total:.2f} times the total")
        return "\n".join(lines)


def _line(name: str, bits: int) -> str:
    return f"{name:<13}{bits:>12} bits"


def codebook_storage(models: QuantModel | Sequence[QuantModel]) -> CodebookStorage:
    """Count the codebook layers of a quantized network, or of several that share codebooks.

    Widths are those that the config asked for; an index has the bits that its codebook's number of
    shapes needs.

    Raises
    ------
    InputError
        If there is no codebook layer.
    """
    given = [models] if isinstance(models, QuantModel) else list(models)
    counted = dict.fromkeys(
        ("edges", "indices", "gains", "biases", "base_weights", "tables", "weights"), 0
    )
    codebooks: dict[tuple[tuple[int, ...], bytes], int] = {}
    for model in given:
        for layer in model.layers:
            taps = layer.taps if isinstance(layer, QuantConvolution) else layer
            if not isinstance(taps, QuantCodebook):
                continue
            config = model.config.for_layer(taps.name)
            key = taps.shapes.shape, taps.shapes.tobytes()
            codebooks[key] = taps.shapes.size * config.codebook.shape_bits
            for part, number in _of_layer(taps, config).items():
                counted[part] += number
    if not codebooks:
        raise InputError("There is no codebook layer: quantize with realisation='codebook'")
    weights = counted.pop("weights")
    return CodebookStorage(
        shapes=sum(codebooks.values()),
        dense_int4=weights * _DENSE_BITS,
        float32=weights * _FLOAT_BITS,
        **counted,
    )


def _of_layer(layer: QuantCodebook, config: QuantConfig) -> dict[str, int]:
    edges = layer.edges
    index_bits = (len(layer.shapes) - 1).bit_length()
    has_base = bool(layer.base.codes.any())
    tables = 0
    if has_base:
        tables += _distinct(layer.base_tables) * config.base_table_bits
    if layer.offsets is not None:
        lo, hi = int(layer.offsets.min()), int(layer.offsets.max())
        tables += _distinct(layer.offsets) * format_for(lo, hi, signed=lo < 0).width
    return {
        "edges": edges,
        "indices": edges * index_bits,
        "gains": edges * config.codebook.gain_bits * (config.codebook.gain != "none"),
        "biases": edges * config.codebook.bias_bits * (layer.biases is not None),
        "base_weights": edges * config.weight_bits[1] * has_base,
        "tables": tables,
        "weights": edges * layer.weights_per_edge,
    }


def _distinct(tables: IntArray) -> int:
    """Entries of the different tables of ``[n_in, depth]``."""
    return int(np.unique(tables, axis=0).size)
