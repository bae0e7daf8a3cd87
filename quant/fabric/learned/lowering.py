"""From a frozen network to a Program, held to the network on data: level 1."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    PoolingLayer,
    Program,
    ProgramLayer,
    Requantizer,
)
from kanhw.quant.fabric.learned.network import EvaluatedLayer, Networks, samples_at_once
from kanhw.quant.fabric.learned.pooling import Pool
from kanhw.quant.fabric.learned.structure import HIDDEN_REACH
from kanhw.quant.fabric.learned.tables import round_half_up
from kanhw.quant.fabric.learned.task import FabricTask

__all__ = ["lowered", "unequal_values"]


def lowered(networks: Networks, row: Tensor, task: FabricTask) -> Program:
    """The Program of a frozen network ``[size]``."""
    with torch.no_grad():
        layers = networks.evaluate(row[None])
    structure = networks.layout.structure
    most, read = structure.most_bits, _bits_read(layers[0])
    encoder = _encoder(networks, layers[0], read)
    entries = _entries_of_inputs(encoder.format.width, most, len(read))
    made: list[ProgramLayer] = []
    for layer, after in pairwise(layers):
        read = _bits_read(after)
        bits = _code_bits(layer, read)
        units, join = _hidden(layer, bits)
        made.append(_edges(layer, units, entries, join))
        if layer.structure.pool is not None:
            pooling = _pooling(layer.structure.pool, join, bits, read)
            join = pooling.requantizers[0]
            made.append(pooling)
        entries = _entries_of_codes(read, join.output_format.width, most)
    last, (units, join) = layers[-1], _outputs(layers[-1], task)
    made.append(_edges(last, units, entries, join))
    program = Program(tuple(made), encoder, source=structure.source)
    return program if task.reference is None else _with_reference(program, task)


def unequal_values(
    networks: Networks, row: Tensor, task: FabricTask, program: Program, x: FloatArray
) -> int:
    """How many codes and outputs of a Program differ from the network's on inputs ``[N, n_in]``.

    The network reads the codes that the Program's encoder makes of x.
    """
    with torch.no_grad():
        layers = networks.evaluate(row[None])
        step = samples_at_once(layers, 1)
        parts = (x[start : start + step] for start in range(0, len(x), step))
        return sum(_unequal_of(networks, layers, task, program, part) for part in parts)


def _unequal_of(
    networks: Networks,
    layers: list[EvaluatedLayer],
    task: FabricTask,
    program: Program,
    x: FloatArray,
) -> int:
    codes = program.input.encode(x)
    streams = iter(program.activations(codes))
    most, wrong = networks.layout.structure.most_bits, 0
    shares = (codes + 0.5) / (1 << program.input.format.width)
    u = torch.tensor(shares, dtype=layers[0].tables.dtype)[None]
    for layer, after in pairwise(layers):
        sums, read = networks.sums(layer, u), _bits_read(after)
        if layer.structure.pool is not None:
            fine = (sums + HIDDEN_REACH) / (2 * HIDDEN_REACH)
            bits = np.repeat(_code_bits(layer, read), layer.structure.reading.positions)
            wrong += _unequal(fine, bits, most, next(streams)[0])
        u = networks.shares(layer, sums)
        wrong += _unequal(u, read[layer.structure.channels], most, next(streams)[0])
    scale = program.layers[-1].requantizers[0].scale
    unit = task.scale if scale is None else scale / task.scale
    expected = task.whole(networks.sums(layers[-1], u))[0].double().numpy() / unit
    return wrong + int((expected != next(streams)[0]).sum())


def _unequal(u: Tensor, bits: IntArray, most: int, codes: IntArray) -> int:
    """Codes of so many bits ``[values]`` that are not those of shares.

    Computed as the network computes it: the finest code, cut to what is read.
    """
    fine = torch.floor(u[0] * (1 << most)).clamp(0, (1 << most) - 1).long().numpy()
    return int((fine >> (most - bits) != codes).sum())


def _bits_read(layer: EvaluatedLayer) -> IntArray:
    """``[channels]``: upper bits of each channel before a layer that some edge reads."""
    return _integers(layer.structure.reading.by_channel(layer.address_bits.amax(1)))


def _code_bits(layer: EvaluatedLayer, read: IntArray) -> IntArray:
    """``[n_out]``: bits of the codes behind a hidden layer's sums: what is read, or averaged."""
    pool, own = layer.structure.pool, layer.parameters.code_bits
    if own is None or pool is None or not pool.rounds:
        return read
    return np.where(read > 0, _integers(own), read)


