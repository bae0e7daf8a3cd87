"""The part of a Program's file that says what comes in: encoders and conversions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.entries import Entry
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.conversion.input_conversion import InputConversion
from kanhw.program.encoder import InputEncoder

__all__ = [
    "narrow",
    "read_conversion",
    "read_input",
    "store_conversion",
    "store_input",
    "store_optional",
]


def narrow(values: IntArray) -> npt.NDArray[Any]:
    """The same integers in the narrowest signed type that holds them."""
    for kind in (np.int8, np.int16, np.int32):
        if values.min() >= np.iinfo(kind).min and values.max() <= np.iinfo(kind).max:
            return values.astype(kind, order="C")
    return values.astype(np.int64, order="C")


def store_optional(
    name: str, values: npt.NDArray[Any] | None, tensors: dict[str, npt.NDArray[Any]]
) -> None:
    """Put a tensor among the others, if there is one."""
    if values is not None:
        tensors[name] = np.array(values) if values.dtype.kind == "f" else narrow(values)


def store_input(
    encoder: InputEncoder, tensors: dict[str, npt.NDArray[Any]], prefix: str = "input"
) -> dict[str, Any]:
    """The entry of an encoder, whose tensors go among the others under a prefix."""
    store_optional(f"{prefix}.scale", encoder.scale, tensors)
    for field in ("zero_point", "lo", "hi", "offset"):
        store_optional(f"{prefix}.{field}", getattr(encoder, field), tensors)
    return {"n_in": encoder.n_in, "code": encoder.format.to_json()}


def read_input(
    entry: Entry, tensors: dict[str, npt.NDArray[Any]], prefix: str = "input"
) -> InputEncoder:
    """The inverse of :func:`store_input`."""
    format, n_in = CodeFormat.from_json(entry.child("code")), entry.integer("n_in")
    entry.finish()
    return InputEncoder(
        format=format,
        n_in=n_in,
        scale=tensors.get(f"{prefix}.scale"),
        zero_point=tensors.get(f"{prefix}.zero_point"),
        lo=tensors.get(f"{prefix}.lo"),
        hi=tensors.get(f"{prefix}.hi"),
        offset=tensors.get(f"{prefix}.offset"),
    )


def store_conversion(
    conversion: InputConversion, tensors: dict[str, npt.NDArray[Any]]
) -> dict[str, Any]:
    """The entry of a conversion, whose tensors go among the others."""
    for field in ("multipliers", "bias"):
        tensors[f"conversion.{field}"] = narrow(getattr(conversion, field))
    codes = store_input(conversion.codes, tensors, "conversion.codes")
    return {"shift": conversion.shift, "codes": codes}


def read_conversion(
    document: Entry, tensors: dict[str, npt.NDArray[Any]]
) -> InputConversion | None:
    """The conversion of a document; None where there is none."""
    entry = document.optional_child("conversion")
    if entry is None:
        return None
    codes, shift = entry.child("codes"), entry.integer("shift")
    entry.finish()
    return InputConversion(
        read_input(codes, tensors, "conversion.codes"),
        tensors["conversion.multipliers"],
        tensors["conversion.bias"],
        shift,
    )
