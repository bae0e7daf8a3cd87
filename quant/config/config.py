"""What a user chooses about a quantization, checked when it is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from kanhw.errors import InputError
from kanhw.quant.config.checks import (
    check_choice,
    check_integer,
    check_number,
    check_switch,
    make_plain,
)
from kanhw.quant.config.choices import (
    ActivationGranularity,
    BranchInputs,
    Calibration,
    FabricCostKind,
    Granularity,
    InputGranularity,
    Method,
    Norms,
    OutputGranularity,
    Quantizer,
    Realisation,
    Widths,
)
from kanhw.quant.config.codebook import CodebookConfig
from kanhw.quant.config.evaluator import EvaluatorConfig
from kanhw.quant.config.grouped import GROUPS, dotted_names, refuse_flat, with_groups
from kanhw.targets.table import MODELLED, target_named
from kanhw.values import brief, meant, plain

__all__ = ["QuantConfig", "widest"]

_BITS = {
    "base_bits": 12,
    "spline_bits": 12,
    "activation_bits": 16,
    "input_bits": 16,
    "basis_bits": 14,
    "base_table_bits": 14,
    "table_bits": 16,
}
# Fields that are chosen by what they are for where nothing is said.
_OPTIONAL = ("base_bits", "spline_bits", "input_bits", "table_bits")
# Of weights where nothing is said, and nothing is known of the layer.
_WEIGHT_BITS = 8
# Fields that may have a number for every value in front of a layer.
_BY_VALUE = ("activation_bits", "input_bits")
# Fields that one layer cannot have differently.
_WHOLE_NETWORK = (
    "input_bits",
    "input_granularity",
    "output_granularity",
    "norms",
    "codebook.scope",
    "method",
    "quantizer",
    "iterations",
    "seed",
    "damping",
    "layers",
    "widths",
    "fabric_cost",
    "target",
)


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """Bits, ranges, method and realisation of a quantization, after or during training.

    The base branch, the spline branch and the activations have formats of their own (QuantKAN's
    branch-aware rule).

    Parameters
    ----------
    base_bits
        Of base weights, 1 to 12. None is 8, and 12 where the layer becomes edge tables, whose size
        does not depend on it; 8 in training.
    spline_bits
        Of spline coefficients, likewise.
    activation_bits
        Of the codes between layers, 1 to 16; beyond 12 their consumers are evaluators. In
        ``layers`` also a sequence with the bits of every value that the layer reads: its codes are
        those of a quantizer of its own with so many bits, and the stream is as wide as the widest.
    input_bits
        Of the network's input codes, 1 to 16. A sequence holds the bits of every feature. None is
        ``activation_bits``. ``auto`` is that too, and two more where ``activation_bits`` are 8 to
        10, features are measured values (more of them than codes), outputs are not compared
        (``output_granularity="tensor"``), and tables of at most 64 edges read them; it is None in
        training, sensitivities and allocations.
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
        One scale per ``tensor``, or per ``channel`` (feature). ``auto``: per channel in front of
        edge tables that read a vector of hidden values of 6 bits or more, where scales cost next to
        nothing; with room at the ends of ranges, and none finer than an eighth of the widest.
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
    evaluator
        Of evaluated splines: see :class:`EvaluatorConfig`.
    codebook
        Of codebooks: see :class:`CodebookConfig`.
    method
        How weights are rounded: see :data:`kanhw.quant.config.Method`. ``auto`` is ``gptq_joint``
        below 8 bits of weights and ``uniform`` from there on, for codebooks, and in sensitivities
        and allocations of bits.
    quantizer
        What learns in training.
    shared_quantizers
        One weight step and one code for both branches of a layer.
    damping
        Of the Hessians of gptq: a share of their mean diagonal.
    iterations
        Steps of adaround, brecq and zeroq.
    seed
        Of the random numbers that these methods and the clustering of codebooks draw.
    widths
        ``chosen`` by the fields above; or ``learned`` in training, every edge's and every value's,
        while ``fabric_cost`` is kept small. Bits, ranges and realisation say nothing then.
    fabric_cost
        What learned widths keep small: ``lut``, ``bram`` or ``bit-operations``.
    target
        The FPGA family that learned widths are for.
    layers
        Fields that are different in one layer, by its name. Those of groups are named with a dot:
        ``{"layers.0": {"spline_bits": 4, "codebook.size": 16}}``.
    """

    base_bits: int | None = None
    spline_bits: int | None = None
    activation_bits: int | Sequence[int] = 8
    input_bits: int | Sequence[int] | Literal["auto"] | None = "auto"
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
    activation_granularity: ActivationGranularity = "auto"
    input_granularity: InputGranularity = "auto"
    output_granularity: OutputGranularity = "auto"
    symmetric_activations: bool = False
    branch_inputs: BranchInputs = "auto"
    norms: Norms = "exact"
    realisation: Realisation = "auto"
    evaluator: EvaluatorConfig = field(default_factory=EvaluatorConfig)
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    method: Method = "auto"
    quantizer: Quantizer = "lsq"
    shared_quantizers: bool = False
    damping: float = 0.01
    iterations: int = 2000
    seed: int = 0
    widths: Widths = "chosen"
    fabric_cost: FabricCostKind = "lut"
    target: str = MODELLED
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def __new__(cls, **given: object) -> QuantConfig:
        """Refuse a field of a group that is given without its group, before any other."""
        refuse_flat(given)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        make_plain(self)
        for name, highest in _BITS.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if name == "input_bits" and isinstance(value, str) and value == "auto":
                continue
            lowest = 2 if name in ("base_table_bits", "table_bits") else 1
            if name in _BY_VALUE and isinstance(value, Sequence) and not isinstance(value, str):
                if not value:
                    raise InputError(f"{name} must hold the bits of every value, not nothing")
                object.__setattr__(self, name, tuple(value))
                for k, bits in enumerate(value):
                    check_integer(f"{name}[{k}]", bits, lowest, highest)
                continue
            check_integer(name, value, lowest, highest)
        check_integer("norm_bits", self.norm_bits, 4, 14)
        check_integer("product_bits", self.product_bits, 4, 16)
        check_integer("multiplier_bits", self.multiplier_bits, 4, 24)
        check_choice("weight_calibration", self.weight_calibration, Calibration)
        check_choice("activation_calibration", self.activation_calibration, Calibration)
        check_choice("weight_granularity", self.weight_granularity, Granularity)
        check_choice("activation_granularity", self.activation_granularity, ActivationGranularity)
        check_choice("input_granularity", self.input_granularity, InputGranularity)
        check_choice("output_granularity", self.output_granularity, OutputGranularity)
        check_choice("norms", self.norms, Norms)
        check_choice("branch_inputs", self.branch_inputs, BranchInputs)
        check_choice("realisation", self.realisation, Realisation)
        check_choice("method", self.method, Method)
        check_choice("quantizer", self.quantizer, Quantizer)
        check_choice("widths", self.widths, Widths)
        check_choice("fabric_cost", self.fabric_cost, FabricCostKind)
        target_named(self.target)
        check_integer("iterations", self.iterations, 1, 100_000)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        for name, group in GROUPS.items():
            given = getattr(self, name)
            if not isinstance(given, group):
                raise TypeError(f"{name} must be {group.__name__}(...), not {brief(given)}")
        for switch in ("symmetric_activations", "shared_quantizers"):
            check_switch(switch, getattr(self, switch))
        check_number("percentile", self.percentile)
        if not 50 <= self.percentile <= 100:
            raise InputError(
                f"percentile must be 50 to 100, not {self.percentile}: it is in percent"
            )
        check_number("damping", self.damping)
        if not 0 < self.damping <= 1:
            raise InputError(f"damping must be above 0 and at most 1, not {self.damping}")
        object.__setattr__(self, "layers", self._checked_layers())

    def _checked_layers(self) -> Mapping[str, Mapping[str, Any]]:
        if not isinstance(self.layers, Mapping):
            raise TypeError(
                f"layers must be a mapping from names to their fields, not {brief(self.layers)}"
            )
        allowed = [name for name in self.field_names() if name not in _WHOLE_NETWORK]
        checked: dict[str, Mapping[str, Any]] = {}
        for name, changes in self.layers.items():
            if not isinstance(name, str) or not isinstance(changes, Mapping):
                raise TypeError(
                    f"layers must map names to fields, not {brief(name)} to {brief(changes)}"
                )
            try:
                refuse_flat(changes, dotted=True)
            except TypeError as error:
                raise TypeError(f"layers[{name!r}]: {error}") from error
            for wrong in set(changes) - set(allowed):
                raise InputError(
                    f"layers[{name!r}]: {wrong!r} is no field of a layer"
                    f"{meant(wrong, allowed) or ';'} there are {', '.join(allowed)}"
                )
            try:
                own = self.changed({**changes, "layers": {}})
            except (InputError, TypeError) as error:
                raise type(error)(f"layers[{name!r}]: {error}") from error
            if own.codebook.scope != self.codebook.scope:
                raise InputError(
                    f"layers[{name!r}]: codebook.scope is one for the whole network: leave it"
                )
            checked[name] = {field: plain(value) for field, value in changes.items()}
        return checked

    @classmethod
    def field_names(cls) -> list[str]:
        """All fields, those of groups by dotted names besides."""
        names = [entry.name for entry in fields(cls)]
        return names + [name for group in GROUPS for name in dotted_names(group)]

    def changed(self, changes: Mapping[str, Any]) -> QuantConfig:
        """The same with other fields, those of groups by dotted names (``codebook.size``).

        Raises
        ------
        InputError, TypeError
            As for a config that is written down.
        """
        return replace(self, **with_groups(self, changes))

    def for_layer(self, name: str) -> QuantConfig:
        """What holds for one layer: this, with its fields of ``layers``."""
        changes = self.layers.get(name)
        return self.changed({**changes, "layers": {}}) if changes else self

    @property
    def weight_bits(self) -> tuple[int, int]:
        """Bits of a layer's coefficients and of its base weights; 8 where nothing was said."""
        spline = self.spline_bits or _WEIGHT_BITS
        return spline, spline if self.shared_quantizers else self.base_bits or _WEIGHT_BITS

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
                bits = changes.get(name)
                if isinstance(bits, Sequence) and not isinstance(bits, str):
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
                    f"{meant(name, names)}"
                )


def widest(bits: int | Sequence[int]) -> int:
    """The largest of the bits of some values, or what all have."""
    return bits if isinstance(bits, int) else max(bits)
