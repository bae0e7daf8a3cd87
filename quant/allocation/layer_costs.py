"""Costs of a layer under a choice of bits, before its network is quantized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.program.costs.counts import count_edge_tables, count_joins, count_products
from kanhw.program.costs.network_costs import NetworkCosts
from kanhw.program.costs.numbers import Numbers, numbers_of
from kanhw.program.costs.tally import Tally
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches, branches_of
from kanhw.quant.integers.sums import quantize_sums
from kanhw.quant.integers.weights import RoundedWeights, nearest_weights
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, WeightQuantizer, quantize_weights
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.basis_table import QuantBasisTable
from kanhw.quant.record.branch_edge_table import QuantBranchEdgeTable
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.record.edge_table import QuantEdgeTable

__all__ = ["LayerCosts", "layer_costs"]


def layer_costs(
    step: SumStep,
    config: QuantConfig,
    inputs: SumInputs,
    targets: tuple[ActivationQuantizer | None, ...] = (None,),
) -> NetworkCosts:
    """Costs of a layer, before its network is quantized.

    They are what :func:`kanhw.program.costs.costs_of` counts, provided that weights are rounded to
    the nearest code and the quantizers are these.

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
        self._numbers: dict[int, tuple[object, Numbers]] = {}
        # Quantizers are keys by their identity, so they must live on.
        self._alive: dict[int, ActivationQuantizer] = {}
        self._counts: dict[type, Callable[[Tally, Any], None]] = {
            QuantEdgeTable: self._edge_tables,
            QuantBranchEdgeTable: self._branch_edge_tables,
            QuantBasisTable: self._basis_tables,
        }

    def __call__(
        self,
        config: QuantConfig,
        inputs: SumInputs,
        targets: tuple[ActivationQuantizer | None, ...] = (None,),
    ) -> NetworkCosts:
        """The costs; arguments as in :func:`layer_costs`."""
        own = config.for_layer(self.step.name)
        branches = self._branches_of(inputs, own)
        weights = self._weights(branches, inputs, own)
        made = quantize_sums(self.step, inputs, targets, own, branches, weights)
        tally = Tally()
        if isinstance(made, QuantConvolution):
            tally.times, made = made.window.positions, made.taps
        count = self._counts.get(type(made))
        if count is None:
            raise InputError(
                f"Layer {self.step.name!r}: nothing counts a {type(made).__name__}: add it to "
                "LayerCosts (kanhw.quant.allocation.layer_costs)"
            )
        count(tally, made)
        count_joins(tally, made.joins)
        return tally.costs()

    def _edge_tables(self, tally: Tally, made: QuantEdgeTable) -> None:
        count_edge_tables(tally, [made.tables])

    def _branch_edge_tables(self, tally: Tally, made: QuantBranchEdgeTable) -> None:
        count_edge_tables(tally, [made.spline_tables, made.base_tables])

    def _basis_tables(self, tally: Tally, made: QuantBasisTable) -> None:
        tables = (
            self._of(made.basis_tables, distinct=True),
            self._of(made.base_tables, distinct=True),
        )
        count_products(tally, tables, (self._of(made.spline.codes), self._of(made.base.codes)))

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
        spline_bits, base_bits = own.weight_bits
        for branch, bits, values in (
            ("spline", spline_bits, branches.coefficients),
            ("base", base_bits, branches.base_weights),
        ):
            full = (branch, bits, key)
            if full not in self._rounded:
                self._rounded[full] = quantize_weights(values, bits, own)
            weights.append(self._rounded[full])
        return RoundedWeights(*weights)

    def _of(self, values: IntArray, *, distinct: bool = False) -> Numbers:
        # The array is kept beside its facts, so that its identity stays its own.
        if id(values) not in self._numbers:
            facts = numbers_of(np.unique(values, axis=0) if distinct else values)
            self._numbers[id(values)] = (values, facts)
        return self._numbers[id(values)][1]
