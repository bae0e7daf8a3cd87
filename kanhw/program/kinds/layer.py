"""What a layer of a Program is: which integers it holds and which sums it makes of its codes.

A layer takes one or more streams of codes (what the requantizers of the layer before it made, or
the network's input), adds up one or more accumulators per output, and hands them to its own
requantizers. To add a realisation, write such a class and put it in the table of kinds
(:mod:`kanhw.program.kinds.kinds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from kanhw.formats import CodeFormat, IntArray
from kanhw.program.arrays import frozen_integers
from kanhw.program.checks import check_requantizers, check_streams
from kanhw.program.intervals import Interval
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

__all__ = ["ProgramLayer", "TwoBranches"]


@runtime_checkable
class ProgramLayer(Protocol):
    """What every layer of a Program offers."""

    # Layers are dataclasses, so that dataclasses.replace takes them.
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    kind: ClassVar[str]

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the accumulators."""

    @property
    def passes(self) -> tuple[int, ...]:
        """Streams of the layer before that go on to the next, behind this layer's own."""

    @property
    def window(self) -> Window | None:
        """The windows that it reads of an image; None for a layer that reads vectors."""

    @property
    def name(self) -> str:
        """For messages and reports."""

    @property
    def requantizers(self) -> tuple[Requantizer, ...]:
        """One for every stream of codes that the next layer wants."""

    @property
    def accumulator_formats(self) -> tuple[CodeFormat, ...] | None:
        """Declared width of every branch's accumulator; None before a Program is made."""

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges hold anything but zeros, ``[n_out, n_in]``."""

    @property
    def n_in(self) -> int:
        """Number of inputs."""

    @property
    def n_out(self) -> int:
        """Number of outputs."""

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch, which must be the number of codes of its stream."""

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """The accumulators ``[N, n_out]``, one per branch, from table addresses ``[N, n_in]``."""

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Exact bounds of every accumulator over all reachable addresses."""

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""


class TwoBranches:
    """What layers have in common whose spline and base branch have an accumulator each."""

    branches: ClassVar[tuple[str, ...]] = ("spline", "base")
    passes: ClassVar[tuple[int, ...]] = ()
    window: ClassVar[Window | None] = None

    # The field ``[n_out, n_in, ...]`` of what every edge has in the spline branch.
    edges: ClassVar[str]

    name: str
    requantizers: tuple[Requantizer, ...]
    spline_stream: int
    base_stream: int

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""
        return (self.spline_stream, self.base_stream)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(getattr(self, self.edges).shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(getattr(self, self.edges).shape[0])

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {"spline_stream": self.spline_stream, "base_stream": self.base_stream}

    def freeze(self, fields: Mapping[str, int]) -> None:
        """Check integers and make them read-only: their fields, and how many dimensions each has.

        Raises
        ------
        InputError
            Naming the field that holds something else.
        """
        for field, dimensions in fields.items():
            value = frozen_integers(getattr(self, field), f"{self.name}.{field}", dimensions)
            object.__setattr__(self, field, value)
        object.__setattr__(self, "requantizers", tuple(self.requantizers))

    def check_joins(self, n_out: int) -> None:
        """Refuse streams and requantizers that do not belong to two branches of ``n_out`` sums."""
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, n_out, self.name)
