"""Program: a quantized network as integers, the contract between quantization and hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program.checks import check_comparable
from kanhw.program.conversion.input_conversion import InputConversion
from kanhw.program.encoder import InputEncoder
from kanhw.program.functions.tables import argmax
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.kinds.resident_structure import with_streams_apart
from kanhw.program.labels import Labels
from kanhw.program.running import checked_codes, run_layers, zeros_like
from kanhw.program.widths import declare_widths
from kanhw.values import brief, brief_repr

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Program"]

# Rows evaluated at a time: bounds the memory of the gathered basis values.
CHUNK = 2048

# What numpy takes as integers.
Integers = npt.NDArray[Any] | Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class Program:
    """A network in integers only; whatever runs it must reproduce it to the bit.

    Calling it runs the golden model: ``program(codes)`` takes integers ``[N, n_in]`` (numpy, or a
    torch int64 tensor) and gives int64 ``[N, n_out]``, or class indices ``[N, 1]`` with ``argmax``.
    Every declared width is checked on the way.

    A Program whose codebooks have several heads (:func:`kanhw.program.join_heads`) is several
    networks: ``program(codes, head=h)``.

    Parameters
    ----------
    layers
        In order; the last has exactly one requantizer.
    input
        Format of the input codes, and how the host makes them.
    argmax
        Hand out the index of the largest output (the lowest among equals) instead of the outputs.
    source
        Where the network came from, for reports.
    encoders
        How the host makes the codes of every head; ``input`` is that of head 0. None for a network
        without heads.
    conversion
        What makes the first layer's codes of those that come in; None where they are the same.
        :func:`kanhw.program.with_formats` adds it.
    labels
        Names and units of inputs and outputs, for people.
    """

    layers: tuple[ProgramLayer, ...]
    input: InputEncoder
    argmax: bool = False
    source: str = ""
    encoders: tuple[InputEncoder, ...] | None = None
    conversion: InputConversion | None = None
    labels: Labels = field(default_factory=Labels)

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(self.argmax, bool):
            raise TypeError(f"argmax must be True or False, not {brief(self.argmax)}")
        _check_heads(self.layers, self.encoders)
        _check_conversion(self)
        object.__setattr__(self, "layers", declare_widths(tuple(self.layers), self.grid))
        labels = self.labels.checked(self.n_in, self.layers[-1].n_out)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "input", replace(self.input, names=labels.inputs))
        if self.encoders is not None:
            named = tuple(replace(own, names=labels.inputs) for own in self.encoders)
            object.__setattr__(self, "encoders", named)
        if self.argmax:
            check_comparable(self.layers[-1].requantizers[0], self.layers[-1].name)

    @property
    def grid(self) -> InputEncoder:
        """The codes that the first layer reads: those that come in, unless they are converted."""
        return self.input if self.conversion is None else self.conversion.codes

    @property
    def heads(self) -> int:
        """Number of heads; 1 for a network without."""
        return 1 if self.encoders is None else len(self.encoders)

    @property
    def writable(self) -> bool:
        """Whether heads can be written at run time."""
        return any(layer.writable is not None for layer in _resident(self.layers))

    @property
    def ranged(self) -> bool:
        """Whether some value between layers, or some feature, has fewer codes than its format."""
        joins = (join for layer in self.layers for join in layer.requantizers)
        return self.grid.ranged or any(join.ranged for join in joins)

    @cached_property
    def _by_head(self) -> dict[int, Program]:
        return {}

    def head(self, number: int) -> Program:
        """The network of a head by itself, with the widths of all.

        Raises
        ------
        InputError
            If there is no such head.
        """
        if not 0 <= number < self.heads:
            raise InputError(f"head must be 0 to {self.heads - 1}, not {number}")
        if self.encoders is None:
            return self
        if number not in self._by_head:
            layers = tuple(
                layer.head(number) if isinstance(layer, ResidentLayer) else layer
                for layer in self.layers
            )
            self._by_head[number] = replace(
                self, layers=layers, input=self.encoders[number], encoders=None
            )
        return self._by_head[number]

    def with_head(self, number: int, program: Program) -> Program:
        """The same Program with another network as one of its heads.

        Parameters
        ----------
        number
            Which head is replaced.
        program
            A network without heads whose layers share this Program's codebooks. Where heads are
            writable its values must be of the declared formats; then no width changes, and the
            hardware of this Program can be given it at run time.

        Raises
        ------
        InputError
            If there is no such head, or the network does not fit.
        """
        self.head(number)
        if self.encoders is None or program.encoders is not None:
            raise InputError("with_head puts a network without heads into a Program with heads")
        kinds = [layer.kind.replace("resident", "codebook") for layer in self.layers]
        if [layer.kind for layer in program.layers] != kinds:
            raise InputError(
                f"A head of this Program has layers {kinds}, not "
                f"{[layer.kind for layer in program.layers]}"
            )
        ours, theirs = ([layer.streams for layer in each.layers] for each in (self, program))
        others = program.layers if ours == theirs else with_streams_apart(program.layers)
        layers = tuple(
            own.with_head(number, other)
            if isinstance(own, ResidentLayer) and isinstance(other, CodebookLayer)
            else own
            for own, other in zip(self.layers, others, strict=True)
        )
        encoders = [program.input if h == number else e for h, e in enumerate(self.encoders)]
        return replace(self, layers=layers, input=encoders[0], encoders=tuple(encoders))

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.input.n_in

    @property
    def n_out(self) -> int:
        """Number of values handed out per inference: 1 with argmax."""
        return 1 if self.argmax else self.layers[-1].n_out

    @property
    def output_format(self) -> CodeFormat:
        """Format of every value handed out."""
        if self.argmax:
            return format_for(0, max(self.layers[-1].n_out - 1, 1))
        return self.layers[-1].requantizers[0].output_format

    @property
    def output_scale(self) -> npt.NDArray[np.float64] | None:
        """Real units per output step ``[n_out]``; None for integer networks and class indices."""
        return None if self.argmax else self.layers[-1].requantizers[0].scale

    @property
    def active_edges(self) -> int:
        """Number of edges that hold anything but zeros."""
        return sum(int(layer.active.sum()) for layer in self.layers)

    def decode_output(self, outputs: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Real values ``[N, n_out]`` of outputs ``[N, n_out]``.

        Raises
        ------
        InputError
            If the outputs are class indices, or the network is an integer one.
        """
        if self.argmax:
            raise InputError("Class indices have no real scale")
        return self.layers[-1].requantizers[0].decode(outputs)

    def with_argmax(self, argmax: bool = True) -> Program:
        """The same network handing out the class index, or its outputs."""
        return replace(self, argmax=argmax)

    @overload
    def __call__(self, codes: Tensor, head: npt.ArrayLike = 0) -> Tensor: ...

    @overload
    def __call__(self, codes: Integers, head: npt.ArrayLike = 0) -> IntArray: ...

    def __call__(self, codes: Any, head: npt.ArrayLike = 0) -> Any:
        """Run the network: integers ``[N, n_in]`` to int64 ``[N, n_out]``.

        Parameters
        ----------
        codes
            ``[N, n_in]``; one outside of its feature's range counts as the nearest end.
        head
            Which head to run: one for all vectors, or ``[N]``.

        Raises
        ------
        InputError
            If the codes are not integers of the input format in the right shape, or there is no
            such head.
        """
        if np.ndim(head):
            return self._by_heads(codes, np.asarray(head))
        if self.encoders is not None or head != 0:
            return self.head(int(np.asarray(head)))(codes)
        checked = checked_codes(codes, self.input)
        chunks = [
            self._output(self._run(checked[start : start + CHUNK])[-1][0])
            for start in range(0, checked.shape[0], CHUNK)
        ]
        if len(chunks) == 1:
            return chunks[0]
        out = zeros_like(checked, (checked.shape[0], self.n_out))
        for start, chunk in zip(range(0, checked.shape[0], CHUNK), chunks, strict=True):
            out[start : start + CHUNK] = chunk
        return out

    def _by_heads(self, codes: Any, heads: npt.NDArray[Any]) -> Any:
        checked = checked_codes(codes, self.input)
        if heads.shape != (checked.shape[0],) or heads.dtype.kind not in "iu":
            raise InputError(
                f"head must be one integer or [{checked.shape[0]}], one a vector, not "
                f"{heads.dtype} {heads.shape}"
            )
        out = zeros_like(checked, (checked.shape[0], self.n_out))
        for number in np.unique(heads).tolist():
            rows = np.flatnonzero(heads == number)
            out[rows] = self.head(number)(checked[rows])
        return out

    @overload
    def activations(self, codes: Tensor, head: int = 0) -> list[tuple[Tensor, ...]]: ...

    @overload
    def activations(self, codes: Integers, head: int = 0) -> list[tuple[IntArray, ...]]: ...

    def activations(self, codes: Any, head: int = 0) -> list[tuple[Any, ...]]:
        """The code streams ``[N, n_out]`` of every layer, before any argmax."""
        if self.encoders is not None:
            return self.head(head).activations(codes)
        return self._run(checked_codes(codes, self.input))

    def _run(self, checked: Any) -> list[tuple[Any, ...]]:
        """The streams behind every layer, of checked codes that come in."""
        codes = self.input.clamp(checked)
        if self.conversion is not None:
            codes = self.conversion(codes)
        return run_layers(self.layers, self.grid, codes)

    def _output(self, values: Any) -> Any:
        return argmax(values) if self.argmax else values


