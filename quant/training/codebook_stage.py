"""Layers whose edges share shapes, as PyTorch modules: what trains is what is deployed.

Indices stay as they are. Shapes, gains and biases are integers in the forward pass, with steps that
stay as they are too; gradients go straight through the rounding (Bengio et al., 2013).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kanhw.formats import IntArray
from kanhw.quant.codebook.gains import highest_gain
from kanhw.quant.codebook.weights import CodebookWeights, codebook_weights
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.tables import base_tables
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, WeightQuantizer
from kanhw.quant.training.layer_tables import LayerTables
from kanhw.quant.training.rules.straight_through import round_half_up
from kanhw.quant.training.stages import Stage, Stream, numbers, parameter, windowed
from kanhw.quant.training.tabulate import cell_slopes, look_up

__all__ = ["CodebookStage", "Integers", "codebook_stages"]


class Integers(nn.Module):
    """Integers from ``-top`` to ``top`` that train; their parameter is a share of ``top``.

    So one learning rate suits shapes, gains and biases.

    Parameters
    ----------
    start
        Where they begin.
    top
        The largest magnitude, at least 1.
    powers
        Whether they are 0 and signed powers of two only.
    """

    def __init__(self, start: IntArray, top: int, *, powers: bool = False) -> None:
        super().__init__()
        self.top, self.powers = top, powers
        self.share = parameter(start / np.float64(top))

    def forward(self) -> Tensor:
        """The integers, with a gradient to the shares inside of the range."""
        relative = (self.share * self.top).clamp(-self.top, self.top)
        if not self.powers:
            return round_half_up(relative)
        with torch.no_grad():
            sizes = relative.abs()
            # As kanhw.quant.codebook.gains.power_of_two, to which it is held by a test.
            exponents = torch.floor(torch.log2(sizes.clamp(min=0.5) * (4 / 3)))
            powers = torch.exp2(exponents.clamp(0, np.log2(self.top))).round()
            nearest = torch.where(sizes < 0.5, torch.zeros_like(sizes), relative.sign() * powers)
        return relative + (nearest - relative).detach()

    def frozen(self) -> IntArray:
        """The integers as they are now."""
        rounded: IntArray = np.floor(numbers(self()) + 0.5).astype(np.int64)
        return rounded


def codebook_stages(plan: Plan) -> dict[int, CodebookStage]:
    """The stages of a plan's codebook layers, by step; those of one codebook share its shapes."""
    weights = codebook_weights((plan,))[0]
    shapes: dict[int, Integers] = {}
    stages = {}
    for index, own in weights.items():
        step = plan.steps[index]
        if not isinstance(step, SumStep):  # pragma: no cover - only sums have codebooks
            raise TypeError(f"{step.name} has no edges")
        config = plan.config.for_layer(step.name)
        top = (1 << (config.codebook.shape_bits - 1)) - 1
        shared = shapes.setdefault(id(own.shapes), Integers(own.shapes, top))
        stages[index] = CodebookStage(step, config, own, shared)
    return stages


