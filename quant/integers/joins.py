"""Scale ratios as integers: how sums become the codes of the next quantizer."""

from __future__ import annotations

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.numerics import whole_log2
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.record.join import Join

__all__ = [
    "EXACT",
    "direct_join",
    "highest_shift",
    "output_units",
    "snapped_join",
    "snapped_joins",
]

_MAX_SHIFT = 30
# Outputs with ranges within this factor share a unit, so that their codes can be compared.
_COMPARABLE = 4.0
# What sums may reach: float64 is exact to 2**53, and snapped scale ratios add a little.
EXACT = 2.0**52


def highest_shift(
    name: str, top: int, units: FloatArray, reach: FloatArray, target: ActivationQuantizer
) -> int:
    """The most fraction bits of a code that leave units within ``top``, and sums exact.

    Parameters
    ----------
    name
        Of the layer, for messages.
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
    if farthest > EXACT:
        raise InputError(
            f"{name}: its sums reach {farthest:.3g} steps of the codes that they become: "
            "calibrate with data that vary more"
        )
    room = [2.0**_MAX_SHIFT]
    if largest > 0:
        room.append(top / largest)
    if farthest > 0:
        room.append(EXACT / farthest)
    return int(whole_log2(min(room)))


def output_units(
    spans: FloatArray, top: int, ranges: FloatArray, reach: FloatArray, config: QuantConfig
) -> FloatArray:
    """Real steps ``[n_out]`` of a network's outputs, as ``output_granularity`` says.

    Parameters
    ----------
    spans
        ``[n_out]`` reals that shall become at most ``top`` steps.
    top
        The largest integer for them.
    ranges
        ``[n_out]``: how far the real sums vary, by which outputs are told alike.
    reach
        ``[n_out]``: the largest magnitude of the real sums, which stay exact.
    config
        Its ``output_granularity``.
    """
    own = np.maximum(spans / top, reach / EXACT)
    widest = float(own.max()) or 1.0
    # What is 0 everywhere has no unit that would be its own.
    own = np.where(own > 0, own, widest)
    apart = config.output_granularity == "channel"
    if config.output_granularity == "auto":
        varying = ranges[ranges > 0]
        apart = bool(varying.size) and varying.max() > _COMPARABLE * varying.min()
    return own if apart else np.full(len(own), widest)


def direct_join(
    bias: FloatArray,
    unit: FloatArray,
    shift: int,
    target: ActivationQuantizer | None,
    branches: int = 1,
) -> Join:
    """The join of sums that are already in the target's units: no multiplier.

    Parameters
    ----------
    bias
        ``[n_out]`` reals.
    unit
        ``[n_out]``: real units of the sums.
    shift
        Bits between a step of the sums and one of the codes; below 0 where the sums are coarser.
    target
        The quantizer of the codes; None hands out the sums.
    branches
        How many sums are joined, all in the same units.
    """
    integers = round_half_up(bias / unit).astype(np.int64)
    scale = unit if target is None else target.scale
    # Sums that are coarser than codes are shifted up to them.
    factor = 1 << max(-shift, 0)
    shift = max(shift, 0)
    if target is not None:
        integers = integers * factor + (target.zero_point << shift)
    multipliers = np.full((branches, len(bias)), factor, np.int64)
    return Join(multipliers, integers, shift, target, scale)


def snapped_join(
    name: str,
    bias: FloatArray,
    units: FloatArray,
    bounds: FloatArray,
    target: ActivationQuantizer | None,
    config: QuantConfig,
) -> Join:
    """Every branch's scale over the target's, as an integer over a common power of two.

    Parameters
    ----------
    name
        Of the layer, for messages.
    bias
        ``[n_out]`` reals.
    units
        ``[branches, n_out]``: real units of every branch's sums.
    bounds
        ``[branches, n_out]``: what no sum's magnitude exceeds.
    target
        The quantizer of the codes; None makes scales for outputs.
    config
        Its ``multiplier_bits`` and ``output_granularity``.
    """
    top = (1 << (config.multiplier_bits - 1)) - 1
    # A branch that adds nothing (no weights are left) must not coarsen the others' multipliers.
    units = np.where(bounds > 0, units, 0.0)
    reach = (units * bounds).sum(axis=0) + np.abs(bias)
    if target is None:
        # The finest output scale that the multipliers allow.
        ranges = (units * bounds).sum(axis=0)
        scale = output_units(units.max(axis=0), top, ranges, reach, config)
        multipliers = round_half_up(units / scale).astype(np.int64)
        return Join(multipliers, _integers(bias / scale), 0, None, scale)
    ratios = units / target.scale
    shift = highest_shift(name, top, units, reach, target)
    if shift < 0:
        raise InputError(
            f"{name}: one step of its sums is {float(ratios.max()):.0f} code steps, more "
            f"than a multiplier of {config.multiplier_bits} bits reaches: use more weight or "
            "multiplier bits, or fewer activation bits"
        )
    multipliers = round_half_up(ratios * 2.0**shift).astype(np.int64)
    integers = _integers(bias / target.scale * 2.0**shift) + (target.zero_point << shift)
    return Join(multipliers, integers, shift, target, target.scale)


def snapped_joins(
    name: str,
    bias: FloatArray,
    units: FloatArray,
    bounds: FloatArray,
    targets: tuple[ActivationQuantizer | None, ...],
    config: QuantConfig,
) -> tuple[Join, ...]:
    """The join of every target; arguments as for :func:`snapped_join`."""
    return tuple(snapped_join(name, bias, units, bounds, target, config) for target in targets)


def _integers(values: FloatArray) -> IntArray:
    return round_half_up(values).astype(np.int64)
