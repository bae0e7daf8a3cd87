"""What a layer of a Program is made of: sizes, widths and how many bits it stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program import Program, ProgramLayer
from kanhw.program.widths import output_formats
from kanhw.reports.kinds.kinds import report_of
from kanhw.windows import Window

__all__ = ["LayerFacts", "program_facts"]

_WINDOW_FIELDS = ("shape", "size", "stride", "padding", "dilation")
# Tensors that belong to a layer, not to its edges.
_SHARED = ("basis", "base", "shapes", "offsets", "table")


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """One layer of a Program in numbers.

    Parameters
    ----------
    name, kind
        The layer's name and its kind: for a layer of edges, their realisation.
    n_in, n_out
        Sizes; of whole images for convolution and pooling.
    active_edges
        Edges that are not zero everywhere; of one window for convolutions.
    inputs
        Format of the codes that address each branch, by the branch's name.
    accumulators
        Format of each branch's accumulator.
    sums
        Format of the joined sum of each requantizer.
    outputs
        Format of each code stream that leaves (the sums' own where they are handed out): one per
        requantizer, then those that the layer only passes on.
    parameter_bits
        Bits of the tables, shapes and their indices, coefficients, weights and gains, and of the
        biases and multipliers of the requantizers. What belongs to an edge counts for active edges
        only; each tensor has the narrowest width that holds its integers, and counts nothing where
        they are all zero; a bias or multiplier that is the same for all outputs counts once, and
        not at all where it does nothing.
    window
        Of convolution and pooling: image, size, stride, padding and dilation.
    details
        What else there is to a kind: ``taps`` of a convolution (the realisation of its edges),
        ``shapes`` and ``index_bits`` of a codebook, ``mode`` of pooling, ``factors`` of every
        product, ``fraction_bits`` and ``epsilon`` of a norm. Of evaluated splines their ``order``
        and ``variant``, ``aligned`` (whether cells are powers of two of codes), ``errors`` in LSBs
        (``basis``, what that is proved not to exceed, ``basis_bound``, and ``base``), and ``note``.
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
    window: Window | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def edges(self) -> int:
        """How many edges there could be (in one window); 0 for a kind that has none."""
        if not report_of(self.kind).has_edges:
            return 0
        if self.window is None:
            return self.n_in * self.n_out
        return self.window.taps * (self.n_out // self.window.positions)

    @property
    def passed(self) -> tuple[CodeFormat, ...]:
        """Formats of the streams that the layer only passes on."""
        return self.outputs[len(self.sums) :]

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of what comes in: channels, rows and columns of an image."""
        return (self.n_in,) if self.window is None else self.window.shape

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of what leaves."""
        if self.window is None:
            return (self.n_out,)
        shape = (self.n_out // self.window.positions, *self.window.out_size)
        return shape if self.window.positions > 1 else shape[:1]

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        window = self.window
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
            "window": window and {name: list(getattr(window, name)) for name in _WINDOW_FIELDS},
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LayerFacts:
        """The inverse of :meth:`to_json`."""
        fields = dict(data)
        for name in ("inputs", "accumulators"):
            fields[name] = {k: CodeFormat.from_json(v) for k, v in data[name].items()}
        for name in ("sums", "outputs"):
            fields[name] = tuple(CodeFormat.from_json(v) for v in data[name])
        if fields.get("window") is not None:
            fields["window"] = Window(**data["window"])
        return cls(**fields)


def program_facts(program: Program) -> tuple[LayerFacts, ...]:
    """The facts of every layer, in order."""
    facts = []
    streams: tuple[CodeFormat, ...] = (program.grid.format,)
    for layer in program.layers:
        outputs = output_formats(layer, streams)
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
                window=layer.window,
                details=report_of(layer.kind).details(layer),
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
        if values.shape[:2] == active.shape and name not in _SHARED:
            values = values[active]
        # A base branch that a codebook's shapes contain is zeros, which nobody stores.
        bits += _bits(values) if values.any() else 0
    # Those of a convolution are repeated for every position.
    own: ProgramLayer = report_of(layer.kind).taps(layer)
    for requantizer in own.requantizers:
        if requantizer.bias.any():
            bits += _bits(_once(requantizer.bias))
        bits += sum(_bits(_once(m)) for m in requantizer.multipliers if (m != 1).any())
    return bits


def _once(values: IntArray) -> IntArray:
    """The values of all outputs, or the one that they share."""
    return values[:1] if (values == values[0]).all() else values


def _bits(values: IntArray) -> int:
    if not values.size:
        return 0
    return values.size * format_for(int(values.min()), int(values.max())).width