def _resident(layers: tuple[ProgramLayer, ...]) -> list[ResidentLayer]:
    return [layer for layer in layers if isinstance(layer, ResidentLayer)]


def _check_conversion(program: Program) -> None:
    if program.conversion is None:
        return
    if program.encoders is not None:
        raise InputError("A Program with heads has no conversion of its inputs: convert each head")
    window = program.layers[0].window if program.layers else None
    program.conversion.check(program.input, None if window is None else window.shape)


def _check_heads(
    layers: tuple[ProgramLayer, ...], encoders: tuple[InputEncoder, ...] | None
) -> None:
    """Every resident codebook needs a head per encoder, and there must be one."""
    counts = [len(layer.heads) for layer in _resident(layers)]
    wanted = 0 if encoders is None else len(encoders)
    if any(count != wanted for count in counts) or (wanted and not counts):
        raise InputError(
            f"A Program with {wanted} encoders of heads has codebooks with {counts} heads: make it "
            "with join_heads"
        )
    for number, encoder in enumerate(encoders or ()):
        ends = zip(encoder.code_ends, (encoders or ())[0].code_ends, strict=True)
        if not all(np.array_equal(own, first) for own, first in ends):
            raise InputError(
                f"Heads need the same code ranges of every feature, but head {number} has others "
                "than head 0"
            )
