"""Many networks of one structure at once: their outputs, what they cost, how rough they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kanhw.quant.fabric.cost import CodeWork, FabricCost, LayerWidths
from kanhw.quant.fabric.learned.merging import Merging
from kanhw.quant.fabric.learned.parameters import LayerParameters, Layout
from kanhw.quant.fabric.learned.structure import HIDDEN_REACH, LayerStructure, level
from kanhw.quant.fabric.learned.tables import LookUp, RoundedTables, round_half_up, slopes_of

__all__ = ["BIAS_FRACTION", "EvaluatedLayer", "Networks", "samples_at_once"]

BIAS_FRACTION = 10
"""Fraction bits of a hidden bias: sums are then exact in float32."""
# Roughness is measured on the tables of so many address bits.
_ROUGHNESS_BITS = 4
# Numbers that are held at once, of tables and of look-ups: some hundred MB.
_AT_ONCE = 1 << 24


@dataclass(frozen=True, eq=False)
class EvaluatedLayer:
    """A layer's tables, and what they are made of.

    Parameters
    ----------
    structure, parameters
        Of the layer.
    work
        What is done with its codes before they are read.
    address_bits
        ``[S, n_out, n_in]``: those of the edge, and no more than the code has that it reads.
    curves
        ``[S, n_out, n_in, 2**(M + 1) - 1]``: edges at the centres of codes of 0 to M bits.
    tables, smooth
        ``[S, n_out, n_in, 2**M]``: as they are deployed, and before rounding.
    """

    structure: LayerStructure
    parameters: LayerParameters
    work: CodeWork
    address_bits: Tensor
    curves: Tensor
    tables: Tensor
    smooth: Tensor

    def bias(self) -> Tensor:
        """``[S, n_out]``: rounded to what sums are multiples of."""
        own = self.parameters
        if own.code_bits is None:
            unit = torch.exp2(round_half_up(own.fraction_bits.detach()).amax(-1))
        else:
            unit = torch.full_like(own.bias, float(1 << BIAS_FRACTION))
        rounded = round_half_up(own.bias.detach() * unit) / unit
        return own.bias + (rounded - own.bias.detach())

    def _layer_widths(
        self, address_bits: Tensor, bits: Tensor, code_bits: Tensor | None
    ) -> LayerWidths:
        windows = self.structure.reading.positions
        return LayerWidths(address_bits, bits, code_bits, windows, self.work)

    def widths(self) -> LayerWidths:
        """Widths as reals: of a table of range r in steps of ``2**-f``, ``log2(r 2**f + 1)``."""
        own = self.parameters
        reach = self.smooth.amax(-1) - self.smooth.amin(-1)
        bits = torch.log2(reach * torch.exp2(own.fraction_bits) + 1)
        return self._layer_widths(self.address_bits, bits, own.code_bits)

    def whole_widths(self, *, whole_bits: bool) -> LayerWidths:
        """Widths as they are deployed.

        Parameters
        ----------
        whole_bits
            Whether a table hands out whole bits, or what logic is made for: ``log2(span + 1)``.
        """
        own = self.parameters
        steps = (self.tables.amax(-1) - self.tables.amin(-1)) * torch.exp2(
            round_half_up(own.fraction_bits)
        )
        bits = torch.log2(steps + 1)
        if whole_bits:
            bits = torch.ceil(bits)
        address = round_half_up(self.address_bits) * (steps > 0)
        code = None if own.code_bits is None else round_half_up(own.code_bits)
        return self._layer_widths(address, bits, code)

    def fractions(self, *, whole: bool) -> Tensor:
        """``[S, n_out, n_in]``: fraction bits of tables, as reals or as they are deployed."""
        own = self.parameters.fraction_bits
        return round_half_up(own) if whole else own

    def roughness(self) -> Tensor:
        """``[S]``: the integral of the squared second derivative of every edge, over its range."""
        most = (self.curves.shape[-1] + 1).bit_length() - 2
        bits = min(_ROUGHNESS_BITS, most)
        values = self.curves[..., level(bits)]
        if bits < 2:
            return 0 * values.sum(dim=(1, 2, 3))
        second = values[..., 2:] - 2 * values[..., 1:-1] + values[..., :-2]
        return second.square().sum(dim=(1, 2, 3)) * float(1 << 3 * bits)


class Networks:
    """The networks of a layout.

    Parameters
    ----------
    layout
        Their parameters.
    cost
        What widths cost.
    encoder
        Whether inputs are encoded on chip, and so cost something.
    merge_tables
        Whether tables of an output become one where that is cheaper.
    """

    def __init__(
        self,
        layout: Layout,
        cost: FabricCost,
        *,
        encoder: bool = False,
        merge_tables: bool = False,
    ) -> None:
        self.layout, self.encoder = layout, encoder
        structure = layout.structure
        cost = cost.of_single_bits() if structure.is_binary else cost
        self.cost = cost.of_stream() if structure.has_windows else cost
        self.merging = Merging(self.cost) if merge_tables else None
        kind = torch.get_default_dtype()
        self._functions = [torch.tensor(layer.functions, dtype=kind) for layer in structure.layers]
        self._moved: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}

    def functions(self, rows: Tensor) -> list[Tensor]:
        """``[n_in, 2**(M + 1) - 1, K]`` of every layer: functions of its inputs, where rows are."""
        key = rows.device, rows.dtype
        if key not in self._moved:
            self._moved[key] = [own.to(rows) for own in self._functions]
        return self._moved[key]

    def evaluate(self, rows: Tensor) -> list[EvaluatedLayer]:
        """The tables of networks ``[S, size]``."""
        evaluated: list[EvaluatedLayer] = []
        structure, parameters = self.layout.structure, self.layout.layers(rows)
        for index, layer in enumerate(structure.layers):
            own, functions = parameters[index], self.functions(rows)[index]
            bits = own.address_bits
            before = evaluated[-1].parameters.code_bits if evaluated else None
            if before is not None:
                bits = torch.minimum(bits, layer.reading.by_input(before).unsqueeze(1))
            curves = _curves(own.coefficients, functions)
            tables, smooth = RoundedTables.apply(  # type: ignore[no-untyped-call]
                curves, bits, own.fraction_bits
            )
            evaluated.append(
                EvaluatedLayer(layer, own, structure.work(index), bits, curves, tables, smooth)
            )
        return evaluated

    def outputs(self, layers: list[EvaluatedLayer], x: Tensor) -> Tensor:
        """``[S, N, n_out]`` of inputs ``[S, N, n_in]`` in units of the ranges of the start."""
        if torch.is_grad_enabled():
            return self._outputs(layers, x)
        parts = torch.split(x, samples_at_once(layers, len(x)), dim=1)
        return torch.cat([self._outputs(layers, part) for part in parts], dim=1)

    def _outputs(self, layers: list[EvaluatedLayer], x: Tensor) -> Tensor:
        first = layers[0].parameters
        if first.low is None or first.high is None:  # pragma: no cover - the first layer has them
            raise TypeError("The first layer has no ranges")
        channels = self.layout.structure.channels
        low, high = (end[:, channels].unsqueeze(1) for end in (first.low, first.high))
        u = (x - low) / (high - low)
        for layer in layers[:-1]:
            u = self.shares(layer, self.sums(layer, u))
        return self.sums(layers[-1], u)

    def groups(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Networks ``[S, size]``, as many at once as memory holds the tables of."""
        structure = self.layout.structure
        edges = sum(layer.n_out * layer.n_in for layer in structure.layers)
        at_once = max(_AT_ONCE // (edges << structure.most_bits + 1), 1)
        return torch.split(rows, at_once)

    def outputs_of(self, rows: Tensor, x: Tensor) -> Tensor:
        """``[S, N, n_out]`` of the same inputs ``[N, n_in]`` for all; no gradients."""
        with torch.no_grad():
            groups = []
            for own in self.groups(rows):
                layers = self.evaluate(own)
                groups.append(self.outputs(layers, x.expand(len(own), -1, -1)))
            return torch.cat(groups)

    def sums(self, layer: EvaluatedLayer, u: Tensor) -> Tensor:
        """``[S, N, n_out * positions]``: a layer's sums, of shares of ranges ``[S, N, values]``."""
        reading = layer.structure.reading
        looked_up: Tensor = LookUp.apply(  # type: ignore[no-untyped-call]
            layer.tables, slopes_of(layer.curves), reading.gather(u)
        )
        return reading.to_image(looked_up + layer.bias().unsqueeze(1))

    def shares(self, layer: EvaluatedLayer, sums: Tensor) -> Tensor:
        """Shares ``[S, N, values]`` that the next layer reads, of a hidden layer's sums."""
        u = (sums + HIDDEN_REACH) / (2 * HIDDEN_REACH)
        pool, bits = layer.structure.pool, layer.parameters.code_bits
        return u if pool is None or bits is None else pool(u, bits)

    def leaders(self, layers: list[EvaluatedLayer], *, whole: bool = False) -> list[Tensor] | None:
        """Of every layer which edges share a table, as :class:`Merging` says; None: none does."""
        merging = self.merging
        if merging is None:
            return None
        return [
            merging.leaders(
                self._widths(layer, whole=whole),
                layer.fractions(whole=whole),
                torch.tensor(layer.structure.reading.padded, device=layer.tables.device),
            )
            for layer in layers
        ]

    def _widths(self, layer: EvaluatedLayer, *, whole: bool) -> LayerWidths:
        """Of tables apart."""
        return layer.whole_widths(whole_bits=self.cost.whole_bits) if whole else layer.widths()

    def costs(
        self,
        layers: list[EvaluatedLayer],
        *,
        whole: bool = False,
        leaders: list[Tensor] | None = None,
    ) -> Tensor:
        """``[S]``: of widths as reals, or as they are deployed.

        Parameters
        ----------
        layers
            The networks.
        whole
            Whether widths are as deployed.
        leaders
            Which edges share a table; None finds it.
        """
        widths = [self._widths(layer, whole=whole) for layer in layers]
        made = widths
        if self.merging is not None:
            leaders = leaders or self.leaders(layers, whole=whole) or []
            made = [
                self.merging.merged(own, layer.fractions(whole=whole), leading)
                for own, layer, leading in zip(widths, layers, leaders, strict=True)
            ]
        total = torch.stack([self.cost.of_layer(own) for own in made]).sum(0)
        reading, of_bit = self.layout.structure.layers[0].reading, self.input_cost()
        if of_bit:
            total = total + of_bit * reading.by_channel(widths[0].address_bits.amax(1)).sum(1)
        return total + self.cost.stage * reading.work.stages

    def encoder_costs(self, rows: Tensor) -> Tensor:
        """``[S]``: of what makes codes of real inputs of networks ``[S, size]`` on chip."""
        if not self.encoder:
            return rows.new_zeros(len(rows))
        with torch.no_grad():
            first = self.evaluate(rows)[0]
            address = first.whole_widths(whole_bits=False).address_bits
            by_channel = first.structure.reading.by_channel(address.amax(1))
            return self._input_cost(CodeWork()) * by_channel.sum(1)

    def input_cost(self) -> float:
        """Of a bit of an input channel."""
        return self._input_cost(self.layout.structure.layers[0].reading.work)

    def _input_cost(self, work: CodeWork) -> float:
        """Of what is done with a bit of an input channel, encoding included."""
        reading = self.layout.structure.layers[0].reading
        pixels = len(reading.channels) // reading.n_channels
        return self.cost.of_input(work, pixels, encoder=self.encoder)


def samples_at_once(layers: Sequence[EvaluatedLayer], networks: int) -> int:
    """Samples whose windows are held at once, of so many networks, where memory is to be small."""
    each = max(layer.structure.reading.index.size for layer in layers) * networks
    return max(_AT_ONCE // each, 1)


def _curves(coefficients: Tensor, functions: Tensor) -> Tensor:
    """``[S, n_out, n_in, P]`` of coefficients ``[S, n_out, n_in, K]`` and functions of inputs."""
    if len(functions) == 1:
        return coefficients @ functions[0].T
    s, n_out, n_in, _ = coefficients.shape
    by_input = coefficients.permute(2, 0, 1, 3).reshape(n_in, s * n_out, -1)
    curves = torch.bmm(by_input, functions.transpose(1, 2))
    return curves.reshape(n_in, s, n_out, -1).permute(1, 2, 0, 3)
