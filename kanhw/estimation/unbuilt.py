"""Hardware that is looked at and never built."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["unbuilt"]


@contextmanager
def unbuilt() -> Iterator[None]:
    """Amaranth warns of components that nobody builds when they are deleted: not of those in here.

    They must be out of reach at the end. Components refer to themselves, so they are collected.
    """
    from amaranth.hdl import UnusedElaboratable

    # Only what is made in here is looked through: of everything that was there before, PyTorch
    # alone is hundreds of thousands of objects.
    gc.freeze()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        try:
            yield
        finally:
            gc.collect()
            gc.unfreeze()
