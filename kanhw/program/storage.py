"""A Program as one safetensors file with its JSON inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kanhw.entries import Entry, parse_json
from kanhw.errors import InputError
from kanhw.files import missing
from kanhw.formats import CodeFormat
from kanhw.places import write_whole
from kanhw.program.encoder import InputEncoder
from kanhw.program.input_storage import (
    narrow,
    read_conversion,
    read_input,
    store_conversion,
    store_input,
    store_optional,
)
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.labels import Labels
from kanhw.program.program import Program
from kanhw.program.requantizer import Requantizer
from kanhw.values import brief
from kanhw.windows import Window

__all__ = [
    "PROGRAM_FORMAT",
    "is_program_file",
    "load_program",
    "program_bytes",
    "save_program",
]

# What an earlier version cannot read has the newer number: 2 for heads, 3 for code ranges, 4 for
# conversions of what comes in and for offsets of real values.
PROGRAM_FORMAT = 4
_KEY = "kanhw_program"


def save_program(program: Program, path: str | Path) -> Path:
    """Write a Program; the file appears whole or not at all.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written.
    """
    return write_whole(path, program_bytes(program))


def program_bytes(program: Program) -> bytes:
    """The file of a Program; the same Program always gives the same bytes."""
    from kanhw import __version__

    tensors: dict[str, npt.NDArray[Any]] = {}
    document = {
        "format": _needed_format(program),
        "kanhw": __version__,
        "source": program.source,
        "argmax": program.argmax,
        "input": store_input(program.input, tensors),
        "layers": [
            _store_layer(layer, f"layers.{index}", tensors)
            for index, layer in enumerate(program.layers)
        ],
    }
    if program.conversion is not None:
        document["conversion"] = store_conversion(program.conversion, tensors)
    if program.labels.to_json():
        document["labels"] = program.labels.to_json()
    if program.encoders is not None:
        document["heads"] = [
            store_input(encoder, tensors, f"heads.{head}.input")
            for head, encoder in enumerate(program.encoders)
        ]
    # One metadata key: safetensors does not keep the order of several.
    return bytes(save(tensors, metadata={_KEY: json.dumps(document, sort_keys=True)}))


def _needed_format(program: Program) -> int:
    """The oldest version of the format that can say what a Program holds."""
    joins = [join for layer in program.layers for join in layer.requantizers]
    offsets = [program.input.offset, *(join.offset for join in joins)]
    if program.conversion is not None or any(offset is not None for offset in offsets):
        return 4
    if program.ranged:
        return 3
    return 1 if program.encoders is None else 2


def is_program_file(path: str | Path) -> bool:
    """Whether a file is a Program (of any version)."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            return _KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_program(path: str | Path) -> Program:
    """Read a Program; torch is not needed.

    Raises
    ------
    InputError
        If the file is missing, not a Program, damaged, or of a newer kanhw.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(missing(path))
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a Program file: {reason}") from error
    if _KEY not in metadata:
        raise InputError(f"{path} is a safetensors file but not a Program of kanhw")
    try:
        document = parse_json(metadata[_KEY], f"The description in {path}")
        return _read_program(path, Entry(document, "the Program"), tensors)
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is a damaged Program file ({error!r}): write it again") from error


def _read_program(
    path: Path, document: Entry, tensors: dict[str, npt.NDArray[Any]]
) -> Program:
    from kanhw import __version__

    written, version = document.integer("format"), document.text("kanhw", "")
    if written > PROGRAM_FORMAT:
        raise InputError(
            f"{path} was written by kanhw {version} (Program format "
            f"{written}); this is kanhw {__version__}, which reads up to format "
            f"{PROGRAM_FORMAT}: upgrade kanhw"
        )
    parts: dict[str, Any] = {
        "layers": tuple(
            _read_layer(entry, f"layers.{index}", tensors)
            for index, entry in enumerate(document.children("layers"))
        ),
        "input": read_input(document.child("input"), tensors),
        "argmax": document.boolean("argmax"),
        "source": document.text("source"),
        "encoders": _read_heads(document, tensors),
        "conversion": read_conversion(document, tensors),
        "labels": Labels.from_json(document.optional_child("labels")),
    }
    document.finish()
    return Program(**parts)


def _read_heads(
    document: Entry, tensors: dict[str, npt.NDArray[Any]]
) -> tuple[InputEncoder, ...] | None:
    if document.get("heads", None) is None:
        return None
    return tuple(
        read_input(entry, tensors, f"heads.{head}.input")
        for head, entry in enumerate(document.children("heads"))
    )


def _store_layer(
    layer: ProgramLayer, prefix: str, tensors: dict[str, npt.NDArray[Any]]
) -> dict[str, Any]:
    for field, values in layer.tensors().items():
        tensors[f"{prefix}.{field}"] = narrow(values)
    # A convolution's requantizers are those of a channel.
    own = layer.taps.requantizers if isinstance(layer, ConvolutionLayer) else layer.requantizers
    if isinstance(layer, ResidentLayer):
        own = layer.stored_requantizers
    return {
        "kind": layer.kind,
        "name": layer.name,
        "attributes": layer.attributes(),
        "accumulators": [f.to_json() for f in layer.accumulator_formats or ()],
        "requantizers": [
            _store_requantizer(requantizer, f"{prefix}.requantizers.{index}", tensors)
            for index, requantizer in enumerate(own)
        ],
    }


def _read_layer(
    entry: Entry, prefix: str, tensors: dict[str, npt.NDArray[Any]]
) -> ProgramLayer:
    own, name, kind = f"{prefix}.", entry.text("name"), entry.text("kind")
    fields: dict[str, Any] = {
        tensor.removeprefix(own): values
        for tensor, values in tensors.items()
        if tensor.startswith(own) and "." not in tensor.removeprefix(own)
    }
    fields |= dict(_attributes(entry))
    fields["name"] = name
    try:
        fields["requantizers"] = tuple(
            _read_requantizer(item, f"{prefix}.requantizers.{index}", tensors)
            for index, item in enumerate(entry.children("requantizers"))
        )
    except InputError as error:
        raise InputError(f"Layer {name!r}: {error}") from error
    declared = tuple(CodeFormat.from_json(own) for own in entry.children("accumulators"))
    entry.finish()
    if "window" in fields:
        fields["window"] = Window(**{k: tuple(v) for k, v in fields["window"].items()})
    if kind == ConvolutionLayer.kind:
        window, taps = fields.pop("window"), _kind(fields.pop("taps"), name)
        return ConvolutionLayer(taps(**fields), window, declared)  # type: ignore[arg-type]
    return _kind(kind, name)(**fields, accumulator_formats=declared)


def _attributes(entry: Entry) -> Mapping[str, Any]:
    """What only layers of a kind have; their constructors look at it."""
    values = entry.get("attributes")
    if not isinstance(values, dict):
        raise InputError(f"{entry.place}.attributes must be a JSON object, not {brief(values)}")
    return values


def _kind(kind: object, name: str) -> Callable[..., ProgramLayer]:
    if not isinstance(kind, str) or kind not in LAYER_KINDS:
        known = ", ".join((*LAYER_KINDS, ConvolutionLayer.kind))
        raise InputError(
            f"Layer {name!r} is of the unknown kind {kind!r}; this version knows {known}"
        )
    return LAYER_KINDS[kind]


def _store_requantizer(
    requantizer: Requantizer, prefix: str, tensors: dict[str, npt.NDArray[Any]]
) -> dict[str, Any]:
    for field in ("multipliers", "bias", "scale", "zero_point", "lo", "hi", "offset"):
        store_optional(f"{prefix}.{field}", getattr(requantizer, field), tensors)
    formats = {"code": requantizer.format, "sum": requantizer.sum_format}
    return {
        "shift": requantizer.shift,
        **{name: f.to_json() if f else None for name, f in formats.items()},
    }


def _read_requantizer(
    entry: Entry, prefix: str, tensors: dict[str, npt.NDArray[Any]]
) -> Requantizer:
    code, sums, shift = entry.optional_child("code"), entry.child("sum"), entry.integer("shift")
    entry.finish()
    return Requantizer(
        multipliers=tensors[f"{prefix}.multipliers"],
        bias=tensors[f"{prefix}.bias"],
        shift=shift,
        format=None if code is None else CodeFormat.from_json(code),
        scale=tensors.get(f"{prefix}.scale"),
        zero_point=tensors[f"{prefix}.zero_point"],
        sum_format=CodeFormat.from_json(sums),
        lo=tensors.get(f"{prefix}.lo"),
        hi=tensors.get(f"{prefix}.hi"),
        offset=tensors.get(f"{prefix}.offset"),
    )