def _encoder(networks: Networks, layer: EvaluatedLayer, bits: IntArray) -> InputEncoder:
    """Every channel that is read has all codes, of which its tables read the upper bits.

    With fewer codes than the format has, tables would contain a clamp, and depend on all bits.
    """
    structure, own = networks.layout.structure, layer.parameters
    width = max(int(bits.max()), 1)
    reach = structure.high - structure.low
    low, high = (_reals(end)[0] for end in (own.low, own.high))
    scale = reach * (high - low) / np.where(bits > 0, 1 << width, 1)
    offset = structure.low + reach * low + scale / 2
    channels = structure.channels
    return InputEncoder(
        CodeFormat(width, signed=False),
        len(channels),
        scale=scale[channels],
        lo=np.zeros(len(channels), np.int64),
        hi=np.where(bits > 0, (1 << width) - 1, 0)[channels],
        offset=offset[channels],
    )


def _entries_of_inputs(bits: int, most: int, channels: int) -> IntArray:
    """``[channels, 2**bits]``: the entry of the finest tables that every input's code reads."""
    return np.broadcast_to(np.arange(1 << bits) << (most - bits), (channels, 1 << bits))


def _entries_of_codes(read: IntArray, bits: int, most: int) -> IntArray:
    """``[channels, 2**bits]``, likewise of hidden codes, which have no more bits than are read."""
    codes = np.minimum(np.arange(1 << bits), (1 << read[:, None]) - 1)
    result: IntArray = codes << (most - read)[:, None]
    return result


def _hidden(layer: EvaluatedLayer, code_bits: IntArray) -> tuple[FloatArray, Requantizer]:
    """Units of the sums ``[n_out]``, and the codes that are made of them."""
    steps = np.ldexp(2 * HIDDEN_REACH, -code_bits)
    finest = np.ldexp(1.0, -_fractions(layer))
    # One shift for all: as many bits below a code as the finest sums have.
    shift = int(max((np.frexp(steps / finest)[1] - 1).max(), 0))
    units = steps / (1 << shift)
    # Sums are multiples of the finest step: what the bias has below that, or below a code where
    # sums are coarser than codes, is never seen.
    grain = np.minimum(finest, steps)
    bias = np.floor((_reals(layer.bias())[0] + HIDDEN_REACH) / grain) * grain / units
    half = 1 << shift >> 1
    ones = np.ones((1, len(units)), np.int64)
    return units, _codes(ones, bias.astype(np.int64) - half, shift, code_bits)


def _codes(multipliers: IntArray, bias: IntArray, shift: int, bits: IntArray) -> Requantizer:
    """What makes codes of hidden values, of so many bits of the range each ``[n_out]``."""
    steps = np.ldexp(2 * HIDDEN_REACH, -bits)
    return Requantizer(
        multipliers=multipliers,
        bias=bias,
        shift=shift,
        format=CodeFormat(max(int(bits.max()), 1), signed=False),
        scale=steps,
        lo=np.zeros(len(bits), np.int64),
        hi=(1 << bits) - 1,
        offset=steps / 2 - HIDDEN_REACH,
    )


def _pooling(pool: Pool, taken: Requantizer, bits: IntArray, read: IntArray) -> PoolingLayer:
    """Codes of so many bits, of which the upper ones are read behind the pooling; by channel."""
    width = taken.output_format.width
    factors = pool.factors(bits, read)
    spread = [np.repeat(own, pool.window.positions, axis=-1) for own in (*factors[:2], read)]
    multipliers, bias, read = spread
    join = _codes(multipliers[None], bias, factors[2], read)
    return PoolingLayer(np.arange(1 << width), pool.mode, pool.window, (join,), pool.name)


def _outputs(layer: EvaluatedLayer, task: FabricTask) -> tuple[FloatArray, Requantizer]:
    """Units of the sums, and the sums handed out: comparable ones, or each in its own unit."""
    units = np.ldexp(1.0, -_fractions(layer))
    if task.name != "regression":
        units = np.full_like(units, units.min())
    bias = np.floor(_reals(layer.bias())[0] / units + 0.5).astype(np.int64)
    scale, offset = task.scale[task.learned], task.offset[task.learned]
    join = Requantizer(np.ones((1, len(units)), np.int64), bias, scale=units * scale, offset=offset)
    return units, join


def _fractions(layer: EvaluatedLayer) -> IntArray:
    """``[n_out]``: fraction bits of the finest table of every sum."""
    return _integers(layer.parameters.fraction_bits.amax(-1))


def _edges(
    layer: EvaluatedLayer, units: FloatArray, entries: IntArray, join: Requantizer
) -> EdgeTableLayer | ConvolutionLayer:
    """The Program's layer, whose tables are in units of every sum.

    ``entries`` says what the codes of every channel read of the finest tables.
    """
    reading, tables = layer.structure.reading, _reals(layer.tables)[0]
    each = entries[reading.of_input]
    taken = np.take_along_axis(tables, np.broadcast_to(each, (len(tables), *each.shape)), 2)
    whole = np.floor(taken / units[:, None, None] + 0.5).astype(np.int64)
    edges = EdgeTableLayer(whole, (join,), layer.structure.name)
    return edges if reading.window is None else ConvolutionLayer(edges, reading.window)


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
