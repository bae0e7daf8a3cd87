"""Post-training quantization, branch-aware: from a float model and data to a QuantModel.

Layers are quantized from the last to the first, because a layer's integers are in units of the
codes that it makes for the next one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.basis import Basis, BSplineBasis
from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.model import KanLayer, KanModel, ModelLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.model import Join, QuantBasisTable, QuantEdgeTable, QuantLayer, QuantModel
from kanhw.quant.quantizer import (
    ActivationQuantizer,
    activation_quantizer,
    quantize_weights,
)
from kanhw.quant.realisation import chosen_realisation
from kanhw.quant.rounding import round_half_up

__all__ = ["quantize_model"]

FloatArray = npt.NDArray[np.float64]

# A shared code wastes this share of its steps outside the spline's support before ``auto`` gives
# the branches a code each.
_WASTE = 0.25
_MAX_SHIFT = 30
# What sums may reach: float64 is exact to 2**53, and snapped scale ratios add a little.
_EXACT = 2.0**52


@dataclass(frozen=True)
class _Inputs:
    """The quantizers in front of a layer: one for both branches, or the spline's and the base's."""

    quantizers: tuple[ActivationQuantizer, ...]
    realisation: str

    @property
    def spline(self) -> ActivationQuantizer:
        return self.quantizers[0]

    @property
    def base(self) -> ActivationQuantizer:
        return self.quantizers[-1]


def quantize_model(
    model: KanModel, calibration: npt.ArrayLike, config: QuantConfig | None = None
) -> QuantModel:
    """Quantize a float model after training.

    Parameters
    ----------
    model
        The float model.
    calibration
        ``[N, n_in]`` real features like those it will see (training data, not test data).
    config
        Bits, ranges and realisation; None is ``QuantConfig()``: 8 bits everywhere.

    Raises
    ------
    InputError
        If the calibration data are empty, of the wrong width, or not finite, or the model has
        layers that have no integer form here.
    """
    config = config or QuantConfig()
    model_layers = [_plain(layer) for layer in model.layers]
    features = _checked_calibration(calibration, model.n_in)
    observed = model.layer_inputs(features)
    inputs = [
        _layer_inputs(layer, values, config, first=index == 0)
        for index, (layer, values) in enumerate(zip(model_layers, observed[:-1], strict=True))
    ]
    layers: list[QuantLayer] = []
    for index, layer in enumerate(model_layers):
        targets = inputs[index + 1].quantizers if index + 1 < len(inputs) else (None,)
        build = _edge_table if inputs[index].realisation == "edge_table" else _basis_table
        layers.append(build(layer, inputs[index], targets, config))
    return QuantModel(inputs[0].spline, tuple(layers), config, model.source)


def _plain(layer: ModelLayer) -> KanLayer:
    """The layer, if it is B-splines and a base branch and nothing else."""
    if not isinstance(layer, KanLayer):
        extra = f"it is a {type(layer).__name__}"
    elif not isinstance(layer.basis, BSplineBasis):
        extra = f"its basis is a {type(layer.basis).__name__}"
    elif layer.spline_norm is not None or layer.post:
        extra = "it has a normalisation, an activation or products"
    elif layer.symbolic:
        extra = "it has symbolic edges"
    else:
        return layer
    raise InputError(
        f"{layer.name} cannot be quantized: {extra}; what can be are layers of B-splines and a "
        "base branch"
    )


def _checked_calibration(calibration: npt.ArrayLike, n_in: int) -> FloatArray:
    features = np.asarray(calibration)
    if features.dtype.kind not in "fiub":
        raise TypeError(f"Calibration data must be numbers, not {features.dtype}")
    features = features.astype(np.float64)
    if features.ndim != 2 or features.shape[1] != n_in:
        raise InputError(
            f"Calibration data must have shape [N, {n_in}] for this model, not "
            f"{list(features.shape)}"
        )
    if features.shape[0] == 0:
        raise InputError("Calibration needs at least one sample, not 0")
    if not np.isfinite(features).all():
        raise InputError("Calibration data hold NaN or infinity: remove or fill those rows")
    return features


def _layer_inputs(
    layer: KanLayer, values: FloatArray, config: QuantConfig, *, first: bool
) -> _Inputs:
    bits = config.activation_bits
    if first and config.input_bits is not None:
        bits = config.input_bits
    # Without a base branch, nothing beyond the support is told apart.
    limits = None if layer.base_weights.any() else layer.basis.support
    shared = activation_quantizer(values, bits, config, limits)
    table_bits = config.table_bits or config.activation_bits + 3
    realisation = chosen_realisation(layer, bits, table_bits, config)
    one_code = first or realisation == "edge_table" or config.branch_inputs == "shared"
    if one_code or limits is not None:
        return _Inputs((shared,), realisation)
    spline = activation_quantizer(values, bits, config, limits=layer.basis.support)
    if config.branch_inputs == "auto" and (spline.scale > (1 - _WASTE) * shared.scale).all():
        return _Inputs((shared,), realisation)
    return _Inputs((spline, shared), realisation)


def _edge_table(
    layer: KanLayer,
    inputs: _Inputs,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
) -> QuantEdgeTable:
    base = quantize_weights(layer.base_weights, config.base_bits, config)
    spline = quantize_weights(layer.coefficients, config.spline_bits, config)
    rounded = replace(layer, coefficients=spline.dequantize(), base_weights=base.dequantize())
    edges = rounded.edges(inputs.spline.grid())
    unit, shift = _table_unit(layer, edges, targets[0], config)
    tables = round_half_up(edges / unit[:, None, None]).astype(np.int64)
    bounds = np.abs(tables).max(axis=2).sum(axis=1, dtype=np.float64)
    first = _direct_join(layer, unit, shift, targets[0])
    others = [_snapped_join(layer, unit[None], bounds[None], t, config) for t in targets[1:]]
    return QuantEdgeTable(layer.name, base, spline, tables, (first, *others))


def _table_unit(
    layer: KanLayer, edges: FloatArray, target: ActivationQuantizer | None, config: QuantConfig
) -> tuple[FloatArray, int]:
    """Real units of a table step for every output, and the bits between it and a code step.

    Those bits are fewer than 0 where tables are coarser than the codes they add up to.
    """
    spans = np.ptp(edges, axis=2).max(axis=1)
    reach = np.abs(edges).max(axis=2).sum(axis=1) + np.abs(layer.bias)
    if target is None:
        bits = config.table_bits or config.activation_bits + 3
        unit = max(float(spans.max()) / ((1 << bits) - 1), float(reach.max()) / _EXACT)
        return np.full(len(spans), unit or 1.0), 0
    bits = config.table_bits or target.format.width + 3
    # Steps of tables and codes differ by a power of two, so that rounding is a shift.
    shift = _highest_shift(layer, (1 << bits) - 1, spans, reach, target)
    return target.scale / 2.0**shift, shift


def _highest_shift(
    layer: KanLayer,
    top: int,
    units: FloatArray,
    reach: FloatArray,
    target: ActivationQuantizer,
) -> int:
    """The most fraction bits of a code that leave units within ``top``, and sums exact.

    Parameters
    ----------
    layer
        For messages.
    top
        The largest integer that a unit may become.
    units
        ``[..., n_out]`` reals to be written as integers over ``2**shift`` code steps.
    reach
        ``[n_out]``: the largest magnitude of the real sums.
    target
        The quantizer of the codes.
    """
    largest = float((units / target.scale).max())
    farthest = float((reach / target.scale + np.abs(target.zero_point)).max())
    if farthest > _EXACT:
        raise InputError(
            f"{layer.name}: its sums reach {farthest:.3g} steps of the codes that they become: "
            "calibrate with data that vary more"
        )
    room = [2.0**_MAX_SHIFT]
    if largest > 0:
        room.append(top / largest)
    if farthest > 0:
        room.append(_EXACT / farthest)
    return math.floor(math.log2(min(room)))


def _direct_join(
    layer: KanLayer, unit: FloatArray, shift: int, target: ActivationQuantizer | None
) -> Join:
    """The join of edge sums that are already in the target's units: no multiplier."""
    bias = round_half_up(layer.bias / unit).astype(np.int64)
    scale = unit if target is None else target.scale
    # Tables that are coarser than codes are shifted up to them.
    factor = 1 << max(-shift, 0)
    shift = max(shift, 0)
    if target is not None:
        bias = bias * factor + (target.zero_point << shift)
    return Join(np.full((1, layer.n_out), factor, np.int64), bias, shift, target, scale)


