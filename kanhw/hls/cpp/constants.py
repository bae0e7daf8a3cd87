"""Arrays of constants: plain C integers, because ap_int initialisers take compilers minutes."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.formats import IntArray

__all__ = ["array_text", "c_type", "literal"]

_LINE = 96
_SIZES = (8, 16, 32, 64)


def c_type(values: IntArray) -> str:
    """The smallest integer type of C that holds all values."""
    lo, hi = int(values.min()), int(values.max())
    bits = max(hi, -lo - 1, 0).bit_length() + 1
    return f"int{next(size for size in _SIZES if bits <= size)}_t"


def array_text(name: str, values: IntArray) -> str:
    """A definition with braces for every dimension: ``static const int8_t NAME[2][3] = ...``."""
    sizes = "".join(f"[{size}]" for size in values.shape)
    suffix = "LL" if c_type(values) == "int64_t" else ""
    body = "\n".join(_braced(values, suffix, 0))
    return f"static const {c_type(values)} {name}{sizes} = {body};\n"


def literal(value: int) -> str:
    """An integer constant; one that does not fit an int says so."""
    text = f"{value}LL" if not -(2**31) < value < 2**31 else str(value)
    return f"({text})" if value < 0 else text


def _braced(values: Any, suffix: str, depth: int) -> list[str]:
    """The lines of an array."""
    margin = "    " * depth
    if values.ndim > 1:
        inner: list[str] = []
        for row in values:
            lines = _braced(row, suffix, depth + 1)
            lines[-1] += ","
            inner += lines
        return [f"{margin}{{", *inner, f"{margin}}}"]
    words = [f"{value}{suffix}" for value in np.asarray(values).tolist()]
    whole = f"{margin}{{{', '.join(words)}}}"
    if len(whole) <= _LINE:
        return [whole]
    lines, line = [f"{margin}{{"], f"{margin}    "
    for word in words:
        if len(line) + len(word) + 1 > _LINE:
            lines.append(line.rstrip())
            line = f"{margin}    "
        line += f"{word}, "
    return [*lines, line.rstrip(" ,"), f"{margin}}}"]
