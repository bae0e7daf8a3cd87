"""Checks that layers of a Program share."""

from __future__ import annotations

from kanhw.errors import InputError
from kanhw.program.requantizer import Requantizer

__all__ = ["check_requantizers", "check_streams"]


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
