"""Streams of codes between the layers of a Program, and what their codes stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.program import InputEncoder, Program, Requantizer
from kanhw.windows import Window

__all__ = ["CodeStream", "layer_streams"]


@dataclass(frozen=True, eq=False)
class CodeStream:
    """Codes of n features that a layer is given.

    Parameters
    ----------
    format
        Of every code.
    scale
        ``[n]``: the real value is ``scale * (q - zero_point)``; None where it is not known.
    zero_point
        ``[n]``.
    lo, hi
        ``[n]``: the codes that occur; others of the format do not.
    """

    format: CodeFormat
    scale: FloatArray | None
    zero_point: IntArray
    lo: IntArray
    hi: IntArray

    @classmethod
    def made_by(cls, maker: InputEncoder | Requantizer) -> CodeStream:
        """The codes that the host, or a requantizer, makes."""
        format = maker.format if isinstance(maker, InputEncoder) else maker.output_format
        zero_point = np.zeros(1, np.int64) if maker.zero_point is None else maker.zero_point
        return cls(format, maker.scale, zero_point, *maker.code_ends)

    @property
    def is_real(self) -> bool:
        """Whether it is known what the codes stand for."""
        return self.scale is not None

    def positions(self) -> FloatArray:
        """What every code of every feature stands for, ``[A, n]``; the codes if not known."""
        codes = np.repeat(self.format.codes()[:, np.newaxis], len(self.zero_point), axis=1)
        if self.scale is None:
            return codes.astype(np.float64)
        reals: FloatArray = self.scale * (codes - self.zero_point)
        return reals

    def held(self) -> npt.NDArray[np.bool_]:
        """Which codes of every feature occur, ``[A, n]``."""
        codes = self.format.codes()[:, np.newaxis]
        return np.asarray((codes >= self.lo) & (codes <= self.hi), np.bool_)

    def of_taps(self, window: Window) -> CodeStream:
        """What the taps of a window read, feature by feature.

        A tap reads many pixels: where these have scales of their own, it has none.
        """
        taps = window.size[0] * window.size[1]
        zero_points = self.zero_point.reshape(window.shape[0], -1)
        zero_point = zero_points[:, 0].repeat(taps)
        lo = self.lo.reshape(window.shape[0], -1).min(axis=1).repeat(taps)
        hi = self.hi.reshape(window.shape[0], -1).max(axis=1).repeat(taps)
        if self.scale is None:
            return CodeStream(self.format, None, zero_point, lo, hi)
        scales = self.scale.reshape(window.shape[0], -1)
        alike = (scales == scales[:, :1]).all() and (zero_points == zero_points[:, :1]).all()
        scale = scales[:, 0].repeat(taps) if alike else None
        return CodeStream(self.format, scale, zero_point, lo, hi)


def layer_streams(program: Program) -> list[tuple[CodeStream, ...]]:
    """The streams in front of every layer: what the one before makes, then what it passes on."""
    streams: tuple[CodeStream, ...] = (CodeStream.made_by(program.grid),)
    before = []
    for layer in program.layers:
        before.append(streams)
        own = tuple(CodeStream.made_by(r) for r in layer.requantizers)
        streams = own + tuple(streams[p] for p in layer.passes)
    return before
