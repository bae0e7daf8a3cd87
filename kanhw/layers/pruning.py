"""Taking edges out of a network, and with each the edges that it made useless."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray

__all__ = ["EdgeRemoval"]

BoolArray = npt.NDArray[np.bool_]

class EdgeRemoval:
    """Takes edges out of a network one at a time, and with each the edges that it made useless.

    ``masks[l]`` [out, in] is True for the edges of layer l that are left.
    """

    def __init__(self, masks: list[BoolArray]) -> None:
        self.masks = masks
        self._feeding = [mask.sum(axis=1) for mask in masks]  # edges into each output
        self._reading = [mask.sum(axis=0) for mask in masks]  # edges out of each input
        self.count = sum(int(mask.sum()) for mask in masks)
        for left, right in pairwise(range(len(masks))):
            for unit in range(len(self._feeding[left])):
                if not self._feeding[left][unit] or not self._reading[right][unit]:
                    self._remove_unit(left, unit)

    def remove_constant(self, constant: list[BoolArray]) -> None:
        """Remove the edges out of inputs that ``constant[l]`` [in] marks."""
        for layer, marks in enumerate(constant):
            for j, i in np.argwhere(self.masks[layer] & marks):
                self._remove(layer, int(j), int(i))

    def remove_least(self, importance: list[FloatArray], edge_count: int) -> None:
        """Remove edges by rising importance until at most ``edge_count`` are left."""
        edges = [(layer, j, i) for layer, m in enumerate(self.masks) for j, i in np.argwhere(m)]
        ranks = np.concatenate([v[m] for v, m in zip(importance, self.masks, strict=True)])
        for place in np.argsort(ranks, kind="stable"):
            if self.count <= edge_count:
                return
            self._remove(*edges[place])

    def _remove_unit(self, left: int, unit: int) -> None:
        """Remove every edge into and out of a unit between layer ``left`` and the next."""
        for edge in self._unit_edges(left, unit):
            self._remove(*edge)

    def _unit_edges(self, left: int, unit: int) -> list[tuple[int, int, int]]:
        into = [(left, unit, int(i)) for i in np.flatnonzero(self.masks[left][unit])]
        return into + [
            (left + 1, int(j), unit) for j in np.flatnonzero(self.masks[left + 1][:, unit])
        ]

    def _remove(self, layer: int, j: int, i: int) -> None:
        waiting = [(layer, j, i)]
        while waiting:
            layer, j, i = waiting.pop()
            if not self.masks[layer][j, i]:
                continue
            self.masks[layer][j, i] = False
            self.count -= 1
            self._feeding[layer][j] -= 1
            self._reading[layer][i] -= 1
            if not self._reading[layer][i] and layer > 0:
                waiting += self._unit_edges(layer - 1, i)
            if not self._feeding[layer][j] and layer + 1 < len(self.masks):
                waiting += self._unit_edges(layer, j)
