"""From a frozen network to a Program, held to the network on data: level 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.quant.fabric.learned.network import EvaluatedLayer, Networks
from kanhw.quant.fabric.learned.structure import HIDDEN_REACH
from kanhw.quant.fabric.learned.tables import round_half_up
from kanhw.quant.fabric.learned.task import FabricTask

__all__ = ["lowered", "unequal_values"]


def lowered(networks: Networks, row: Tensor, task: FabricTask) -> Program:
    """The Program of a frozen network ``[size]``."""
    with torch.no_grad():
        layers = networks.evaluate(row[None])
    encoder = _encoder(networks, layers[0])
    made, width = [], encoder.format.width
    for index, layer in enumerate(layers):
        name = networks.layout.structure.layers[index].name
        if index == len(layers) - 1:
            own = _outputs(layer, task)
        else:
            own = _hidden(layer, bits_read=_integers(layers[index + 1].address_bits).max(axis=0))
        units, join = own
        tables = _tables(layer, units, _read(layer, width, first=index == 0))
        made.append(EdgeTableLayer(tables, (join,), name))
        if join.format is not None:
            width = join.format.width
    program = Program(tuple(made), encoder, source=networks.layout.structure.source)
    return program if task.reference is None else _with_reference(program, task)


def unequal_values(
    networks: Networks, row: Tensor, task: FabricTask, program: Program, x: FloatArray
) -> int:
    """How many codes and outputs of a Program differ from the network's on inputs ``[N, n_in]``.

    The network reads the codes that the Program's encoder makes of x.
    """
    codes = program.input.encode(x)
    streams = program.activations(codes)
    with torch.no_grad():
        layers = networks.evaluate(row[None])
        u = torch.tensor((codes + 0.5) / (1 << program.input.format.width), dtype=row.dtype)[None]
        wrong = 0
        for index, layer in enumerate(layers):
            sums = networks.sums(layer, u)
            if index == len(layers) - 1:
                break
            read = _integers(layers[index + 1].address_bits).max(axis=0)
            u = (sums + HIDDEN_REACH) / (2 * HIDDEN_REACH)
            # Computed as the network computes it: the finest code, cut to what is read.
            most = networks.layout.structure.most_bits
            fine = torch.floor(u[0] * (1 << most)).clamp(0, (1 << most) - 1).long().numpy()
            wrong += int((fine >> (most - read) != streams[index][0]).sum())
        scale = program.layers[-1].requantizers[0].scale
        unit = task.scale if scale is None else scale / task.scale
        expected = task.whole(sums)[0].double().numpy() / unit
    return wrong + int((expected != streams[-1][0]).sum())


def _encoder(networks: Networks, layer: EvaluatedLayer) -> InputEncoder:
    """Every feature that is read has all codes, of which its tables read the upper bits.

    With fewer codes than the format has, tables would contain a clamp, and depend on all bits.
    """
    structure, own = networks.layout.structure, layer.parameters
    bits = _integers(layer.address_bits).max(axis=0)
    width = max(int(bits.max()), 1)
    reach = structure.high - structure.low
    low, high = (_reals(end)[0] for end in (own.low, own.high))
    scale = reach * (high - low) / np.where(bits > 0, 1 << width, 1)
    return InputEncoder(
        CodeFormat(width, signed=False),
        structure.n_in,
        scale=scale,
        lo=np.zeros(len(bits), np.int64),
        hi=np.where(bits > 0, (1 << width) - 1, 0),
        offset=structure.low + reach * low + scale / 2,
    )


def _read(layer: EvaluatedLayer, width: int, *, first: bool) -> IntArray:
    """``[n_in, 2**width]``: of every code the bits that are read, as a number.

    Inputs have all codes, hidden neurons no more than are read.
    """
    bits = _integers(layer.address_bits).max(axis=0)[:, None]
    codes = np.arange(1 << width)
    result: IntArray = codes >> (width - bits) if first else np.minimum(codes, (1 << bits) - 1)
    return result


def _hidden(layer: EvaluatedLayer, bits_read: IntArray) -> tuple[FloatArray, Requantizer]:
    """Units of the sums ``[n_out]``, and the codes that are made of them."""
    steps = np.ldexp(2 * HIDDEN_REACH, -bits_read)
    finest = np.ldexp(1.0, -_fractions(layer))
    # One shift for all: as many bits below a code as the finest sums have.
    shift = int(max((np.frexp(steps / finest)[1] - 1).max(), 0))
    units = steps / (1 << shift)
    # Sums are multiples of the finest step: what the bias has below that, or below a code where
    # sums are coarser than codes, is never seen.
    grain = np.minimum(finest, steps)
    bias = np.floor((_reals(layer.bias())[0] + HIDDEN_REACH) / grain) * grain / units
    half = 1 << shift >> 1
    join = Requantizer(
        multipliers=np.ones((1, len(units)), np.int64),
        bias=bias.astype(np.int64) - half,
        shift=shift,
        format=CodeFormat(max(int(bits_read.max()), 1), signed=False),
        scale=steps,
        lo=np.zeros(len(units), np.int64),
        hi=(1 << bits_read) - 1,
        offset=steps / 2 - HIDDEN_REACH,
    )
    return units, join


def _outputs(layer: EvaluatedLayer, task: FabricTask) -> tuple[FloatArray, Requantizer]:
    """Units of the sums, and the sums handed out: comparable ones, or each in its own unit."""
    units = np.ldexp(1.0, -_fractions(layer))
    if task.name != "regression":
        units = np.full_like(units, units.min())
    bias = np.floor(_reals(layer.bias())[0] / units + 0.5).astype(np.int64)
    scale, offset = task.scale[task.learned], task.offset[task.learned]
    join = Requantizer(
        np.ones((1, len(units)), np.int64), bias, scale=units * scale, offset=offset
    )
    return units, join


def _fractions(layer: EvaluatedLayer) -> IntArray:
    """``[n_out]``: fraction bits of the finest table of every sum."""
    return _integers(layer.parameters.fraction_bits.amax(-1))


def _tables(layer: EvaluatedLayer, units: FloatArray, codes: IntArray) -> IntArray:
    """``[n_out, n_in, 2**width]`` in units of every sum, by the bits that are read of each code."""
    tables = _reals(layer.tables)[0]
    bits = _integers(layer.address_bits).max(axis=0)
    most = tables.shape[-1].bit_length() - 1
    entries = codes << (most - bits)[:, None]
    taken = np.take_along_axis(tables, np.broadcast_to(entries, (len(tables), *entries.shape)), 2)
    result: IntArray = np.floor(taken / units[:, None, None] + 0.5).astype(np.int64)
    return result


def _with_reference(program: Program, task: FabricTask) -> Program:
    """The same with the class whose output is always 0."""
    last = program.layers[-1]
    if not isinstance(last, EdgeTableLayer) or task.reference is None:
        raise TypeError("Only edge tables have a reference class")
    join, at = last.requantizers[0], task.reference
    scale = None if join.scale is None else np.insert(join.scale, at, join.scale[0])
    whole = Requantizer(
        np.ones((1, task.outputs), np.int64), np.insert(join.bias, at, 0), scale=scale
    )
    layer = EdgeTableLayer(np.insert(last.tables, at, 0, axis=0), (whole,), last.name)
    return replace(program, layers=(*program.layers[:-1], layer))


def _integers(values: Tensor) -> IntArray:
    """The first network's, rounded."""
    result: IntArray = _reals(round_half_up(values))[0].astype(np.int64)
    return result


def _reals(values: Tensor | None) -> FloatArray:
    if values is None:
        raise TypeError("The first layer has no ranges")
    result: FloatArray = values.detach().double().cpu().numpy()
    return result
