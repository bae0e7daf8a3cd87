"""What a quantized network costs: bits to store, work per inference, LUTs and energy.

Everything is counted from integers: those of a Program, or those that one layer would have with
some choice of bits. LUTs and energy are models, for comparing choices, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kanhw.formats import IntArray, format_for
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    NormLayer,
    PoolingLayer,
    ProductLayer,
    Program,
    ProgramLayer,
    SplineEvaluatorLayer,
)
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches, branches_of
from kanhw.quant.integers.sums import quantize_sums
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, WeightQuantizer, quantize_weights
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.model import (
    QuantBasisTable,
    QuantBranchEdgeTable,
    QuantConvolution,
    QuantEdgeTable,
)
from kanhw.targets.lut import LUT_INPUTS

__all__ = ["Costs", "LayerCosts", "costs_by_layer", "costs_of", "layer_costs"]

# Picojoule in 45 nm at 0.9 V: M. Horowitz, "Computing's energy problem (and what we can do about
# it)", ISSCC 2014. An 8-bit addition is 0.03 and an 8-bit multiplication 0.2; additions are scaled
# linearly with their bits, multiplications with the product of theirs (which gives 0.12 and 3.2 at
# 32 bits, where the paper has 0.1 and 3.1). Reading 64 bits of a small SRAM is 10.
_ADD_ENERGY = 0.03 / 8
_MULTIPLY_ENERGY = 0.2 / 64
_READ_ENERGY = 10.0 / 64


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a network, or a layer, costs; add them up with ``+``.

    Parameters
    ----------
    parameter_bits
        Tables, weights, codebooks (shapes, indices, gains, biases), multipliers and biases, to the
        bit. Each tensor has the narrowest width that holds its integers, equal tables are stored
        once, what belongs to an edge counts for edges that are not zero, and a bias or multiplier
        that all outputs share counts once.
    memory_bits
        The same where parameters lie in block RAM that is addressed by edge and output: absent
        edges are stored too, and biases and multipliers for every output.
    multiplications
        Of an inference: weights that are not 0 times their tables' values, gains, and the
        multipliers behind the sums. Those that are 1 everywhere do not exist.
    bit_operations
        Sum over the multiplications of the bits of one factor times those of the other. Additions
        and look-ups have none.
    additions
        Of an inference: one for every product, look-up or bias that goes into a sum.
    look_ups
        Table entries that are read in an inference.
    luts
        Six-input LUTs of the unrolled network, roughly.
    energy
        Picojoule of an inference, in a folded network that reads every parameter it uses from a
        small memory: Horowitz's figures of 2014 for 45 nm, scaled by bits.
    """

    parameter_bits: int = 0
    memory_bits: int = 0
    multiplications: int = 0
    bit_operations: int = 0
    additions: int = 0
    look_ups: int = 0
    luts: float = 0.0
    energy: float = 0.0

    def __add__(self, other: Costs) -> Costs:
        names = [field.name for field in fields(self)]
        return Costs(**{name: getattr(self, name) + getattr(other, name) for name in names})


def costs_of(program: Program) -> Costs:
    """What a Program costs, all of its layers together."""
    return sum(costs_by_layer(program), start=Costs())


def costs_by_layer(program: Program) -> tuple[Costs, ...]:
    """What every layer of a Program costs, in order."""
    return tuple(_program_layer(layer) for layer in program.layers)


def layer_costs(
    step: SumStep,
    config: QuantConfig,
    inputs: SumInputs,
    targets: tuple[ActivationQuantizer | None, ...] = (None,),
) -> Costs:
    """What a layer will cost, before its network is quantized.

    It is what :func:`costs_of` counts, provided that weights are rounded to the nearest code and
    the quantizers are these.

    Parameters
    ----------
    step
        The float layer.
    config
        The choice of bits: what holds for this layer.
    inputs
        The quantizers that it reads, and its realisation (a
        :class:`~kanhw.quant.planning.plan.Consumer` has them); they bring the bits of its codes.
    targets
        The quantizers of the codes that it makes; None for a network's outputs.
    """
    return LayerCosts(step)(config, inputs, targets)


