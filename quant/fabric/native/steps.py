"""Epochs by the kernel: the same as :class:`kanhw.quant.fabric.fitting.Fitter` by tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kanhw.quant.fabric.learned.merging import MERGED_EVERY
from kanhw.quant.fabric.learned.network import BIAS_FRACTION, Networks
from kanhw.quant.fabric.learned.structure import HIDDEN_REACH, LayerStructure
from kanhw.quant.fabric.learned.task import LEAST_ERROR, FabricTask
from kanhw.quant.fabric.native.library import kernel_library
from kanhw.targets.table_costs import MERGED_BITS, TRIED, WORTH

__all__ = ["NativeSteps", "native_steps"]

_TASKS = {"classification": 0, "binary": 1, "regression": 2}
_POOLING = {None: 0, "max": 1, "average": 2}
_FLOATS = ctypes.POINTER(ctypes.c_float)
_INTEGERS = ctypes.POINTER(ctypes.c_int)
_PLACES = ("coefficients", "bias", "address_bits", "fraction_bits", "code_bits", "low", "high")


class _Windows(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("n_in", "positions", "values", "channels")),
        ("index", _INTEGERS),
        ("channel", _INTEGERS),
        *((name, ctypes.c_int) for name in ("pool", "pooled", "area")),
        ("cells", _INTEGERS),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        ("n_in", ctypes.c_int),
        ("n_out", ctypes.c_int),
        ("count", ctypes.c_int),
        ("shared", ctypes.c_int),
        ("functions", _FLOATS),
        ("turned", _FLOATS),
        *((name, ctypes.c_int64) for name in _PLACES),
        ("times", ctypes.c_float),
        ("code_cost", ctypes.c_float),
        ("padded", _INTEGERS),
        ("windows", _Windows),
    )


class _Factors(ctypes.Structure):
    _fields_ = (
        ("table", ctypes.c_float * 10),
        ("adder", ctypes.c_float),
        ("adder_offset", ctypes.c_float),
        ("widest", ctypes.c_float),
    )


class _Merger(ctypes.Structure):
    _fields_ = (
        ("most", ctypes.c_float),
        ("worth", ctypes.c_float),
        ("tried", ctypes.c_int),
        ("every", ctypes.c_int),
    )


class _Problem(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.c_int),
        ("most", ctypes.c_int),
        ("task", ctypes.c_int),
        ("reference", ctypes.c_int),
        ("layer", ctypes.POINTER(_Layer)),
        ("reach", ctypes.c_float),
        ("bias_unit", ctypes.c_float),
        ("factors", _Factors),
        ("merges", ctypes.c_int),
        ("merger", _Merger),
        ("input_cost", ctypes.c_float),
        ("smooth", ctypes.c_float),
        ("smooth_last", ctypes.c_float),
        ("least_error", ctypes.c_float),
    )


class _Numbers:
    """The windows and the pooling of a layer, and the arrays that the kernel reads of them."""

    def __init__(self, layer: LayerStructure) -> None:
        reading, pool = layer.reading, layer.pool
        self.index = np.ascontiguousarray(reading.index, np.int32)
        self.channel = np.ascontiguousarray(reading.of_input, np.int32)
        cells = np.zeros((0, 1), np.int32) if pool is None else pool.index
        self.cells = np.ascontiguousarray(cells, np.int32)
        self.padded = np.ascontiguousarray(reading.padded, np.int32)
        self.made = _Windows(
            reading.n_in,
            reading.positions,
            len(reading.channels),
            reading.n_channels,
            self.index.ctypes.data_as(_INTEGERS),
            self.channel.ctypes.data_as(_INTEGERS),
            _POOLING[None if pool is None else pool.kind],
            *self.cells.shape,
            self.cells.ctypes.data_as(_INTEGERS),
        )


class NativeSteps:
    """A problem as the kernel takes it.

    Parameters
    ----------
    library
        The kernel.
    networks, task
        What is trained, towards what.
    smoothness
        Weights of the roughness of hidden layers, and of the last one.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        networks: Networks,
        task: FabricTask,
        smoothness: tuple[float, float],
    ) -> None:
        self.library = library
        structure, layout = networks.layout.structure, networks.layout
        # What the structures point to must live as long as they do.
        self._functions = [
            np.ascontiguousarray(layer.functions, np.float32) for layer in structure.layers
        ]
        self._turned = [
            np.ascontiguousarray(functions.transpose(0, 2, 1)) for functions in self._functions
        ]
        self._windows = [_Numbers(layer) for layer in structure.layers]
        places: dict[tuple[int, str], int] = {}
        start = 0
        for own in layout.parameters:
            places[own.layer, own.name] = start
            start += own.size
        factors = networks.cost
        layers = (_Layer * len(structure.layers))()
        for index, (layer, functions, turned, windows) in enumerate(
            zip(structure.layers, self._functions, self._turned, self._windows, strict=True)
        ):
            layers[index] = _Layer(
                layer.n_in,
                layer.n_out,
                functions.shape[2],
                int(len(functions) == 1),
                _floats(functions),
                _floats(turned),
                *(places.get((index, name), -1) for name in _PLACES),
                factors.times(layer.reading.positions),
                factors.saturator + factors.of_code(structure.work(index)),
                windows.padded.ctypes.data_as(_INTEGERS),
                windows.made,
            )
        self._layers = layers
        self.problem = _Problem(
            len(layers),
            structure.most_bits,
            _TASKS[task.name],
            -1 if task.reference is None else task.reference,
            layers,
            HIDDEN_REACH,
            float(1 << BIAS_FRACTION),
            _Factors(
                (ctypes.c_float * 10)(0.0, *factors.table),
                factors.adder,
                factors.adder_offset,
                factors.widest,
            ),
            int(networks.merging is not None),
            _Merger(MERGED_BITS, WORTH, TRIED, MERGED_EVERY),
            networks.input_cost(),
            *smoothness,
            LEAST_ERROR,
        )

    def gradient(self, row: Tensor, x: Tensor, y: Tensor, beta: float) -> Tensor:
        """``[size]``: of the loss of one network on samples."""
        own, inputs, targets = (_array(values) for values in (row, x, y))
        result = np.empty_like(own)
        self.library.kanhw_gradient(
            ctypes.byref(self.problem),
            _floats(own),
            ctypes.c_int64(own.size),
            _floats(inputs),
            _floats(targets),
            ctypes.c_int(len(inputs)),
            ctypes.c_float(beta),
            ctypes.c_int(True),
            _floats(result),
        )
        return torch.from_numpy(result)

    def epoch(
        self,
        row: Tensor,
        moments: tuple[Tensor, Tensor],
        done: int,
        samples: tuple[Tensor, Tensor],
        order: Tensor,
        rates: Sequence[Tensor],
        betas: Sequence[float],
    ) -> None:
        """Steps of one network, in place.

        Parameters
        ----------
        row, moments
            ``[size]`` each: its parameters, and Adam's means and squares.
        done
            Steps before these.
        samples
            All inputs and targets.
        order
            ``[steps, batch]``: which of them each step takes.
        rates
            ``[size]`` each: learning rates, and where parameters stay.
        betas
            ``[steps]``: weights of the cost.
        """
        x, y = (_array(values) for values in samples)
        chosen = np.ascontiguousarray(order.numpy(), np.int64)
        weights = np.array(betas, np.float32)
        arrays = [_array(own) for own in (row, *moments, *rates)]
        self.library.kanhw_steps(
            ctypes.byref(self.problem),
            *(_floats(own) for own in arrays[:3]),
            ctypes.c_int64(row.numel()),
            ctypes.c_int64(done),
            _floats(x),
            _floats(y),
            ctypes.c_int(x.shape[1]),
            ctypes.c_int(y.size // len(y)),
            chosen.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)),
            *map(ctypes.c_int, chosen.shape),
            *(_floats(own) for own in arrays[3:]),
            _floats(weights),
        )


def native_steps(
    networks: Networks, task: FabricTask, smoothness: tuple[float, float]
) -> NativeSteps | None:
    """The kernel; None where there is none."""
    library = kernel_library()
    return None if library is None else NativeSteps(library, networks, task, smoothness)


def _array(values: Tensor) -> np.ndarray:
    """A view of a tensor on the CPU, in float32."""
    if values.dtype != torch.float32:
        values = values.to(torch.float32)
    return np.ascontiguousarray(values.numpy())


def _floats(values: np.ndarray) -> object:
    return values.ctypes.data_as(_FLOATS)