class CodebookStage(Stage):
    """The sums of a layer of shapes, gains and base weights.

    Parameters
    ----------
    step
        The float layer.
    config
        What holds for it.
    weights
        Where training starts.
    shapes
        The codebook, which other stages may hold as well.
    """

    index: Tensor
    active: Tensor
    base_active: Tensor
    units: Tensor
    base_steps: Tensor
    offsets: Tensor

    def __init__(
        self, step: SumStep, config: QuantConfig, weights: CodebookWeights, shapes: Integers
    ) -> None:
        super().__init__()
        layer = step.layer
        self.original, self.config, self.start, self.shapes = step, config, weights, shapes
        self.tables = LayerTables(layer, "basis_table", config)
        self.has_base = bool(weights.base.codes.any())
        self.bias = parameter(layer.bias + weights.folded)
        self.base_weights = parameter(layer.base_weights * self.has_base)
        powers = config.codebook.gain == "power_of_two"
        self.gains = Integers(weights.gains.codes, highest_gain(config), powers=powers)
        if config.codebook.gain == "none":
            self.gains.requires_grad_(False)
        self.biases: Integers | None = None
        if weights.biases is not None and weights.offsets is not None:
            self.biases = Integers(weights.biases, (1 << (config.codebook.bias_bits - 1)) - 1)
        kind = torch.get_default_dtype()
        joint = config.codebook.branches == "joint"
        active = layer.active if joint else (layer.coefficients != 0).any(axis=2)
        offsets = np.zeros((layer.n_in, 1)) if weights.offsets is None else weights.offsets
        for name, values in {
            "active": active,
            "base_active": layer.active,
            "units": weights.gains.scale,
            "base_steps": weights.base.scale,
            "offsets": offsets,
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=kind), persistent=False)
        self.register_buffer("index", torch.tensor(weights.index), persistent=False)

    def forward(self, streams: list[Stream], target: ActivationQuantizer | None) -> Tensor:
        """The sums ``[N, n_out]``, or images of them."""
        count, window = len(streams[0].real), self.original.window
        mask: Tensor | None = None
        if window is not None:
            streams, mask = windowed(window, streams)
        y = self._spline_sums(streams[0], mask) + self.bias
        if self.has_base:
            y = y + functional.linear(self._activated(streams[-1], mask), self._base())
        return y if window is None else window.to_image(y, count)

    def edge_tables(self) -> Tensor:
        """What every edge adds to the spline branch, ``[n_out, n_in, A]`` reals."""
        tables = (self.gains() * self.active).unsqueeze(-1) * self.shapes()[self.index]
        if self.biases is not None:
            tables = tables + (self.biases() * self.active).unsqueeze(-1) * self.offsets
        scaled: Tensor = tables * self.units.reshape(-1, 1, 1)
        return scaled

    def _spline_sums(self, stream: Stream, mask: Tensor | None) -> Tensor:
        tables = self.edge_tables()
        _, n_in, depth = tables.shape
        # One row for every code of every input, one column for every output.
        flat = tables.permute(1, 2, 0)
        rows = stream.addresses + torch.arange(n_in) * depth
        y = functional.embedding_bag(
            rows, flat.reshape(n_in * depth, -1), mode="sum", per_sample_weights=mask
        )
        if not stream.real.requires_grad:
            return y
        step = torch.tensor(stream.quantizer.scale, dtype=y.dtype)
        slopes = cell_slopes(flat.detach(), step).reshape(n_in * depth, -1)
        # Adds nothing but the gradient to what the codes stand for.
        moved = stream.real - stream.real.detach()
        moved = moved if mask is None else moved * mask
        return y + (functional.embedding(rows, slopes) * moved.unsqueeze(-1)).sum(dim=1)

    def _activated(self, stream: Stream, mask: Tensor | None) -> Tensor:
        psi = self.tables.base(stream.quantizer)
        values = look_up(stream.addresses, stream.real, psi.table, psi.slopes)[..., 0]
        return values if mask is None else values * mask

    def _base_codes(self) -> Tensor:
        relative = self.base_weights * self.base_active / self.base_steps.unsqueeze(-1)
        _, bits = self.config.weight_bits
        if bits == 1:
            relative = relative.clamp(-1, 1)
            return relative + (torch.sign(relative) - relative).detach()
        top = (1 << (bits - 1)) - 1
        return round_half_up(relative.clamp(-top, top))

    def _base(self) -> Tensor:
        return self._base_codes() * self.base_steps.unsqueeze(-1)

    def step(self) -> SumStep:
        """The float step with bias and base weights as they are now; its splines are as before."""
        base = self.original.layer.base_weights
        if self.has_base:
            base = numbers(self.base_weights * self.base_active)
        layer = replace(self.original.layer, bias=numbers(self.bias), base_weights=base)
        return replace(self.original, layer=layer)

    def rounded(self, consumer: Consumer) -> CodebookWeights:
        """What the layer has become, for the quantizers as they are now."""
        inputs = consumer.sum_inputs(self.original)
        active = numbers(self.active).astype(np.int64)
        base, codes, unit = self.start.base, self.start.base_codes, self.start.base_unit
        if self.has_base:
            with torch.no_grad():
                rounded = self._base_codes().double().cpu().numpy()
            base = WeightQuantizer(np.floor(rounded + 0.5).astype(np.int64), base.scale)
            codes, unit = base_tables(self.original.layer, inputs.base, self.config.base_table_bits)
        return replace(
            self.start,
            shapes=self.shapes.frozen(),
            gains=WeightQuantizer(self.gains.frozen() * active, self.start.gains.scale),
            biases=None if self.biases is None else self.biases.frozen() * active,
            folded=np.zeros_like(self.start.folded),
            base=base,
            base_codes=codes,
            base_unit=unit,
        )