class LayerCosts:
    """:func:`layer_costs` for many choices of bits of one layer: what they share is made once.

    Parameters
    ----------
    step
        The float layer.
    """

    def __init__(self, step: SumStep) -> None:
        self.step = step
        self._branches: dict[object, Branches] = {}
        self._rounded: dict[object, WeightQuantizer] = {}
        self._numbers: dict[int, tuple[object, _Numbers]] = {}
        # Quantizers are keys by their identity, so they must live on.
        self._alive: dict[int, ActivationQuantizer] = {}

    def __call__(
        self,
        config: QuantConfig,
        inputs: SumInputs,
        targets: tuple[ActivationQuantizer | None, ...] = (None,),
    ) -> Costs:
        """The costs; arguments as in :func:`layer_costs`."""
        own = config.for_layer(self.step.name)
        branches = self._branches_of(inputs, own)
        weights = self._weights(branches, inputs, own)
        made = quantize_sums(self.step, inputs, targets, own, branches, weights)
        tally = _Tally()
        if isinstance(made, QuantConvolution):
            tally.times, made = made.window.positions, made.taps
        if isinstance(made, QuantEdgeTable):
            _edge_tables(tally, [made.tables])
        elif isinstance(made, QuantBranchEdgeTable):
            _edge_tables(tally, [made.spline_tables, made.base_tables])
        elif isinstance(made, QuantBasisTable):
            _products(
                tally,
                (
                    self._of(made.basis_tables, distinct=True),
                    self._of(made.base_tables, distinct=True),
                ),
                (self._of(made.spline.codes), self._of(made.base.codes)),
            )
        else:  # pragma: no cover - there are no other layers of edges
            raise TypeError(f"There are no costs for {type(made).__name__}")
        _joins(tally, made.joins)
        return tally.costs()

    def _branches_of(self, inputs: SumInputs, own: QuantConfig) -> Branches:
        self._alive |= {id(quantizer): quantizer for quantizer in inputs.quantizers}
        quantizers = tuple(id(quantizer) for quantizer in inputs.quantizers)
        bits = (own.basis_bits, own.base_table_bits)
        key = (quantizers, inputs.realisation, bits if inputs.realisation == "basis_table" else 0)
        if key not in self._branches:
            self._branches[key] = branches_of(self.step.layer, inputs, own)
        return self._branches[key]

    def _weights(self, branches: Branches, inputs: SumInputs, own: QuantConfig) -> RoundedWeights:
        if own.shared_quantizers:
            return nearest_weights(branches, own)
        # Functions scaled to a peak of 1 have coefficients that depend on the codes' range.
        quantizers = tuple(id(quantizer) for quantizer in inputs.quantizers)
        ways = (own.weight_calibration, own.weight_granularity, own.percentile)
        key = (quantizers, inputs.realisation, ways)
        weights = []
        for branch, bits, values in (
            ("spline", own.spline_bits, branches.coefficients),
            ("base", own.base_bits, branches.base_weights),
        ):
            full = (branch, bits, key)
            if full not in self._rounded:
                self._rounded[full] = quantize_weights(values, bits, own)
            weights.append(self._rounded[full])
        return RoundedWeights(*weights)

    def _of(self, values: IntArray, *, distinct: bool = False) -> _Numbers:
        # The array is kept beside its facts, so that its identity stays its own.
        if id(values) not in self._numbers:
            facts = _numbers(np.unique(values, axis=0) if distinct else values)
            self._numbers[id(values)] = (values, facts)
        return self._numbers[id(values)][1]


class _Join(Protocol):
    """A requantizer, or what becomes one."""

    @property
    def multipliers(self) -> IntArray: ...

    @property
    def bias(self) -> IntArray: ...


@dataclass(frozen=True, eq=False)
class _Numbers:
    """What matters of some integers.

    Parameters
    ----------
    shape
        Of the array.
    width
        The narrowest that holds them; 0 where all are zero.
    nonzero
        How many are not 0.
    digits
        Signed digits of them all: adders that multiplying by them as constants takes, the one
        that accumulates included.
    active
        ``[n_out, n_in]``, for weights: where not all of an edge's are 0.
    terms
        For weights: the most that are not 0 in one output.
    """

    shape: tuple[int, ...]
    width: int
    nonzero: int
    digits: int
    active: npt.NDArray[np.bool_]
    terms: int


