"""Program: a quantized network as integers, the contract between quantization and hardware."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program.arrays import frozen_integers, frozen_range, frozen_reals
from kanhw.program.functions.tables import argmax, constants_like
from kanhw.program.intervals import Interval
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.kinds.pooling import PoolingLayer
from kanhw.program.kinds.resident import ResidentLayer
from kanhw.program.kinds.resident_structure import with_streams_apart

__all__ = ["InputEncoder", "Program"]

# Rows evaluated at a time: bounds the memory of the gathered basis values.
CHUNK = 2048


@dataclass(frozen=True, eq=False)
class InputEncoder:
    """How the host turns real features into the codes that the hardware takes.

    ``q[i] = clamp(floor(x[i] / scale[i] + 1/2) + zero_point[i], lo[i], hi[i])`` in float64.

    Parameters
    ----------
    format
        Of every feature's code.
    n_in
        Number of features.
    scale
        ``[n_in]`` or one number, positive; None for a network whose features are codes already.
    zero_point
        ``[n_in]``; None is zero.
    lo, hi
        Smallest and largest code of every feature, ``[n_in]`` or one number, codes of ``format``
        with lo <= hi; None is that of the format. What is all of the format is held as None. A
        Program takes a code outside as the nearest end.
    """

    format: CodeFormat
    n_in: int
    scale: npt.NDArray[np.float64] | None = None
    zero_point: IntArray | None = None
    lo: IntArray | None = None
    hi: IntArray | None = None

    def __post_init__(self) -> None:
        if self.n_in < 1:
            raise InputError(f"A network needs at least one input, not {self.n_in}")
        if self.scale is not None:
            object.__setattr__(self, "scale", frozen_reals(self.scale, "input scale", self.n_in))
        zero_point = np.asarray(0 if self.zero_point is None else self.zero_point)
        if zero_point.shape not in ((), (self.n_in,)):
            raise InputError(
                f"zero_point must be one integer or {self.n_in}, not of shape {zero_point.shape}"
            )
        zero_point = np.broadcast_to(zero_point, (self.n_in,))
        object.__setattr__(self, "zero_point", frozen_integers(zero_point, "zero_point", 1))
        lo, hi = frozen_range(self.lo, self.hi, self.format, self.n_in, "feature")
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)

    @property
    def ranged(self) -> bool:
        """Whether some feature has fewer codes than the format."""
        return self.lo is not None or self.hi is not None

    @property
    def code_ends(self) -> tuple[IntArray, IntArray]:
        """Smallest and largest code of every feature, ``[n_in]`` each."""
        whole = Interval.of_format(self.format, self.n_in)
        return (
            whole.lo if self.lo is None else self.lo,
            whole.hi if self.hi is None else self.hi,
        )

    def clamp(self, codes: Any) -> Any:
        """Codes ``[N, n_in]`` (numpy or torch) with each in the range of its feature."""
        if not self.ranged:
            return codes
        lo, hi = (constants_like(end, codes) for end in self.code_ends)
        return codes.clip(lo, hi)

    def encode(self, x: npt.ArrayLike) -> IntArray:
        """Codes ``[N, n_in]`` of real features ``[N, n_in]``.

        Raises
        ------
        InputError
            If the network has no real input scale, or x has another width or holds a NaN.
        """
        if self.scale is None or self.zero_point is None:
            raise InputError("This network takes integer codes: its file holds no real input scale")
        values = np.asarray(x, np.float64)
        if values.ndim != 2 or values.shape[1] != self.n_in:
            raise InputError(f"Features must have shape [N, {self.n_in}], not {values.shape}")
        if np.isnan(values).any():
            raise InputError("Features hold NaN: remove or fill those rows")
        lo, hi = (end.astype(np.float64) for end in self.code_ends)
        # Clamped while still real, so that huge and infinite features saturate.
        with np.errstate(over="ignore"):
            codes = np.floor(values / self.scale + 0.5) + self.zero_point
        return codes.clip(lo, hi).astype(np.int64)

    def decode(self, codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Real values ``[N, n_in]`` of codes."""
        if self.scale is None or self.zero_point is None:
            raise InputError("This network takes integer codes: its file holds no real input scale")
        return self.scale * (np.asarray(codes) - self.zero_point)


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
    """

    layers: tuple[ProgramLayer, ...]
    input: InputEncoder
    argmax: bool = False
    source: str = ""
    encoders: tuple[InputEncoder, ...] | None = None

    def __post_init__(self) -> None:
        _check_heads(self.layers, self.encoders)
        object.__setattr__(self, "layers", _declare_widths(tuple(self.layers), self.input))
        if self.argmax:
            _check_comparable(self.layers[-1])

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
        return self.input.ranged or any(join.ranged for join in joins)

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

    def __call__(self, codes: Any, head: Any = 0) -> Any:
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
            return self.head(int(head))(codes)
        checked = self._check_codes(codes)
        chunks = [
            self._output(self._run(checked[start : start + CHUNK])[-1][0])
            for start in range(0, checked.shape[0], CHUNK)
        ]
        if len(chunks) == 1:
            return chunks[0]
        if hasattr(checked, "new_tensor"):
            out = checked.new_zeros((checked.shape[0], self.n_out))
            for start, chunk in zip(range(0, checked.shape[0], CHUNK), chunks, strict=True):
                out[start : start + CHUNK] = chunk
            return out
        return np.concatenate(chunks)

    def _by_heads(self, codes: Any, heads: npt.NDArray[Any]) -> Any:
        checked = self._check_codes(codes)
        if heads.shape != (checked.shape[0],) or heads.dtype.kind not in "iu":
            raise InputError(
                f"head must be one integer or [{checked.shape[0]}], one a vector, not "
                f"{heads.dtype} {heads.shape}"
            )
        shape = (checked.shape[0], self.n_out)
        is_torch = hasattr(checked, "new_tensor")
        out = checked.new_zeros(shape) if is_torch else np.zeros(shape, np.int64)
        for number in np.unique(heads).tolist():
            rows = np.flatnonzero(heads == number)
            out[rows] = self.head(number)(checked[rows])
        return out

    def activations(self, codes: Any, head: int = 0) -> list[tuple[Any, ...]]:
        """The code streams ``[N, n_out]`` of every layer, before any argmax."""
        if self.encoders is not None:
            return self.head(head).activations(codes)
        return self._run(self._check_codes(codes))

    def _output(self, values: Any) -> Any:
        return argmax(values) if self.argmax else values

    def _check_codes(self, codes: Any) -> Any:
        array: Any = codes if hasattr(codes, "new_tensor") else np.asarray(codes)
        is_integer = "int" in str(array.dtype)
        if not is_integer:
            raise InputError(
                f"Codes must be integers, not {array.dtype}: encode real features with "
                "program.input.encode(x) first"
            )
        if array.ndim != 2 or array.shape[1] != self.n_in or array.shape[0] == 0:
            raise InputError(
                f"Codes must have shape [N, {self.n_in}] with N >= 1, not {tuple(array.shape)}"
            )
        lo, hi = int(array.min()), int(array.max())
        if not self.input.format.holds(lo, hi):
            raise InputError(
                f"Codes must be {self.input.format} integers in [{self.input.format.lo}, "
                f"{self.input.format.hi}], not {lo} to {hi}"
            )
        return array.long() if hasattr(array, "new_tensor") else array.astype(np.int64)

    def _run(self, codes: Any) -> list[tuple[Any, ...]]:
        streams: tuple[Any, ...] = (self.input.clamp(codes),)
        formats: tuple[CodeFormat, ...] = (self.input.format,)
        history = []
        for layer in self.layers:
            addresses = tuple(streams[s] - formats[s].lo for s in layer.streams)
            accumulators = layer.accumulate(addresses)
            for values, declared in zip(accumulators, layer.accumulator_formats or (), strict=True):
                _check_width(values, declared, f"An accumulator of layer {layer.name!r}")
            own = tuple(_requantized(layer, r, accumulators) for r in layer.requantizers)
            streams = own + tuple(streams[p] for p in layer.passes)
            formats = output_formats(layer, formats)
            history.append(streams)
        return history


def _resident(layers: tuple[ProgramLayer, ...]) -> list[ResidentLayer]:
    return [layer for layer in layers if isinstance(layer, ResidentLayer)]


def _check_comparable(layer: ProgramLayer) -> None:
    """Refuse the largest of codes that are worth different amounts."""
    scale = layer.requantizers[0].scale
    if scale is not None and (scale != scale[0]).any():
        raise InputError(
            f"argmax compares codes, but the outputs of {layer.name!r} have units of their own, "
            f"from {scale.min():.3g} to {scale.max():.3g}: quantize with "
            "output_granularity='tensor' (--output-granularity tensor)"
        )


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


def _requantized(layer: ProgramLayer, requantizer: Any, accumulators: tuple[Any, ...]) -> Any:
    sums = requantizer.sums(accumulators)
    _check_width(sums, requantizer.sum_format, f"A joined sum of layer {layer.name!r}")
    return requantizer.codes(sums)


def _check_width(values: Any, declared: CodeFormat, what: str) -> None:
    lo, hi = int(values.min()), int(values.max())
    if not declared.holds(lo, hi):
        # Cannot happen: widths are derived from exact intervals when the Program is made.
        raise OverflowError(f"{what} left its declared {declared} format: {lo} to {hi}")


def output_formats(
    layer: ProgramLayer, formats: tuple[CodeFormat, ...]
) -> tuple[CodeFormat, ...]:
    """Formats of the streams behind a layer: its own, then those that it passes on."""
    own = tuple(r.output_format for r in layer.requantizers)
    return own + tuple(formats[p] for p in layer.passes)


def walk_intervals(
    layers: tuple[ProgramLayer, ...],
    input: InputEncoder,
    visit: Callable[[ProgramLayer, tuple[Interval, ...], tuple[Interval, ...]], ProgramLayer],
) -> tuple[ProgramLayer, ...]:
    """Carry intervals through the network.

    Calls ``visit(layer, address intervals of its branches, accumulator intervals)``, which gives
    the layer to go on with.
    """
    codes: tuple[Interval, ...] = (Interval(*input.code_ends),)
    formats: tuple[CodeFormat, ...] = (input.format,)
    visited = []
    for layer in layers:
        addresses = tuple(codes[s] + np.int64(-formats[s].lo) for s in layer.streams)
        accumulators = layer.accumulator_intervals(addresses)
        layer = visit(layer, addresses, accumulators)
        sums = [(r, r.sum_interval(accumulators)) for r in layer.requantizers]
        own = tuple(r.code_interval(interval) for r, interval in sums)
        codes = own + tuple(codes[p] for p in layer.passes)
        formats = output_formats(layer, formats)
        visited.append(layer)
    return tuple(visited)


def _declare_widths(
    layers: tuple[ProgramLayer, ...], input: InputEncoder
) -> tuple[ProgramLayer, ...]:
    """Check that the layers fit together, and fill in or check every declared width."""
    if not layers:
        raise InputError("A Program needs at least one layer")
    _check_image_ranges(layers[0], input)
    n_in = input.n_in
    formats: tuple[CodeFormat | None, ...] = (input.format,)
    for layer in layers:
        _check_connection(layer, n_in, formats)
        n_in = layer.n_out
        # A sum handed out by a layer in the middle would have no bounded table address.
        own = tuple(r.format for r in layer.requantizers)
        formats = own + tuple(formats[p] for p in layer.passes)
    if len(formats) != 1:
        raise InputError(f"The last layer must have one requantizer, not {len(formats)}")
    return walk_intervals(layers, input, _with_widths)


def _check_image_ranges(first: ProgramLayer, input: InputEncoder) -> None:
    """The pixels of an image go through the same hardware: a channel has one range."""
    if not isinstance(first, ConvolutionLayer | PoolingLayer) or not input.ranged:
        return
    channels = first.window.shape[0]
    if input.n_in != first.n_in:
        return  # refused where layers are connected
    for name, end in zip(("lo", "hi"), input.code_ends, strict=True):
        pixels = end.reshape(channels, -1)
        if (pixels != pixels[:, :1]).any():
            channel = int(np.argmax((pixels != pixels[:, :1]).any(axis=1)))
            raise InputError(
                f"Layer {first.name!r} reads an image: {name} of channel {channel} of the input "
                f"must be the same at all positions, not {pixels[channel].min()} to "
                f"{pixels[channel].max()}"
            )


def _check_connection(
    layer: ProgramLayer, n_in: int, formats: tuple[CodeFormat | None, ...]
) -> None:
    if layer.n_in != n_in:
        raise InputError(f"Layer {layer.name!r} takes {layer.n_in} inputs but is given {n_in}")
    if any(not 0 <= p < len(formats) for p in layer.passes):
        raise InputError(
            f"Layer {layer.name!r} passes streams {layer.passes} on, but there are {len(formats)}"
        )
    for branch, stream, depth in zip(layer.branches, layer.streams, layer.depths, strict=True):
        if stream >= len(formats):
            raise InputError(
                f"Layer {layer.name!r}: its {branch} branch asks for stream {stream} of "
                f"{len(formats)}"
            )
        format = formats[stream]
        if format is None or format.count != depth:
            raise InputError(
                f"Layer {layer.name!r}: tables of {depth} entries in its {branch} branch cannot be "
                f"addressed by {format or 'sums that are not requantized'}"
            )


def _with_widths(
    layer: ProgramLayer, addresses: tuple[Interval, ...], accumulators: tuple[Interval, ...]
) -> ProgramLayer:
    del addresses
    declared = layer.accumulator_formats
    if declared is None:
        declared = tuple(interval.format for interval in accumulators)
    if len(declared) != len(layer.branches):
        raise InputError(
            f"Layer {layer.name!r} declares {len(declared)} accumulator formats for its branches "
            f"{layer.branches}"
        )
    for interval, format, branch in zip(accumulators, declared, layer.branches, strict=True):
        _check_declared(interval, format, f"{layer.name!r}, {branch} accumulator")
    requantizers = []
    for requantizer in layer.requantizers:
        interval = requantizer.sum_interval(accumulators)
        format = requantizer.sum_format or interval.format
        _check_declared(interval, format, f"{layer.name!r}, joined sum")
        requantizers.append(replace(requantizer, sum_format=format))
    if isinstance(layer, ConvolutionLayer):
        declared_layer = replace(layer, accumulator_formats=declared)
        return declared_layer.with_requantizers(tuple(requantizers))
    return replace(layer, accumulator_formats=declared, requantizers=tuple(requantizers))


def _check_declared(interval: Interval, format: CodeFormat, where: str) -> None:
    if not interval.fits(format):
        raise InputError(
            f"Layer {where}: a {format} code is declared but values reach "
            f"{int(interval.lo.min())} to {int(interval.hi.max())}"
        )
