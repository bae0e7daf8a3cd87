"""What a user chooses about a quantization, checked when it is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from kanhw.errors import InputError

__all__ = [
    "BranchInputs",
    "Calibration",
    "CodebookBranches",
    "CodebookClustering",
    "CodebookGain",
    "CodebookScope",
    "CodebookWeighting",
    "EvaluatorPieces",
    "Granularity",
    "InputGranularity",
    "Method",
    "Norms",
    "OutputGranularity",
    "QuantConfig",
    "Quantizer",
    "Realisation",
    "widest",
]

Calibration = Literal["max_abs", "percentile", "mse"]
Granularity = Literal["tensor", "channel"]
InputGranularity = Literal["auto", "tensor", "group", "channel"]
OutputGranularity = Literal["auto", "tensor", "channel"]
Realisation = Literal["auto", "edge_table", "basis_table", "codebook", "spline_evaluator"]
EvaluatorPieces = Literal["auto", "arithmetic", "shared_table"]
CodebookClustering = Literal["coefficients", "functions"]
CodebookWeighting = Literal["data", "uniform"]
CodebookScope = Literal["layer", "network"]
CodebookGain = Literal["any", "power_of_two", "none"]
CodebookBranches = Literal["separate", "joint"]
Norms = Literal["exact", "frozen"]
BranchInputs = Literal["auto", "shared", "separate"]
Method = Literal[
    "uniform", "gptq", "gptq_joint", "adaround", "awq", "brecq", "smoothquant", "zeroq"
]
Quantizer = Literal["lsq", "lsq+", "pact", "qil", "dorefa", "dsq"]

_BITS = {
    "base_bits": 12,
    "spline_bits": 12,
    "activation_bits": 16,
    "input_bits": 16,
    "basis_bits": 14,
    "base_table_bits": 14,
    "table_bits": 16,
}
_CODEBOOK_RANGES = {
    "codebook_size": (2, 4096),
    "shape_bits": (2, 14),
    "gain_bits": (2, 8),
    "bias_bits": (2, 12),
}
_CODEBOOK_CHOICES = {
    "codebook_clustering": CodebookClustering,
    "codebook_weighting": CodebookWeighting,
    "codebook_scope": CodebookScope,
    "codebook_gain": CodebookGain,
    "codebook_branches": CodebookBranches,
}
# Fields that may have a number for every value in front of a layer.
_BY_VALUE = ("activation_bits", "input_bits")
# Fields that one layer cannot have differently.
_WHOLE_NETWORK = (
    "input_bits",
    "input_granularity",
    "output_granularity",
    "norms",
    "codebook_scope",
    "method",
    "quantizer",
    "iterations",
    "seed",
    "damping",
    "layers",
)


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """Bits, ranges, method and realisation of a quantization, after or during training.

    The base branch, the spline branch and the activations have formats of their own (QuantKAN's
    branch-aware rule).

    Parameters
    ----------
    base_bits
        Of base weights, 1 to 12.
    spline_bits
        Of spline coefficients, 1 to 12.
    activation_bits
        Of the codes between layers, 1 to 16; beyond 12 their consumers are evaluators. In
        ``layers`` also a sequence with the bits of every value that the layer reads: its codes are
        those of a quantizer of its own with so many bits, and the stream is as wide as the widest.
    input_bits
        Of the network's input codes, 1 to 16; None is ``activation_bits``. A sequence holds the
        bits of every feature.
    basis_bits
        Of basis values, 1 to 14 (``basis_table`` and ``spline_evaluator``).
    base_table_bits
        Of the base activation, sign included, 2 to 14 (the same).
    table_bits
        Of edge table entries, 2 to 16: the widest edge of a layer spans that many bits
        (``edge_table`` only). None is the next codes' bits + 3.
    norm_bits
        Of the codes in front of a run-time normalisation, 4 to 14.
    product_bits
        Of the codes that are multiplied with each other, 4 to 16.
    multiplier_bits
        Of the integer that joins a branch, sign included, 4 to 24.
    weight_calibration, activation_calibration
        How a range is chosen: ``max_abs`` keeps everything, ``percentile`` cuts tails,
        ``mse`` minimises the squared rounding error.
    percentile
        Share of values that ``percentile`` keeps inside, 50 to 100 (percent).
    weight_granularity
        One scale per ``tensor``, or per ``channel`` (output).
    activation_granularity
        One scale per ``tensor``, or per ``channel`` (feature).
    input_granularity
        Of the network's input, where it is a vector that a KAN layer reads: one scale per
        ``tensor``, per ``channel`` (feature), or per ``group`` of features whose ranges are alike
        to a factor of 4. ``auto``: ``channel`` where ``activation_granularity`` is, else
        ``group``. Images, and what is normalised first, have one scale.
    output_granularity
        Of the network's outputs that are sums: one unit per ``tensor``, so that codes can be
        compared with each other (argmax), or one per ``channel`` (output). ``auto``: one per output
        where their ranges are more than a factor of 4 apart.
    symmetric_activations
        True centres every activation range on zero and leaves zero points at 0.
    branch_inputs
        Whether the two branches of a layer read one code or one each, the spline's saturated to
        its support: ``shared``, ``separate``, or ``auto``, which separates where the data leave the
        support so far that a shared code would waste a quarter of its steps. A network's input,
        edge tables, and layers without a base branch always have one code.
    norms
        ``exact`` normalises in integers at run time; ``frozen`` replaces every layer norm by the
        mean and variance of the calibration data, which costs no hardware but changes the function
        (how much is in the model's source text).
    realisation
        ``edge_table``, ``basis_table``, ``codebook`` (edges share shapes), ``spline_evaluator``
        (uniform B-splines by arithmetic, for codes of up to 16 bits), or ``auto``: the one of the
        first two with the smaller LUT estimate, layer by layer, and beyond 12 bits the last.
    evaluator_pieces
        Where a spline evaluator has its functions from: ``arithmetic`` (powers of the place in a
        cell), ``shared_table`` (one half table for all cells), or ``auto``: fewer LUTs.
    evaluator_alignment
        Whether the scale in front of a spline evaluator grows, by less than a factor of 2, until
        a cell is a power of two of codes, where the grid allows.
    codebook_size
        The most shapes of a codebook, 2 to 4096 (this and the following: ``codebook`` only).
    codebook_clustering
        Edges share a shape if their ``coefficients`` are alike, or their ``functions`` at the codes
        that the layer reads.
    codebook_weighting
        What an error at a code counts: as often as the calibration ``data`` hit it, or
        ``uniform``.
    codebook_scope
        A codebook for every ``layer``, or one for the ``network``.
    codebook_gain
        What an edge multiplies its shape by: ``any`` integer, a signed ``power_of_two``, or
        ``none``: nothing.
    codebook_bias
        Whether an edge adds something of its own to its shape.
    codebook_branches
        Base branches ``separate`` from the shapes, as weights times one table, or ``joint``: in
        the shapes.
    shape_bits, gain_bits, bias_bits
        Of a shape's entries, 2 to 14, of gains, 2 to 8, and of biases, 2 to 12, signs included.
    """

    base_bits: int = 8
    spline_bits: int = 8
    activation_bits: int | Sequence[int] = 8
    input_bits: int | Sequence[int] | None = None
    basis_bits: int = 8
    base_table_bits: int = 8
    table_bits: int | None = None
    norm_bits: int = 12
    product_bits: int = 12
    multiplier_bits: int = 16
    weight_calibration: Calibration = "mse"
    activation_calibration: Calibration = "mse"
    percentile: float = 99.9
    weight_granularity: Granularity = "channel"
    activation_granularity: Granularity = "tensor"
    input_granularity: InputGranularity = "auto"
    output_granularity: OutputGranularity = "auto"
    symmetric_activations: bool = False
    branch_inputs: BranchInputs = "auto"
    norms: Norms = "exact"
    realisation: Realisation = "auto"
    evaluator_pieces: EvaluatorPieces = "auto"
    evaluator_alignment: bool = True
    codebook_size: int = 32
    codebook_clustering: CodebookClustering = "functions"
    codebook_weighting: CodebookWeighting = "data"
    codebook_scope: CodebookScope = "layer"
    codebook_gain: CodebookGain = "any"
    codebook_bias: bool = True
    codebook_branches: CodebookBranches = "separate"
    shape_bits: int = 8
    gain_bits: int = 5
    bias_bits: int = 8
    method: Method = "uniform"
    quantizer: Quantizer = "lsq"
    shared_quantizers: bool = False
    damping: float = 0.01
    iterations: int = 2000
    seed: int = 0
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, highest in _BITS.items():
            value = getattr(self, name)
            if value is None and name in ("input_bits", "table_bits"):
                continue
            lowest = 2 if name in ("base_table_bits", "table_bits") else 1
            if name in _BY_VALUE and isinstance(value, Sequence) and not isinstance(value, str):
                if not value:
                    raise InputError(f"{name} must hold the bits of every value, not nothing")
                object.__setattr__(self, name, tuple(value))
                for k, bits in enumerate(value):
                    _check_integer(f"{name}[{k}]", bits, lowest, highest)
                continue
            _check_integer(name, value, lowest, highest)
        _check_integer("norm_bits", self.norm_bits, 4, 14)
        _check_integer("product_bits", self.product_bits, 4, 16)
        _check_integer("multiplier_bits", self.multiplier_bits, 4, 24)
        _check_choice("weight_calibration", self.weight_calibration, Calibration)
        _check_choice("activation_calibration", self.activation_calibration, Calibration)
        _check_choice("weight_granularity", self.weight_granularity, Granularity)
        _check_choice("activation_granularity", self.activation_granularity, Granularity)
        _check_choice("input_granularity", self.input_granularity, InputGranularity)
        _check_choice("output_granularity", self.output_granularity, OutputGranularity)
        _check_choice("norms", self.norms, Norms)
        _check_choice("branch_inputs", self.branch_inputs, BranchInputs)
        _check_choice("realisation", self.realisation, Realisation)
        _check_choice("evaluator_pieces", self.evaluator_pieces, EvaluatorPieces)
        _check_choice("method", self.method, Method)
        _check_choice("quantizer", self.quantizer, Quantizer)
        _check_integer("iterations", self.iterations, 1, 100_000)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        for name, (least, most) in _CODEBOOK_RANGES.items():
            _check_integer(name, getattr(self, name), least, most)
        for name, choices in _CODEBOOK_CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        for switch in (
            "symmetric_activations",
            "shared_quantizers",
            "codebook_bias",
            "evaluator_alignment",
        ):
            if not isinstance(getattr(self, switch), bool):
                raise TypeError(f"{switch} must be True or False, not {getattr(self, switch)!r}")
        _check_number("percentile", self.percentile)
        if not 50 <= self.percentile <= 100:
            raise InputError(f"percentile must be 50 to 100, not {self.percentile}")
        _check_number("damping", self.damping)
        if not 0 < self.damping <= 1:
            raise InputError(f"damping must be above 0 and at most 1, not {self.damping}")
        object.__setattr__(self, "layers", self._checked_layers())

    def _checked_layers(self) -> Mapping[str, Mapping[str, Any]]:
        if not isinstance(self.layers, Mapping):
            raise TypeError(
                f"layers must be a mapping from names to their fields, not {self.layers!r}"
            )
        allowed = [entry.name for entry in fields(self) if entry.name not in _WHOLE_NETWORK]
        checked: dict[str, Mapping[str, Any]] = {}
        for name, changes in self.layers.items():
            if not isinstance(name, str) or not isinstance(changes, Mapping):
                raise TypeError(f"layers must map names to fields, not {name!r} to {changes!r}")
            for wrong in set(changes) - set(allowed):
                raise InputError(
                    f"layers[{name!r}]: {wrong!r} is no field of a layer; there are "
                    f"{', '.join(allowed)}"
                )
            try:
                replace(self, layers={}, **changes)
            except (InputError, TypeError) as error:
                raise type(error)(f"layers[{name!r}]: {error}") from error
            checked[name] = dict(changes)
        return checked

    def for_layer(self, name: str) -> QuantConfig:
        """What holds for one layer: this, with its fields of ``layers``."""
        changes = self.layers.get(name)
        return replace(self, layers={}, **changes) if changes else self

    @property
    def widest_activation(self) -> int:
        """The bits of the widest code of ``activation_bits``."""
        return widest(self.activation_bits)

    def check_one_width(self, what: str) -> None:
        """Refuse bits that differ from value to value.

        Parameters
        ----------
        what
            What does not know them, for the message.

        Raises
        ------
        InputError
            Naming the field.
        """
        own = {"": {name: getattr(self, name) for name in _BY_VALUE}}
        layers = {f"layers[{name!r}]: ": changes for name, changes in self.layers.items()}
        for where, changes in (own | layers).items():
            for name in _BY_VALUE:
                if isinstance(changes.get(name), Sequence):
                    raise InputError(
                        f"{where}{name} must be one integer, the same for all values, for {what}"
                    )

    def check_layers(self, names: list[str]) -> None:
        """Refuse names in ``layers`` that no layer has.

        Raises
        ------
        InputError
            Naming one, and those that there are.
        """
        for name in self.layers:
            if name not in names:
                raise InputError(
                    f"layers: there is no layer {name!r}; there are {', '.join(names)}"
                )


def widest(bits: int | Sequence[int]) -> int:
    """The largest of the bits of some values, or what all have."""
    return bits if isinstance(bits, int) else max(bits)


def _check_integer(field: str, value: object, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{field} must be an integer, not {value!r}")
    if not lowest <= value <= highest:
        raise InputError(f"{field} must be {lowest} to {highest}, not {value}")


def _check_number(field: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{field} must be a number, not {value!r}")


def _check_choice(field: str, value: object, choices: object) -> None:
    allowed = get_args(choices)
    if value not in allowed:
        raise InputError(f"{field} must be one of {', '.join(allowed)}, not {value!r}")
