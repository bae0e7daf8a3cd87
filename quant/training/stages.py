"""The steps of a network as PyTorch modules that compute what is deployed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.formats import FloatArray
from kanhw.model.layer import KanLayer
from kanhw.quant.codebook import CodebookWeights
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import branches_of
from kanhw.quant.integers.sums import table_unit
from kanhw.quant.integers.tables import signed_codes
from kanhw.quant.integers.weights import RoundedWeights
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.steps import NormStep, PoolStep, ProductStep, Step, SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.realise import RoundedLayer
from kanhw.quant.training.layer_tables import Functions, LayerTables, functions_of
from kanhw.quant.training.rules.weight_quantizers import WeightRule, weight_rule
from kanhw.quant.training.tabulate import look_up
from kanhw.windows import Window

__all__ = ["NormStage", "PoolStage", "ProductStage", "Stage", "Stream", "SumStage"]


@dataclass(frozen=True, eq=False)
class Stream:
    """Codes between two stages.

    Parameters
    ----------
    addresses
        ``[N, n]`` int64: codes counted from the lowest one.
    real
        ``[N, n]``: what they stand for, with gradients.
    quantizer
        Made them.
    """

    addresses: Tensor
    real: Tensor
    quantizer: ActivationQuantizer


class Stage(nn.Module, ABC):
    """A step that trains."""

    @abstractmethod
    def forward(self, streams: list[Stream], target: ActivationQuantizer | None) -> Tensor:
        """Reals ``[N, n_out]``; ``target`` quantizes them next, None at a network's end."""

    @abstractmethod
    def step(self) -> Step:
        """The float step with the parameters as they are now."""

    def rounded(self, consumer: Consumer) -> RoundedLayer | CodebookWeights | None:
        """What the weights have become, for the quantizers as they are now; None without any."""
        return None


def parameter(values: FloatArray) -> nn.Parameter:
    """A parameter of PyTorch's default type."""
    return nn.Parameter(torch.tensor(values, dtype=torch.get_default_dtype()))


def numbers(values: Tensor) -> FloatArray:
    """A tensor as float64."""
    result: FloatArray = values.detach().double().cpu().numpy()
    return result


def windowed(window: Window, streams: list[Stream]) -> tuple[list[Stream], Tensor]:
    """What every window reads of images: streams of taps, and which of them are no padding."""
    index = torch.tensor(np.maximum(window.index, 0).ravel())
    present = torch.tensor(window.index >= 0).to(streams[0].real)
    gathered = []
    for stream in streams:
        rows = (-1, window.taps)
        addresses = stream.addresses.index_select(1, index).reshape(rows)
        real = stream.real.index_select(1, index).reshape(rows)
        gathered.append(Stream(addresses, real, stream.quantizer.cut_to(window.taps)))
    count = len(streams[0].real)
    return gathered, present.repeat(count, 1)


