"""The place of a layer in a design: which inputs and outputs meet in a step, and in which types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.formats import CodeFormat, IntArray
from kanhw.hls.costs.operators import Operator, adder, product
from kanhw.hls.cpp.source import Source, Table, loop
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold

__all__ = ["EdgeSite", "address_lines"]


@dataclass(frozen=True)
class EdgeSite:
    """A layer whose C++ is written, and all that its kind may ask for.

    Constants are put into the order of the hardware: ``[lanes of outputs][lanes of inputs][steps]``
    for edges and ``[lanes of inputs][beats]`` for inputs. A dimension of 1 is left out, so that a
    layer with hardware for every edge has ``[outputs][inputs]``.

    Parameters
    ----------
    source
        What is written to.
    name
        What names in C++ begin with, such as ``layer0``.
    layer
        The layer of every head; one without heads. All have the widths of the first.
    fold
        Which inputs and outputs meet when; one step for a layer that is not folded.
    formats
        Of the streams that come in.
    sum_bits
        Of the sums of every branch.
    """

    source: Source
    name: str
    layers: tuple[ProgramLayer, ...]
    fold: Fold
    formats: tuple[CodeFormat, ...]
    sum_bits: tuple[int, ...]

    @property
    def layer(self) -> ProgramLayer:
        """The layer, of head 0."""
        return self.layers[0]

    @property
    def ins(self) -> int:
        """Lanes of inputs."""
        return self.fold.parallel_inputs

    @property
    def outs(self) -> int:
        """Lanes of outputs."""
        return self.fold.parallel_outputs

    @property
    def row(self) -> str:
        """The index of a step (and head) of what edges have of their own."""
        return "row" if self.fold.steps * len(self.layers) > 1 else ""

    @property
    def beat(self) -> str:
        """The index of a beat of what inputs have of their own."""
        return "beat" if self.fold.beats > 1 else ""

    @property
    def head(self) -> str:
        """The index of a head."""
        return "head" if len(self.layers) > 1 else ""

    def addresses(self, branch: int) -> str:
        """The array of a branch's addresses."""
        return f"a{self.layer.streams[branch]}"

    def by_edge(
        self, name: str, values: Callable[[ProgramLayer], IntArray], ports: Sequence[int] = (1, 2)
    ) -> Table:
        """A table of what every edge has, ``[n_out, n_in, ...]`` of every head."""
        rows = []
        for layer in self.layers:
            own = values(layer)
            filled = np.zeros((own.shape[0] + 1, own.shape[1] + 1, *own.shape[2:]), np.int64)
            filled[:-1, :-1] = own
            # [groups, beats, lanes of outputs, lanes of inputs, ...]; -1 is the zeros at the end.
            placed = filled[self.fold.outputs[:, None, :, None], self.fold.inputs[None, :, None]]
            rows.append(placed.reshape(self.fold.steps, *placed.shape[2:]))
        table = np.moveaxis(np.concatenate(rows), 0, 2)
        if not self.row:
            table = table[:, :, 0]
        return self.source.table(f"{self.name.upper()}_{name}", table)

    def by_input(self, name: str, values: IntArray) -> Table:
        """A table of what every input has, ``[n_in, ...]``, the same in all heads."""
        filled = np.concatenate([values, np.zeros((1, *values.shape[1:]), np.int64)])
        table = np.moveaxis(filled[self.fold.inputs], 0, 1)
        if not self.beat:
            table = table[:, 0]
        return self.source.table(f"{self.name.upper()}_{name}", table)

    def by_head(self, name: str, values: Callable[[ProgramLayer], IntArray]) -> Table:
        """A table that inputs share, of every head."""
        all_heads = np.stack([values(layer) for layer in self.layers])
        return self.source.table(
            f"{self.name.upper()}_{name}", all_heads if self.head else all_heads[0]
        )

    def each_edge(self, *statements: str) -> list[str]:
        """Statements for every lane of outputs and inputs, those that are absent left out."""
        inner = list(statements)
        if self.fold.padded:
            inner = ["if (!x.pad[i]) {", *(f"    {line}" for line in inner), "}"]
        return loop("j", self.outs, loop("i", self.ins, inner, "UNROLL"), "UNROLL")

    @property
    def edge_lanes(self) -> int:
        """Edges that meet in a step; where every edge has its own hardware, those there are."""
        active = getattr(self.layer, "active", None)
        if self.row or active is None:
            return self.outs * self.ins
        return int(np.count_nonzero(active))

    def counts_terms(
        self,
        branch: int,
        factors: tuple[int, int] | None = None,
        terms: int = 1,
        *,
        more: bool = False,
    ) -> None:
        """Say for the model that every edge adds so many terms, products of such widths or not.

        A multiplier block adds what it multiplied, too. The first term of a sum is not added to
        anything, unless there are ``more`` terms of other kinds before it.
        """
        number = self.edge_lanes * terms
        if factors is not None:
            times = product(*factors)
            self.source.uses(times, number)
            number = 0 if times.dsp else number
        self.source.uses(adder(self.sum_bits[branch]), max(number - (0 if more else self.outs), 0))

    def counts_each_input(self, *operators: Operator) -> None:
        """Say for the model that every lane of inputs has these operators."""
        for operator in operators:
            self.source.uses(operator, self.ins)

    def each_input(self, *statements: str) -> list[str]:
        """Statements for every lane of inputs."""
        return loop("i", self.ins, list(statements), "UNROLL")


def address_lines(
    source: Source,
    layer: ProgramLayer,
    formats: tuple[CodeFormat, ...],
    count: int,
    *,
    padded: bool = False,
) -> list[str]:
    """The addresses of every stream that a layer reads, codes counted from the smallest.

    Where taps may be absent, what stands in their place is anything, which may be no code: then
    the address is 0.
    """
    lines = []
    for stream in sorted(set(layer.streams)):
        form = formats[stream]
        type_ = source.types.bits(form.width, signed=False)
        code = f"x.s{stream}[i]" if form.lo == 0 else f"x.s{stream}[i] + {-form.lo}"
        body = [
            f"if (x.pad[i]) a{stream}[i] = 0; else a{stream}[i] = {code};"
            if padded
            else f"a{stream}[i] = {code};"
        ]
        lines += [f"{type_} a{stream}[{count}];"]
        lines += source.partitioned(f"a{stream}", [1]) if count > 1 else []
        lines += loop("i", count, body, "UNROLL")
    return lines
