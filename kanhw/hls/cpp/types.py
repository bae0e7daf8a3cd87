"""The types of a design's values: a typedef for every declared width, or 64-bit integers."""

from __future__ import annotations

from kanhw.formats import CodeFormat, format_for

__all__ = ["Types", "bits_of"]

# The widest integers of ap_int without a definition of the user's, and of __int128.
_WIDEST = 127


def bits_of(type_: str) -> int:
    """The width of a type by its name, such as 7 of ``s7_t``."""
    return int(type_[1:-2])


class Types:
    """The integer types that a design uses; each becomes a typedef in its header of types."""

    def __init__(self) -> None:
        self._used: set[tuple[bool, int]] = set()

    def of(self, form: CodeFormat) -> str:
        """The type of a declared format, such as ``s7_t``."""
        return self.bits(form.width, signed=form.signed)

    def holding(self, *values: int) -> str:
        """The narrowest signed type that holds all of these integers."""
        lo, hi = min(values), max(values)
        return self.bits(max(hi, -lo - 1, 0).bit_length() + 1)

    def constants(self, lo: int, hi: int) -> str:
        """The narrowest type, with or without a sign, of constants from lo to hi."""
        return self.of(format_for(lo, hi))

    def bits(self, width: int, *, signed: bool = True) -> str:
        """The type of so many bits."""
        if not 1 <= width <= _WIDEST:
            raise ValueError(f"A type must have 1 to {_WIDEST} bits, not {width}")
        self._used.add((signed, width))
        return f"{'s' if signed else 'u'}{width}_t"

    def typedefs(self, *, native: bool) -> str:
        """Their definitions: exact widths, or the compiler's own integers."""
        lines = []
        for signed, width in sorted(self._used):
            exact = f"ap_{'' if signed else 'u'}int<{width}>"
            plain = "int64_t" if width <= 64 else "__int128"
            name = f"{'s' if signed else 'u'}{width}_t"
            lines.append(f"typedef {plain if native else exact} {name};")
        return "\n".join(lines)