class SumStage(Stage):
    """The sums of a KAN layer, of quantized weights and tabulated functions.

    Parameters
    ----------
    step
        The float layer.
    inputs
        Its calibrated quantizers and its realisation.
    config
        What holds for this layer.

    Attributes
    ----------
    rounds_tables
        Whether edge tables are rounded on the way forward, as they will be.
    """

    active: Tensor
    base_active: Tensor

    def __init__(self, step: SumStep, inputs: SumInputs, config: QuantConfig) -> None:
        super().__init__()
        layer = step.layer
        self.original, self.realisation, self.config = step, inputs.realisation, config
        self.rounds_tables = inputs.realisation == "edge_table"
        self.tables = LayerTables(layer, inputs.realisation, config)
        self.coefficients = parameter(layer.coefficients)
        self.base_weights = parameter(layer.base_weights)
        self.bias = parameter(layer.bias)
        active = torch.tensor(layer.active, dtype=torch.get_default_dtype())
        self.register_buffer("active", active, persistent=False)
        # A base branch that is not there stays away, whatever a rule makes of small weights.
        has_base = bool(layer.base_weights.any())
        self.register_buffer("base_active", active * has_base, persistent=False)
        branches = branches_of(layer, inputs, config)
        spline = branches.coefficients.reshape(layer.n_sums, -1)
        base = branches.base_weights
        channel = config.weight_granularity == "channel"
        spline_bits, base_bits = config.weight_bits
        self.spline_rule: WeightRule
        self.base_rule: WeightRule
        if config.shared_quantizers:
            both = np.concatenate([spline, base], axis=1)
            rule = weight_rule(config.quantizer, both, spline_bits, per_channel=channel)
            self.spline_rule = self.base_rule = rule
        else:
            self.spline_rule = weight_rule(
                config.quantizer, spline, spline_bits, per_channel=channel
            )
            self.base_rule = weight_rule(config.quantizer, base, base_bits, per_channel=channel)

    def forward(self, streams: list[Stream], target: ActivationQuantizer | None) -> Tensor:
        """The sums ``[N, n_out]``, or images of them."""
        count = len(streams[0].real)
        window = self.original.window
        mask: Tensor | None = None
        if window is not None:
            streams, mask = windowed(window, streams)
        spline, base = streams[0], streams[-1]
        phi, factors = self.tables.spline(spline.quantizer)
        psi = self.tables.base(base.quantizer)
        coefficients = self._spline_rule_on(factors)
        weights = self.base_rule(self._base_weights())
        values = look_up(spline.addresses, spline.real, phi.table, phi.slopes)
        activated = look_up(base.addresses, base.real, psi.table, psi.slopes)[..., 0]
        if mask is not None:
            values, activated = values * mask.unsqueeze(-1), activated * mask
        y = functional.linear(values.flatten(1), coefficients.flatten(1), self.bias)
        y = y + functional.linear(activated, weights)
        if self.rounds_tables:
            with torch.no_grad():
                y_table = self._edge_sums(streams, phi, psi, coefficients, weights, mask, target)
            y = y + (y_table - y).detach()
        return y if window is None else window.to_image(y, count)

    def _coefficients(self) -> Tensor:
        kept: Tensor = self.coefficients * self.active.unsqueeze(-1)
        return kept

    def _base_weights(self) -> Tensor:
        return self.base_weights * self.base_active

    def _with_factors(self, factors: FloatArray) -> tuple[Tensor, Tensor]:
        """Coefficients of the tabulated functions, and those that symbolic edges bring."""
        scale = torch.tensor(factors, dtype=self.coefficients.dtype)
        count = self.coefficients.shape[2]
        if count == 0:
            # A layer without bases has one function that is 0.
            none = scale.expand(*self.coefficients.shape[:2], -1) * 0
            return none, none[..., :0]
        symbolic: Tensor = scale[..., count:].expand(*self.coefficients.shape[:2], -1)
        return self._coefficients() * scale[..., :count], symbolic

    def _spline_rule_on(self, factors: FloatArray) -> Tensor:
        own, symbolic = self._with_factors(factors)
        if self.realisation == "edge_table":
            # Symbolic edges enter edge tables as they are.
            return torch.cat([self.spline_rule(own), symbolic], dim=2)
        rounded: Tensor = self.spline_rule(torch.cat([own, symbolic], dim=2))
        return rounded

    def _edge_sums(
        self,
        streams: list[Stream],
        phi: Functions,
        psi: Functions,
        coefficients: Tensor,
        weights: Tensor,
        mask: Tensor | None,
        target: ActivationQuantizer | None,
    ) -> Tensor:
        """The sums of tables that were rounded as they will be."""
        n_in = weights.shape[1]
        spline = torch.einsum("jik,iak->jia", coefficients, phi.table.expand(n_in, -1, -1))
        base = weights.unsqueeze(-1) * psi.table[..., 0]
        edges = [spline + base] if len(streams) == 1 else [spline, base]
        layer = replace(self.original.layer, bias=numbers(self.bias))
        if target is not None:
            target = target.cut_to(layer.n_sums) if self.original.window else target
        unit, _ = table_unit(layer, [numbers(e) for e in edges], target, self.config)
        steps = torch.tensor(unit, dtype=spline.dtype).reshape(-1, 1, 1)
        total = torch.floor(self.bias / steps[:, 0, 0] + 0.5) * steps[:, 0, 0]
        for edge, stream in zip(edges, streams, strict=True):
            table = torch.floor(edge / steps + 0.5) * steps
            depth = table.shape[2]
            rows = stream.addresses + torch.arange(n_in) * depth
            total = total + functional.embedding_bag(
                rows, table.flatten(1).T.contiguous(), mode="sum", per_sample_weights=mask
            )
        return total

    def step(self) -> SumStep:
        """The float layer with the parameters as they are now."""
        return replace(self.original, layer=self.layer())

    def layer(self) -> KanLayer:
        """The layer of :meth:`step`."""
        return replace(
            self.original.layer,
            coefficients=numbers(self._coefficients()),
            base_weights=numbers(self._base_weights()),
            bias=numbers(self.bias),
        )

    def rounded(self, consumer: Consumer) -> RoundedLayer:
        """What the weights have become, for the quantizers as they are now."""
        layer, inputs = self.layer(), consumer.sum_inputs(self.original)
        branches = branches_of(layer, inputs, self.config)
        with torch.no_grad():
            _, factors = self.tables.spline(inputs.spline)
            own, symbolic = self._with_factors(factors)
            if self.realisation == "basis_table":
                own = torch.cat([own, symbolic], dim=2)
            elif self.coefficients.shape[2] == 0:
                own = own[..., :0]
            spline = self.spline_rule.frozen(own)
            base = self.base_rule.frozen(self._base_weights())
        return RoundedLayer(branches, RoundedWeights(spline, base))