def _numbers(values: IntArray) -> _Numbers:
    present = values != 0
    magnitude = np.abs(values).astype(np.uint64)
    # The digits of the non-adjacent form, which has the fewest, are where x and 3 x differ.
    digits = int(np.bitwise_count(magnitude ^ (magnitude * np.uint64(3))).sum())
    per_edge = present.reshape(*present.shape[:2], -1) if present.ndim > 1 else present[:, None]
    active = per_edge.reshape(*per_edge.shape[:2], -1).any(axis=2)
    terms = int(present.reshape(len(present), -1).sum(axis=1).max(initial=0))
    return _Numbers(values.shape, _width(values), int(present.sum()), digits, active, terms)


def _width(values: IntArray) -> int:
    if not values.any():
        return 0
    return format_for(int(values.min()), int(values.max())).width


def _sum_width(width: int, terms: int) -> int:
    """Bits of a sum of ``terms`` integers of ``width`` bits."""
    return width + max(terms - 1, 0).bit_length() if width else 0


def _depth_factor(depth: int) -> int:
    """LUTs of one bit of a table."""
    return 1 << max((depth - 1).bit_length() - LUT_INPUTS, 0)


class _Tally:
    """Adds up; ``times`` is how often a layer is used in an inference (the windows of an image)."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.parameter_bits = self.memory_bits = 0
        self.multiplications = self.bit_operations = self.additions = self.look_ups = 0
        self.addition_bits = self.read_bits = 0
        self.luts = 0.0
        # Bits of every accumulator, which the multipliers behind them meet.
        self.accumulators: list[int] = []

    def store(self, bits: int, folded: int | None = None) -> None:
        self.parameter_bits += bits
        self.memory_bits += bits if folded is None else folded

    def multiply(self, count: int, first: int, second: int) -> None:
        if first and second:
            self.multiplications += count
            self.bit_operations += count * first * second

    def add(self, count: int, width: int) -> None:
        if width:
            self.additions += count
            self.addition_bits += count * width

    def read(self, count: int, width: int) -> None:
        self.read_bits += count * width

    def look_up(self, count: int, width: int) -> None:
        if width:
            self.look_ups += count
            self.read(count, width)

    def costs(self) -> Costs:
        energy = _MULTIPLY_ENERGY * self.bit_operations + _ADD_ENERGY * self.addition_bits
        energy += _READ_ENERGY * self.read_bits
        return Costs(
            parameter_bits=self.parameter_bits,
            memory_bits=self.memory_bits,
            multiplications=self.multiplications * self.times,
            bit_operations=self.bit_operations * self.times,
            additions=self.additions * self.times,
            look_ups=self.look_ups * self.times,
            luts=self.luts,
            energy=energy * self.times,
        )


def _program_layer(layer: ProgramLayer) -> Costs:
    tally = _Tally()
    if isinstance(layer, ConvolutionLayer):
        tally.times, layer = layer.window.positions, layer.taps
    if isinstance(layer, EdgeTableLayer):
        _edge_tables(tally, [layer.tables])
    elif isinstance(layer, BranchEdgeTableLayer):
        _edge_tables(tally, [layer.spline_tables, layer.base_tables])
    elif isinstance(layer, BasisTableLayer):
        tables = (_numbers(layer.basis), _numbers(layer.base))
        _products(tally, tables, (_numbers(layer.coefficients), _numbers(layer.base_weights)))
    elif isinstance(layer, CodebookLayer):
        _codebook(tally, layer)
    elif isinstance(layer, SplineEvaluatorLayer):
        _evaluated(tally, layer)
    elif isinstance(layer, NormLayer):
        _norm(tally, layer)
    elif isinstance(layer, ProductLayer):
        _product(tally, layer)
    elif isinstance(layer, PoolingLayer):
        _pool(tally, layer)
    else:  # pragma: no cover - every kind of layer is above
        raise TypeError(f"There are no costs for a {layer.kind} layer")
    _joins(tally, layer.requantizers)
    return tally.costs()


def _edge_tables(tally: _Tally, tables: list[IntArray]) -> None:
    """A table or two for every edge: look up, add."""
    active = np.any([(branch != 0).any(axis=2) for branch in tables], axis=0)
    edges, most = int(active.sum()), int(active.sum(axis=1).max(initial=0))
    for branch in tables:
        width, depth = _width(branch), branch.shape[2]
        tally.store(edges * depth * width, branch.size * width)
        tally.look_up(edges, width)
        total = _sum_width(width, most)
        tally.add(edges, total)
        tally.luts += edges * (width * _depth_factor(depth) + total * (width > 0))
        tally.accumulators.append(total)


def _products(
    tally: _Tally, tables: tuple[_Numbers, _Numbers], weights: tuple[_Numbers, _Numbers]
) -> None:
    """Tables that outputs share, times weights: the basis and the base branch."""
    active = weights[0].active | weights[1].active
    edges, inputs = int(active.sum()), int(active.any(axis=0).sum())
    for table, weight in zip(tables, weights, strict=True):
        row = table.shape[2] if len(table.shape) > 2 else 1
        per_edge = weight.shape[2] if len(weight.shape) > 2 else 1
        depth = table.shape[1]
        tally.store(table.shape[0] * depth * row * table.width)
        dense = active.size * per_edge * weight.width
        tally.store(edges * per_edge * weight.width, dense)
        if not weight.nonzero:
            tally.accumulators.append(0)
            continue
        tally.look_up(inputs * row, table.width)
        tally.luts += inputs * row * table.width * _depth_factor(depth)
        _weighted(tally, weight, table.width)


def _evaluated(tally: _Tally, layer: SplineEvaluatorLayer) -> None:
    """Splines by powers of the place or from a half table, a curve, and their weights."""
    splines, curves = layer.splines, layer.base
    active = layer.active
    edges, inputs = int(active.sum()), int(active.any(axis=0).sum())
    weights = _numbers(layer.coefficients), _numbers(layer.base_weights)
    values = _width(splines.pieces), _width(curves.values)
    for own in weights:
        row = own.shape[2] * own.width
        tally.store(edges * row, active.size * row)
    tally.store(curves.tables.size * _width(curves.tables))
    place, power = splines.fraction_bits, max(splines.scale.bit_length(), 1)
    if not splines.aligned:
        tally.multiply(inputs, splines.width, _width(splines.multipliers))
        tally.luts += inputs * splines.width * _width(splines.multipliers) / 2
    if splines.table is None:
        tally.multiply(inputs * (splines.order - 1), power, place)
        tally.add(inputs * splines.order * (splines.order + 1), power)
        tally.luts += inputs * power * (splines.order - 1) * (place + splines.order + 1)
    else:
        width = _width(splines.table)
        tally.store(splines.table.size * width)
        tally.look_up(inputs * (splines.order + 1), width)
        tally.luts += inputs * (splines.order + 1) * width * _depth_factor(len(splines.table) - 1)
    between, points = curves.fraction_bits, _width(curves.tables)
    tally.look_up(inputs, points)
    if between:
        tally.multiply(inputs, points, between)
    tally.luts += inputs * points * (_depth_factor(curves.tables.shape[1] - 1) + between)
    for own, width in zip(weights, values, strict=True):
        if own.nonzero:
            _weighted(tally, own, width)
        else:
            tally.accumulators.append(0)


def _weighted(tally: _Tally, weights: _Numbers, width: int) -> None:
    """Constants times values of ``width`` bits, added up into one accumulator."""
    tally.read(weights.nonzero, weights.width)
    tally.multiply(weights.nonzero, weights.width, width)
    total = _sum_width(weights.width + width, weights.terms) if width else 0
    tally.add(weights.nonzero, total)
    tally.luts += weights.digits * (weights.width + width) if width else 0
    tally.accumulators.append(total)


def _codebook(tally: _Tally, layer: CodebookLayer) -> None:
    active = layer.active
    edges, inputs = int(active.sum()), int(active.any(axis=0).sum())
    shapes, gains = _numbers(layer.shapes), _numbers(layer.gains)
    tally.store(layer.shapes.size * shapes.width)
    index = _width(layer.index)
    for width in (index, gains.width):
        tally.store(edges * width, active.size * width)
    tally.read(edges, index)
    tally.look_up(gains.nonzero, shapes.width)
    # Unrolled, a shape that an input uses is looked up once, and edges share it.
    shared = 0
    for i in range(layer.n_in):
        shared += len(np.unique(layer.index[active[:, i], i]))
    tally.luts += shared * shapes.width * _depth_factor(layer.shapes.shape[1])
    _weighted(tally, gains, shapes.width)
    if layer.biases is not None and layer.offsets is not None:
        biases, offsets = _numbers(layer.biases), _numbers(layer.offsets)
        tally.store(edges * biases.width, active.size * biases.width)
        tally.store(layer.offsets.size * offsets.width)
        tally.look_up(inputs, offsets.width)
        tally.luts += inputs * offsets.width * _depth_factor(layer.offsets.shape[1])
        _weighted(tally, biases, offsets.width)
        # Both go into the spline branch's accumulator.
        last, first = tally.accumulators.pop(), tally.accumulators.pop()
        tally.accumulators.append(max(first, last) + 1)
    base, weights = _numbers(layer.base), _numbers(layer.base_weights)
    tally.store(layer.base.size * base.width)
    tally.store(edges * weights.width, active.size * weights.width)
    if weights.nonzero:
        tally.look_up(inputs, base.width)
        tally.luts += inputs * base.width * _depth_factor(layer.base.shape[1])
    _weighted(tally, weights, base.width)


def _norm(tally: _Tally, layer: NormLayer) -> None:
    """Squares, differences from the mean times the reciprocal root, times gamma.

    The root and the division are no multiplications and are not counted; LUTs are for one value a
    clock.
    """
    count, gamma = layer.n_in, _numbers(layer.gamma)
    centred = _sum_width(layer.width, count) + 1
    normalised = layer.normalised_bound.bit_length() + 1
    tally.store(gamma.shape[0] * gamma.width)
    tally.read(count, gamma.width)
    for first, second in (
        (layer.width, layer.width),
        (centred, layer.fraction_bits),
        (gamma.width, normalised),
    ):
        tally.multiply(count, first, second)
        tally.luts += first * second
    tally.add(count, _sum_width(layer.width, count))
    tally.add(count, _sum_width(2 * layer.width, count))
    tally.add(count, centred)
    tally.luts += layer.variance_bound.bit_length() * 2 + layer.fraction_bits * 4
    tally.accumulators.append(gamma.width + normalised)


def _product(tally: _Tally, layer: ProductLayer) -> None:
    shifts = layer.shifts or (0,) * len(layer.groups)
    widest = 0
    for group, shift in zip(layer.groups, shifts, strict=True):
        width = layer.width
        for _ in group[1:]:
            tally.multiply(1, width, layer.width)
            tally.luts += width * layer.width
            width += layer.width
        widest = max(widest, width - shift)
    tally.accumulators.append(widest)


def _pool(tally: _Tally, layer: PoolingLayer) -> None:
    width, depth = _width(layer.table), layer.table.shape[0]
    tally.store(depth * width)
    reads = layer.n_out * layer.area
    tally.look_up(reads, width)
    total = _sum_width(width, layer.area) if layer.mode == "sum" else width
    # Comparing is subtracting.
    tally.add(reads, total)
    tally.luts += layer.window.shape[0] * (width * _depth_factor(depth) + total)
    tally.accumulators.append(total)


def _joins(tally: _Tally, joins: tuple[_Join, ...]) -> None:
    """Every accumulator times its multiplier, a bias, for every stream of codes."""
    for join in joins:
        n_out, widest = len(join.bias), 0
        for factors, width in zip(join.multipliers, tally.accumulators, strict=True):
            total = width
            if (factors != 1).any():
                numbers = _numbers(factors)
                bits = format_for(int(factors.min()), int(factors.max())).width
                tally.store(len(_once(factors)) * bits, n_out * bits)
                tally.read(n_out, bits if width else 0)
                tally.multiply(n_out, bits, width)
                tally.luts += numbers.digits * width
                total = width + bits if width else 0
            if total:
                # The first one is what the others are added to.
                tally.add(n_out if widest else 0, max(widest, total))
            widest = max(widest, total)
        if join.bias.any():
            bits = _width(join.bias)
            tally.store(len(_once(join.bias)) * bits, n_out * bits)
            tally.read(n_out, bits)
            tally.add(n_out, max(widest, bits))
            tally.luts += n_out * max(widest, bits)


def _once(values: IntArray) -> IntArray:
    return values[:1] if (values == values[0]).all() else values
