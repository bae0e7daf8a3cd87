"""What a layer of a Program is made of: sizes, widths and how many bits it stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kanhw.formats import CodeFormat, format_for
from kanhw.program import Program, ProgramLayer

__all__ = ["LayerFacts", "program_facts"]


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """One layer of a Program in numbers.

    Parameters
    ----------
    name, kind
        The layer's name and its edge realisation.
    n_in, n_out
        Sizes.
    active_edges
        Edges that are not zero everywhere.
    inputs
        Format of the codes that address each branch, by the branch's name.
    accumulators
        Format of each branch's accumulator.
    sums
        Format of the joined sum of each requantizer.
    outputs
        Format of each code stream that leaves (the sums' own where they are handed out).
    parameter_bits
        Bits of the tables, coefficients and weights: what belongs to an edge counts for active
        edges only, and each tensor has the narrowest width that holds its integers.
    """

    name: str
    kind: str
    n_in: int
    n_out: int
    active_edges: int
    inputs: Mapping[str, CodeFormat]
    accumulators: Mapping[str, CodeFormat]
    sums: tuple[CodeFormat, ...]
    outputs: tuple[CodeFormat, ...]
    parameter_bits: int

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "n_in": self.n_in,
            "n_out": self.n_out,
            "active_edges": self.active_edges,
            "inputs": {branch: f.to_json() for branch, f in self.inputs.items()},
            "accumulators": {branch: f.to_json() for branch, f in self.accumulators.items()},
            "sums": [f.to_json() for f in self.sums],
            "outputs": [f.to_json() for f in self.outputs],
            "parameter_bits": self.parameter_bits,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LayerFacts:
        """The inverse of :meth:`to_json`."""
        fields = dict(data)
        for name in ("inputs", "accumulators"):
            fields[name] = {k: CodeFormat.from_json(v) for k, v in data[name].items()}
        for name in ("sums", "outputs"):
            fields[name] = tuple(CodeFormat.from_json(v) for v in data[name])
        return cls(**fields)


def program_facts(program: Program) -> tuple[LayerFacts, ...]:
    """The facts of every layer, in order."""
    facts = []
    streams: tuple[CodeFormat, ...] = (program.input.format,)
    for layer in program.layers:
        outputs = tuple(r.output_format for r in layer.requantizers)
        facts.append(
            LayerFacts(
                name=layer.name,
                kind=layer.kind,
                n_in=layer.n_in,
                n_out=layer.n_out,
                active_edges=int(layer.active.sum()),
                inputs={
                    branch: streams[s]
                    for branch, s in zip(layer.branches, layer.streams, strict=True)
                },
                accumulators=dict(
                    zip(layer.branches, layer.accumulator_formats or (), strict=True)
                ),
                sums=tuple(r.sum_format for r in layer.requantizers if r.sum_format is not None),
                outputs=outputs,
                parameter_bits=_parameter_bits(layer),
            )
        )
        streams = outputs
    return tuple(facts)


def _parameter_bits(layer: ProgramLayer) -> int:
    bits = 0
    active = layer.active
    for name, values in layer.tensors().items():
        if name.endswith("_index"):  # which table an input uses: wiring, not storage
            continue
        if values.shape[:2] == active.shape and values.ndim == 3 and name not in ("basis", "base"):
            values = values[active]
        if values.size:
            bits += values.size * format_for(int(values.min()), int(values.max())).width
    return bits
