"""Checks that layers of a Program share."""

from __future__ import annotations

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.program.requantizer import Requantizer

__all__ = [
    "check_comparable",
    "check_requantizers",
    "check_streams",
    "check_table_index",
    "check_weights",
]


def check_streams(streams: tuple[int, ...], branches: tuple[str, ...], name: str) -> None:
    """Every branch must be given a stream number.

    Raises
    ------
    InputError
        If it is not.
    """
    if any(stream < 0 for stream in streams):
        raise InputError(
            f"Layer {name!r} needs a stream number from 0 up per branch {branches}, not {streams}"
        )


def check_requantizers(
    requantizers: tuple[Requantizer, ...], branches: tuple[str, ...], n_out: int, name: str
) -> None:
    """There must be requantizers, for these branches and outputs.

    Raises
    ------
    InputError
        If there is none, or one of another shape.
    """
    if not requantizers:
        raise InputError(f"Layer {name!r} has no requantizer")
    expected = (len(branches), n_out)
    for requantizer in requantizers:
        if requantizer.multipliers.shape != expected:
            raise InputError(
                f"A requantizer of layer {name!r} has multipliers of shape "
                f"{requantizer.multipliers.shape}, not {expected}"
            )


def check_weights(
    branch: str, tables: IntArray, weights: IntArray, edges: tuple[int, int], name: str
) -> None:
    """A branch of tables ``[T, depth, K]`` needs weights ``[n_out, n_in, K]``.

    Raises
    ------
    InputError
        If they have another shape.
    """
    expected = (*edges, tables.shape[2])
    if weights.shape != expected:
        raise InputError(
            f"Layer {name!r}: the {branch} branch's weights have shape {weights.shape}, not "
            f"{expected}"
        )


def check_table_index(
    tables_name: str, tables: IntArray, index: IntArray, n_in: int, name: str
) -> None:
    """Every input must be given one of the tables.

    Raises
    ------
    InputError
        If one is not.
    """
    if index.shape != (n_in,) or index.min() < 0 or index.max() >= tables.shape[0]:
        raise InputError(
            f"Layer {name!r}: {tables_name}_index must name one of {tables.shape[0]} tables for "
            f"each of {n_in} inputs"
        )


def check_comparable(join: Requantizer, name: str) -> None:
    """The outputs of a last layer must be worth the same, for the largest to mean something.

    Raises
    ------
    InputError
        If they have units or offsets of their own.
    """
    scale, offset = join.scale, join.offset
    if scale is not None and (scale != scale[0]).any():
        raise InputError(
            f"argmax compares codes, but the outputs of {name!r} have units of their own, "
            f"from {scale.min():.3g} to {scale.max():.3g}: quantize with "
            "output_granularity='tensor' (--output-granularity tensor)"
        )
    if offset is not None and (offset != offset[0]).any():
        raise InputError(
            f"argmax compares codes, but the outputs of {name!r} start at values of their own, "
            f"from {offset.min():.3g} to {offset.max():.3g}: give them one output format"
        )