def _snapped_join(
    layer: KanLayer,
    units: FloatArray,
    bounds: FloatArray,
    target: ActivationQuantizer | None,
    config: QuantConfig,
) -> Join:
    """Scale ratios as integers over a power of two.

    Parameters
    ----------
    layer
        Its bias is joined.
    units
        ``[branches, n_out]``: real units of every branch's sums.
    bounds
        ``[branches, n_out]``: what no sum's magnitude exceeds.
    target
        The quantizer of the codes; None makes a common scale for outputs.
    """
    top = (1 << (config.multiplier_bits - 1)) - 1
    # A branch that adds nothing (no weights are left) must not coarsen the others' multipliers.
    units = np.where(bounds > 0, units, 0.0)
    reach = (units * bounds).sum(axis=0) + np.abs(layer.bias)
    if target is None:
        # The finest common output scale that the multipliers allow.
        finest = max(float(units.max()) / top, float(reach.max()) / _EXACT) or 1.0
        scale = np.full(layer.n_out, finest)
        multipliers = round_half_up(units / scale).astype(np.int64)
        return Join(multipliers, _integer_bias(layer.bias / scale), 0, None, scale)
    ratios = units / target.scale
    shift = _highest_shift(layer, top, units, reach, target)
    if shift < 0:
        raise InputError(
            f"{layer.name}: one step of its sums is {float(ratios.max()):.0f} code steps, more "
            f"than a multiplier of {config.multiplier_bits} bits reaches: use more weight or "
            "multiplier bits, or fewer activation bits"
        )
    multipliers = round_half_up(ratios * 2.0**shift).astype(np.int64)
    bias = _integer_bias(layer.bias / target.scale * 2.0**shift) + (target.zero_point << shift)
    return Join(multipliers, bias, shift, target, target.scale)


