"""How data use the codes and the grid of a network's features."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.model.bases.grids import grid_ends
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.program import Program

__all__ = ["FeatureUse", "feature_uses"]


@dataclass(frozen=True, kw_only=True)
class FeatureUse:
    """What data make of one feature.

    Parameters
    ----------
    feature
        Its index.
    lowest, highest
        Of the data, in real units.
    values
        How many different values the data hold.
    codes
        How many different codes they become.
    available
        How many codes the feature has.
    read
        Whether any edge reads the feature.
    clipped
        Share of the data beyond the outermost codes, 0 to 1.
    outside
        Share of the data outside of the first layer's spline grid, 0 to 1; None where there is no
        such grid.
    """

    feature: int
    lowest: float
    highest: float
    values: int
    codes: int
    available: int
    read: bool
    clipped: float
    outside: float | None

    @property
    def constant(self) -> bool:
        """Whether all of its data are equal."""
        return self.lowest == self.highest

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**asdict(self), "constant": self.constant}


def feature_uses(model: KanModel, program: Program, x: FloatArray) -> tuple[FeatureUse, ...]:
    """Measure every feature on real features ``[N, n_in]``."""
    # The codes that the first layer reads; those of a format in front of them are mostly unused.
    encoder = program.grid
    beyond = encoder.saturated(x) | program.input.saturated(x)
    codes, clipped = encoder.encode(x), beyond.mean(axis=0)
    lo, hi = encoder.code_ends
    outside, read = _outside(model, x), _read(program)
    return tuple(
        FeatureUse(
            feature=i,
            lowest=float(x[:, i].min()),
            highest=float(x[:, i].max()),
            values=len(np.unique(x[:, i])),
            codes=len(np.unique(codes[:, i])),
            available=int(hi[i] - lo[i]) + 1,
            read=bool(read[i]),
            clipped=float(clipped[i]),
            outside=None if outside is None else float(outside[i]),
        )
        for i in range(x.shape[1])
    )


def _read(program: Program) -> npt.NDArray[np.bool_]:
    """Which features some edge reads; all of an image's are read somewhere."""
    layer = program.layers[0]
    if layer.window is not None or layer.active.shape[1] != program.n_in:
        return np.ones(program.n_in, np.bool_)
    return np.asarray(layer.active.any(axis=0), np.bool_)


def _outside(model: KanModel, x: FloatArray) -> FloatArray | None:
    """Shares ``[n_in]`` of the data outside of the first layer's grid."""
    layer = model.layers[0]
    if isinstance(layer, PoolLayer):
        return None
    own = layer.taps
    ends = grid_ends(own.basis)
    if ends is None:
        return None
    if isinstance(layer, KanLayer):
        z = layer.spline_input(x)
        beyond = (z < ends[:, 0]) | (z > ends[:, 1])
        return np.asarray(beyond.mean(axis=0), np.float64)
    return _outside_of_image(layer, ends, x)


def _outside_of_image(layer: ConvLayer, ends: FloatArray, x: FloatArray) -> FloatArray:
    """The same for a convolution: every pixel against the narrowest grid of its channel's taps."""
    channels, rows, columns = layer.window.shape
    by_channel, pixels = ends.reshape(channels, -1, 2), rows * columns
    lowest = np.repeat(by_channel[:, :, 0].max(axis=1), pixels)
    highest = np.repeat(by_channel[:, :, 1].min(axis=1), pixels)
    return np.asarray(((x < lowest) | (x > highest)).mean(axis=0), np.float64)
