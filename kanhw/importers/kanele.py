"""KANELE's published networks: a folder of integer truth tables, read straight into a Program.

Source: KANELE (arXiv 2512.12850), file format of its repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from kanhw.entries import read_json_object
from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.memory import check_size
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.values import brief

__all__ = ["is_kanele_folder", "load_kanele"]

TABLES, CONFIG = "truth_tables.json", "config.json"
_KEY = re.compile(r"(\d+)_(\d+)_(\d+)\Z")


def is_kanele_folder(path: Path) -> bool:
    """Whether a folder holds KANELE's two files."""
    return (path / TABLES).is_file() and (path / CONFIG).is_file()


def load_kanele(path: str | Path) -> Program:
    """Read ``truth_tables.json`` and ``config.json`` of a folder.

    Inputs are offset-binary codes that address layer 0's tables; each output is the sum of its
    active edges saturated to the signed range of the next width; the next layer's address is that
    value plus 2**(width - 1).

    Raises
    ------
    InputError
        If a file is not what KANELE writes; the message names the entry.
    """
    folder = Path(path)
    config, tables = read_json_object(folder / CONFIG), read_json_object(folder / TABLES)
    sizes = _positive_integers(config, "layers", folder)
    widths = _positive_integers(config, "layers_bitwidth", folder)
    if len(sizes) < 2 or len(widths) != len(sizes):
        raise InputError(
            f"{folder / CONFIG}: 'layers' {sizes} needs at least two sizes and as many "
            f"'layers_bitwidth', not {widths}"
        )
    entries = sum(
        n_in * n_out << width
        for n_in, n_out, width in zip(sizes[:-1], sizes[1:], widths[:-1], strict=True)
    )
    check_size(entries, f"The tables of {folder / CONFIG}")
    arrays = [
        np.zeros((n_out, n_in, 1 << width), np.int64)
        for n_in, n_out, width in zip(sizes[:-1], sizes[1:], widths[:-1], strict=True)
    ]
    for key, entry in tables.items():
        _fill(arrays, key, entry, folder / TABLES)
    layers = tuple(
        EdgeTableLayer(array, (_saturation(array.shape[0], width),), name=f"layers.{index}")
        for index, (array, width) in enumerate(zip(arrays, widths[1:], strict=True))
    )
    return Program(
        layers, InputEncoder(CodeFormat(widths[0], signed=False), sizes[0]), source=folder.name
    )


def _saturation(n_out: int, width: int) -> Requantizer:
    return Requantizer(
        multipliers=np.ones((1, n_out), np.int64),
        bias=np.zeros(n_out, np.int64),
        format=CodeFormat(width, signed=True),
    )


def _positive_integers(config: dict[str, Any], key: str, folder: Path) -> list[int]:
    values = config.get(key)
    if not isinstance(values, list) or not all(type(v) is int and v > 0 for v in values):
        raise InputError(
            f"{folder / CONFIG}: {key!r} must be a list of positive integers, not {brief(values)}"
        )
    if key == "layers_bitwidth" and max(values) > 16:
        raise InputError(
            f"{folder / CONFIG}: 'layers_bitwidth' {brief(values)} goes beyond 16 bits"
        )
    return values


def _fill(arrays: list[IntArray], key: str, entry: Any, path: Path) -> None:
    match = _KEY.match(key)
    if match is None:
        raise InputError(f"{path}: key {key!r} is not 'layer_input_output'")
    layer, i, j = map(int, match.groups())
    if layer >= len(arrays) or j >= arrays[layer].shape[0] or i >= arrays[layer].shape[1]:
        raise InputError(f"{path}: edge {key!r} is outside of the network of {CONFIG}")
    # The published files spell the flag "acive".
    active = entry.get("acive", entry.get("active")) if isinstance(entry, dict) else None
    if active not in (0, 1):
        raise InputError(f"{path}: edge {key!r} needs 'acive' 0 or 1, not {active!r}")
    if not active:
        return
    values = entry.get("values_int")
    depth = arrays[layer].shape[2]
    if not isinstance(values, list) or len(values) != depth or not all(map(_is_entry, values)):
        raise InputError(
            f"{path}: edge {key!r} needs {depth} integers of at most 32 bits in 'values_int'"
        )
    arrays[layer][j, i] = values


def _is_entry(value: Any) -> bool:
    return type(value) is int and -(1 << 31) <= value < 1 << 31
