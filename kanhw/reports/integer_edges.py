"""The edges of a layer as integer functions, in the units of its joined sum."""

from __future__ import annotations

from functools import reduce

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.program import ProgramLayer, Requantizer
from kanhw.reports.kinds.record import EdgeFunctions
from kanhw.reports.streams import CodeStream
from kanhw.windows import Window

__all__ = ["IntegerEdges"]


class IntegerEdges:
    """The integer edge functions of one layer, and the real units that they stand for.

    Parameters
    ----------
    layer
        The layer of edges: of windows, that of one of them.
    functions
        What its kind says of its edges.
    streams
        In front of it.
    window
        Of a convolution.
    """

    def __init__(
        self,
        layer: ProgramLayer,
        functions: EdgeFunctions,
        streams: tuple[CodeStream, ...],
        window: Window | None,
    ) -> None:
        self.layer, self._functions, self.window = layer, functions, window
        self._requantizer: Requantizer = layer.requantizers[0]
        self.shared = len(set(layer.streams)) == 1
        # Branches that share their codes are one trace.
        read = [streams[s] for s in (layer.streams[:1] if self.shared else layer.streams)]
        if window is not None:
            read = [stream.of_taps(window) for stream in read]
        self.positions = [stream.positions() for stream in read]
        self.held = [stream.held() for stream in read]
        self.is_real = self.y_is_real and all(stream.is_real for stream in read)

    @property
    def y_is_real(self) -> bool:
        """Whether it is known what the joined sum stands for."""
        return self._requantizer.scale is not None

    @property
    def unit(self) -> FloatArray:
        """Real value of 1 in the joined sum t, per output."""
        if self._requantizer.scale is None:
            return np.ones(self.layer.n_out)
        unit: FloatArray = self._requantizer.scale / 2.0**self._requantizer.shift
        return unit

    @property
    def step_name(self) -> str:
        """What one LSB is; see :class:`LayerCurves`."""
        if self._functions.peaks is None:
            return "table step"
        handed_out = self._requantizer.format is None
        return "weight step" if handed_out else "step of the layer's output code"

    def steps(self) -> FloatArray:
        """Real value of one LSB, per trace and output."""
        factors = np.abs(self._requantizer.multipliers)
        if self._functions.peaks is not None:
            if self._requantizer.format is not None:
                factors = np.full_like(factors, 1 << self._requantizer.shift)
            else:
                peaks = self._functions.peaks(self.layer)
                factors = factors * np.array(peaks)[:, np.newaxis]
        if self.shared:
            factors = factors.max(axis=0, keepdims=True)
        steps: FloatArray = self.unit * np.maximum(factors, 1)
        return steps

    def branches(self, i: int) -> list[IntArray]:
        """Contributions ``[n_out, A]`` of input i to t, one per trace."""
        factors = self._requantizer.multipliers[:, :, np.newaxis]
        values = self._functions.values(self.layer, i)
        branches = [factor * own for factor, own in zip(factors, values, strict=True)]
        return [reduce(np.add, branches)] if self.shared else branches

    @property
    def trace_names(self) -> tuple[str, ...]:
        """The branches that are drawn apart."""
        return ("edge",) if self.shared else self.layer.branches

    def tap(self, i: int) -> tuple[int, int, int] | None:
        """Where in the window an input is."""
        if self.window is None:
            return None
        rows, columns = self.window.size
        return i // (rows * columns), i // columns % rows, i % columns
