"""The form in which a layer's outputs go on: addresses, clamps, payload."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kanhw.formats import CodeFormat
from kanhw.gateware.fabric import Fabric, fabric_named
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.range_clamp import RangeClamp, clamp_of
from kanhw.gateware.stream.stage import Payload
from kanhw.program import Interval, ProgramLayer, Requantizer

__all__ = ["output_addresses", "output_clamp", "output_payload", "table_interval"]


def output_addresses(
    layer: ProgramLayer,
    accumulators: tuple[Interval, ...],
    as_codes: tuple[bool, ...],
    fabric: Fabric | None = None,
) -> tuple[tuple[Address, ...], ...]:
    """The form in which outputs go on, ``[requantizers][n_out]``; empty for sums handed out."""
    fabric = fabric or fabric_named("portable")
    outputs: list[tuple[Address, ...]] = []
    for k, requantizer in enumerate(layer.requantizers):
        rounded = requantizer.sum_interval(accumulators).shifted(requantizer.shift)
        format = requantizer.format
        if format is None:
            outputs.append(())
            continue
        ranges = zip(*(end.tolist() for end in requantizer.code_ends), strict=True)
        reach = zip(rounded.lo.tolist(), rounded.hi.tolist(), ranges, strict=True)
        outputs.append(
            tuple(
                _code_address(lo, hi, format, codes, fabric)
                if as_codes[k]
                else fabric.address(lo, hi, format, last=False, codes=codes)
                for lo, hi, codes in reach
            )
        )
    return tuple(outputs)


def _code_address(
    lo: int, hi: int, format: CodeFormat, codes: tuple[int, int], fabric: Fabric
) -> Address:
    """The code's own address, of those that it can have."""
    whole = fabric.address(lo, hi, format, last=True, codes=None)
    first, last = (end - format.lo for end in codes)
    return replace(whole, lo=min(max(whole.lo, first), last), hi=min(max(whole.hi, first), last))


def output_clamp(requantizer: Requantizer, j: int) -> RangeClamp | None:
    """The clamp of an output that leaves as a code; None if it has all codes of the format."""
    format = requantizer.output_format
    lo, hi = (end[[j]] - format.lo for end in requantizer.code_ends)
    return clamp_of(format.width, lo, hi)


def output_payload(layer: ProgramLayer, outputs: tuple[tuple[Address, ...], ...]) -> Payload:
    """The payload of a layer's own streams, or of the sums that it hands out."""
    last = layer.requantizers[0]
    return Payload(outputs, sums=() if last.format else (last.output_format,) * last.n_out)


def table_interval(addresses: tuple[Address, ...]) -> Interval:
    """The table entries that each address can reach."""
    return Interval(
        np.array([a.entry(a.lo) for a in addresses]),
        np.array([a.entry(a.hi) for a in addresses]),
    )