def _integer_bias(bias: FloatArray) -> IntArray:
    return round_half_up(bias).astype(np.int64)


def _basis_table(
    layer: KanLayer,
    inputs: _Inputs,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
) -> QuantBasisTable:
    base = quantize_weights(layer.base_weights, config.base_bits, config)
    spline = quantize_weights(layer.coefficients, config.spline_bits, config)
    basis_tables, basis_unit = _basis_values(layer.basis, inputs.spline, config.basis_bits)
    base_tables, base_unit = _base_values(layer, inputs.base, config.base_table_bits)
    units = np.stack([spline.scale * basis_unit, base.scale * base_unit])
    bounds = np.stack(
        [
            np.abs(spline.codes).max(axis=2) @ basis_tables.sum(axis=2).max(axis=1),
            np.abs(base.codes) @ np.abs(base_tables).max(axis=1),
        ]
    ).astype(np.float64)
    return QuantBasisTable(
        layer.name,
        base,
        spline,
        basis_tables,
        base_tables,
        tuple(_snapped_join(layer, units, bounds, target, config) for target in targets),
        spline_stream=0,
        base_stream=len(inputs.quantizers) - 1,
    )


def _basis_values(
    basis: Basis, quantizer: ActivationQuantizer, bits: int
) -> tuple[IntArray, float]:
    """Unsigned basis tables ``[n_in, 2**width, K]`` and the real units of a step."""
    values = basis(quantizer.grid()).transpose(1, 0, 2)
    top = float(values.max())
    unit = top / ((1 << bits) - 1) if top > 0 else 1.0
    return round_half_up(values / unit).astype(np.int64), unit


def _base_values(
    layer: KanLayer, quantizer: ActivationQuantizer, bits: int
) -> tuple[IntArray, float]:
    """Signed tables of the base activation ``[n_in, 2**width']`` and the real units of a step."""
    values = layer.base_activation(quantizer.grid()).T
    top = float(np.abs(values).max())
    unit = top / ((1 << (bits - 1)) - 1) if top > 0 else 1.0
    return round_half_up(values / unit).astype(np.int64), unit
