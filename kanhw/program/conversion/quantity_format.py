"""What the codes of an ADC, or of fixed point, stand for: a line from codes to real values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kanhw.errors import InputError
from kanhw.formats import CodeFormat

__all__ = ["FORMAT_HELP", "QuantityFormat", "common_format", "formats_by_name"]

FORMAT_HELP = (
    "qM.N (fixed point of M+N bits, M of them before the point with the sign), uqM.N (without a "
    "sign), or uW:C..D=A..B and sW:C..D=A..B (unsigned or signed codes of W bits of which C stands "
    "for A and D for B)"
)
# Codes of more bits leave no room for a multiplier in 62 bits.
MOST_BITS = 32

_FIXED = re.compile(r"(u?)q(\d{1,2})\.(\d{1,2})")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_LINE = re.compile(rf"([us])(\d{{1,2}}):([+-]?\d+)\.\.([+-]?\d+)=({_NUMBER})\.\.({_NUMBER})")


@dataclass(frozen=True)
class QuantityFormat:
    """Codes of a physical quantity: code q stands for ``scale * (q - zero_point) + offset``.

    Parameters
    ----------
    code
        Of the codes.
    scale
        What a step is worth, positive.
    zero_point
        A code.
    offset
        What that code stands for.
    """

    code: CodeFormat
    scale: float
    zero_point: int = 0
    offset: float = 0.0

    @classmethod
    def from_text(cls, text: str) -> QuantityFormat:
        """A format as it is written: ``q8.8``, ``uq0.16``, ``u12:0..4095=-10..50``.

        In ``qM.N`` the M bits before the point include the sign, so it is M+N bits wide and reaches
        from -2**(M-1) to 2**(M-1) less a step of 2**-N.

        Raises
        ------
        InputError
            If it is none.
        """
        fixed = _FIXED.fullmatch(text.lower())
        if fixed:
            before, behind = int(fixed[2]), int(fixed[3])
            return cls(_code(text, before + behind, signed=not fixed[1]), 2.0**-behind)
        line = _LINE.fullmatch(text.lower())
        if not line:
            raise InputError(f"{text!r} is no format of codes: write {FORMAT_HELP}")
        code = _code(text, int(line[2]), signed=line[1] == "s")
        first, last = int(line[3]), int(line[4])
        low, high = float(line[5]), float(line[6])
        if not code.lo <= first < last <= code.hi:
            raise InputError(
                f"{text!r}: the two codes must be {code.lo} <= C < D <= {code.hi}, not {first} "
                f"and {last}"
            )
        if not low < high or not math.isfinite(high - low):
            raise InputError(
                f"{text!r}: the values must rise with the codes, and {low:g} to {high:g} do not: "
                "where a reading falls, let the network's feature be its negative"
            )
        return cls(code, (high - low) / (last - first), first, low)


def common_format(formats: Sequence[QuantityFormat]) -> CodeFormat:
    """The narrowest format that holds the codes of all of them, as one port carries them."""
    signed = any(each.code.signed for each in formats)
    width = max(each.code.width + (signed and not each.code.signed) for each in formats)
    return CodeFormat(width, signed)


def formats_by_name(
    text: str, count: int, names: Sequence[str] | None, what: str
) -> tuple[QuantityFormat, ...]:
    """A format for each of ``count`` values, from one for all, a list, or NAME=SPEC for each.

    Parameters
    ----------
    text
        As it is given, separated by commas.
    count
        How many values there are.
    names
        Theirs, where they have some; they always go by their number from 0, too.
    what
        What they are, for messages: "input" or "output".

    Raises
    ------
    InputError
        If a format is none, a name is unknown or twice there, or there are not as many as values.
    """
    entries = [entry.strip() for entry in text.split(",")]
    named = [_named(entry) for entry in entries]
    if all(name is None for name, _ in named):
        formats = [QuantityFormat.from_text(spec) for _, spec in named]
        if len(formats) not in (1, count):
            raise InputError(
                f"There are {len(formats)} {what} formats for {count} {what}s: give one for all, "
                "or one for each"
            )
        return tuple(formats) * (count if len(formats) == 1 else 1)
    numbers = {str(k): k for k in range(count)}
    numbers |= {name: k for k, name in enumerate(names or ())}
    found: dict[int, QuantityFormat] = {}
    for name, spec in named:
        if name not in numbers or numbers[name] in found:
            known = ", ".join(names) if names else f"0 to {count - 1}"
            raise InputError(
                f"{what} formats by name must name every {what} once ({known}), not {name!r}"
            )
        found[numbers[name]] = QuantityFormat.from_text(spec)
    for k in range(count):
        if k not in found:
            raise InputError(
                f"There is no {what} format for {names[k] if names else k!r}: name every {what}, "
                "or give one format for all"
            )
    return tuple(found[k] for k in range(count))


def _named(entry: str) -> tuple[str | None, str]:
    """Name and format of an entry; the format of a line holds an equals sign itself."""
    name, equals, spec = entry.partition("=")
    return (None, entry) if not equals or ":" in name else (name.strip(), spec.strip())


def _code(text: str, width: int, *, signed: bool) -> CodeFormat:
    if not 1 <= width <= MOST_BITS:
        raise InputError(f"{text!r}: codes must have 1 to {MOST_BITS} bits, not {width}")
    return CodeFormat(width, signed)