class NormStage(Stage):
    """A layer normalisation of what the codes stand for."""

    def __init__(self, step: NormStep) -> None:
        super().__init__()
        self.original = step
        self.gamma, self.beta = parameter(step.norm.gamma), parameter(step.norm.beta)

    def forward(self, streams: list[Stream], target: ActivationQuantizer | None) -> Tensor:
        """The normalised values, ``[N, n]``."""
        norm = self.original.norm
        return functional.layer_norm(
            streams[0].real, (norm.n,), self.gamma, self.beta, norm.epsilon
        )

    def step(self) -> NormStep:
        """The float step with the parameters as they are now."""
        norm = replace(self.original.norm, gamma=numbers(self.gamma), beta=numbers(self.beta))
        return replace(self.original, norm=norm)


class ProductStage(Stage):
    """Products of what the codes stand for."""

    def __init__(self, step: ProductStep) -> None:
        super().__init__()
        self.original = step
        self.scale, self.bias = parameter(step.products.scale), parameter(step.products.bias)

    def forward(self, streams: list[Stream], target: ActivationQuantizer | None) -> Tensor:
        """The nodes, ``[N, n_out]``."""
        real = streams[0].real
        columns = [real[:, list(group)].prod(dim=1) for group in self.original.products.groups]
        return torch.stack(columns, dim=1) * self.scale + self.bias

    def step(self) -> ProductStep:
        """The float step with the parameters as they are now."""
        products = replace(
            self.original.products, scale=numbers(self.scale), bias=numbers(self.bias)
        )
        return replace(self.original, products=products)


class PoolStage(Stage):
    """Pooling of what the codes stand for."""

    def __init__(self, step: PoolStep) -> None:
        super().__init__()
        self.original = step

    def forward(self, streams: list[Stream], target: ActivationQuantizer | None) -> Tensor:
        """The pooled images, flattened."""
        stream, window = streams[0], self.original.layer.window
        quantizer = stream.quantizer.cut_to(1)
        codes, unit = signed_codes(quantizer.grid().T, min(quantizer.format.width + 2, 14))
        table = functions_of((codes * np.float64(unit))[:, :, None], quantizer)
        values: Any = look_up(stream.addresses, stream.real, table.table, table.slopes)[..., 0]
        pixels, _ = window.gather(values, 0.0)
        channels = window.shape[0]
        grouped = pixels.reshape(len(values) * window.positions, channels, -1)
        average = self.original.layer.kind == "average"
        pooled = grouped.mean(dim=2) if average else grouped.amax(dim=2)
        result: Tensor = window.to_image(pooled, len(values))
        return result

    def step(self) -> PoolStep:
        """As it was: nothing trains."""
        return self.original
