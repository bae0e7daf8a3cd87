"""How much a network's outputs change when one branch of one layer has few bits.

A change is measured in the mean squared difference from the float outputs, over their variance: 0
is no change, 1 is as bad as handing out the mean. No labels are needed for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.numerics import indistinct
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.plan import Plan, make_plan
from kanhw.quant.planning.steps import PoolStep, SumStep
from kanhw.quant.post_training import quantize_model
from kanhw.quant.record.model import QuantModel
from kanhw.values import brief, is_integer, plain

__all__ = [
    "BRANCHES",
    "HeldOut",
    "Sensitivity",
    "SensitivityRow",
    "Unit",
    "measure",
    "pinned",
    "plainly",
    "sensitivity",
    "units_of",
    "with_bits",
    "with_rest",
]

# In the order of rows and heat maps.
BRANCHES = ("base", "spline", "basis", "table", "activation")
# What tables keep beyond the codes that they add up to, as QuantConfig.table_bits says.
_TABLE_GUARD_BITS = 3
_FIELDS: dict[str, tuple[str, ...]] = {
    "base": ("base_bits",),
    "spline": ("spline_bits",),
    "basis": ("basis_bits", "base_table_bits"),
    "table": ("table_bits",),
    "activation": ("activation_bits",),
}


@dataclass(frozen=True, order=True)
class Unit:
    """What has bits of its own: one branch of one layer.

    Parameters
    ----------
    layer
        Its name.
    branch
        ``base`` and ``spline`` are weights, ``basis`` the tables of functions that they multiply,
        ``table`` edge tables, ``activation`` the codes that the layer reads.
    """

    layer: str
    branch: str

    def __str__(self) -> str:
        return f"{self.layer} {self.branch}"


@dataclass(frozen=True)
class SensitivityRow:
    """One measurement.

    Parameters
    ----------
    layer, branch
        What had few bits.
    bits
        How many.
    loss
        Mean squared change of the outputs over their variance; infinite where the network has no
        integers with so few bits (multipliers too short for such coarse weights).
    increase
        What of it the few bits add: the loss less that of the reference.
    accuracy
        Share of the labels that the largest output hits, 0 to 1; None without labels.
    """

    layer: str
    branch: str
    bits: int
    loss: float
    increase: float
    accuracy: float | None


@dataclass(frozen=True)
class Sensitivity:
    """What :func:`sensitivity` measured.

    Parameters
    ----------
    rows
        In the order of the network; branches in the order of ``BRANCHES``.
    rest
        Bits of everything else.
    reference_loss, reference_accuracy
        With ``rest`` bits everywhere.
    """

    rows: tuple[SensitivityRow, ...]
    rest: int
    reference_loss: float
    reference_accuracy: float | None

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every layer and branch, in order."""
        return tuple(dict.fromkeys(Unit(row.layer, row.branch) for row in self.rows))

    @property
    def bits(self) -> tuple[int, ...]:
        """The bits that were tried, ascending."""
        return tuple(sorted({row.bits for row in self.rows}))

    def table(self) -> list[dict[str, Any]]:
        """The rows as plain values."""
        return [dict(vars(row)) for row in self.rows]

    def matrix(self, value: str = "loss") -> FloatArray:
        """``[units, bits]`` for a heat map; its axes are ``units`` and ``bits``.

        Parameters
        ----------
        value
            ``loss``, ``increase`` or ``accuracy``.
        """
        if value not in ("loss", "increase", "accuracy"):
            raise InputError(f"value must be loss, increase or accuracy, not {value!r}")
        matrix = np.full((len(self.units), len(self.bits)), np.nan)
        rows, columns = list(self.units), list(self.bits)
        for row in self.rows:
            number = getattr(row, value)
            place = rows.index(Unit(row.layer, row.branch)), columns.index(row.bits)
            matrix[place] = np.nan if number is None else number
        return matrix

    def markdown(self) -> str:
        """A table of losses (and accuracies), one row a unit."""
        head = ["layer", "branch", *(f"{bits} bits" for bits in self.bits)]
        losses, accuracies = self.matrix(), self.matrix("accuracy")
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for unit, loss, accuracy in zip(self.units, losses, accuracies, strict=True):
            cells = [_cell(*pair) for pair in zip(loss, accuracy, strict=True)]
            lines.append(f"| {unit.layer} | {unit.branch} | " + " | ".join(cells) + " |")
        accuracy = np.nan if self.reference_accuracy is None else self.reference_accuracy
        everywhere = _cell(self.reference_loss, accuracy)
        return "\n".join([*lines, "", f"{self.rest} bits everywhere: {everywhere}"])

    def __str__(self) -> str:
        return self.markdown()


def _cell(loss: float, accuracy: float) -> str:
    return f"{loss:.2e}" + ("" if np.isnan(accuracy) else f" ({100 * accuracy:.1f} %)")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Data to measure a loss on.

    Parameters
    ----------
    x
        ``[N, n_in]``.
    outputs
        ``[N, n_out]``: the float model's.
    labels
        ``[N]`` classes, or None.
    """

    x: FloatArray
    outputs: FloatArray
    labels: npt.NDArray[np.int64] | None
    variance: float

    @classmethod
    def of(cls, model: KanModel, held_out: npt.ArrayLike, labels: npt.ArrayLike | None) -> HeldOut:
        """Check the data and run the float model on them.

        Raises
        ------
        InputError
            If they do not fit the model, are too few to vary, or labels do not fit them.
        """
        x = model.flat(np.asarray(held_out))
        if len(x) < 2:
            raise InputError(f"held_out needs at least 2 samples, not {len(x)}")
        outputs = model(x)
        variance = float(outputs.var(axis=0).mean())
        ends = zip(outputs.min(axis=0).tolist(), outputs.max(axis=0).tolist(), strict=True)
        # Equal samples may differ in the last bits of their outputs.
        if all(indistinct(low, high) for low, high in ends):
            raise InputError("held_out: the float outputs do not vary: give other samples")
        return cls(x, outputs, _checked_labels(labels, outputs), variance)

    def loss(self, quantized: QuantModel) -> float:
        """Mean squared change of the outputs over their variance."""
        return self.loss_of(quantized(self.x))

    def loss_of(self, outputs: FloatArray) -> float:
        """That of given outputs."""
        return float(np.square(outputs - self.outputs).mean()) / self.variance

    def accuracy_of(self, outputs: FloatArray) -> float | None:
        """Share of the labels that the largest output hits."""
        if self.labels is None:
            return None
        return float((outputs.argmax(axis=1) == self.labels).mean())


def _checked_labels(
    labels: npt.ArrayLike | None, outputs: FloatArray
) -> npt.NDArray[np.int64] | None:
    if labels is None:
        return None
    classes = np.asarray(labels)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {classes.dtype}")
    if classes.shape != (len(outputs),):
        raise InputError(
            f"labels must have shape [{len(outputs)}], one per held-out sample, not "
            f"{list(classes.shape)}"
        )
    if classes.min() < 0 or classes.max() >= outputs.shape[1]:
        raise InputError(
            f"labels must be 0 to {outputs.shape[1] - 1}, as the network has "
            f"{outputs.shape[1]} outputs, not {classes.min()} to {classes.max()}"
        )
    return classes.astype(np.int64)


def plainly(config: QuantConfig) -> QuantConfig:
    """The config with nearest codes where it leaves the method open, so that bits alone differ."""
    return replace(config, method="uniform") if config.method == "auto" else config


def sensitivity(
    model: KanModel,
    calibration: npt.ArrayLike,
    held_out: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    config: QuantConfig | None = None,
    bits: tuple[int, ...] = (2, 3, 4),
    *,
    rest: int = 8,
    branches: tuple[str, ...] = ("base", "spline", "basis", "activation"),
) -> Sensitivity:
    """Quantize a network once for every layer, branch and number of bits, the rest at ``rest``.

    Parameters
    ----------
    model
        The float model.
    calibration
        Training features.
    held_out
        Other features ``[N, *input_shape]``, to measure on.
    labels
        Their classes ``[N]``, for accuracies; the loss does not need them.
    config
        How to quantize: its method, ranges, realisation. Its own bits do not matter, except
        ``input_bits``: where they are given, the first layer's codes have those, and are no unit.
        The method ``auto`` is ``uniform``: units are compared, not the cures of their errors.
    bits
        What to try, each 1 to 12.
    rest
        Bits of everything else: weights, codes and tables of functions; edge tables three more.
    branches
        Which to try, of ``BRANCHES``; ``basis`` and ``table`` exist for layers of that realisation.

    Raises
    ------
    InputError
        If the data do not fit the model, or bits or branches are not as above.
    """
    data = HeldOut.of(model, held_out, labels)
    bits, rest = tuple(map(plain, bits)), plain(rest)
    _check(bits, branches)
    config = config or QuantConfig()
    config.check_one_width("a sweep of sensitivities")
    config = with_rest(plainly(config), rest)
    config = pinned(config, make_plan(model, calibration, config))
    rows, reference = measure(model, calibration, data, config, dict.fromkeys(branches, bits))
    return Sensitivity(rows, rest, data.loss_of(reference), data.accuracy_of(reference))


def measure(
    model: KanModel,
    calibration: npt.ArrayLike,
    data: HeldOut,
    config: QuantConfig,
    bits: Mapping[str, tuple[int, ...]],
) -> tuple[tuple[SensitivityRow, ...], FloatArray]:
    """Rows for given bits of every branch, and the outputs of the config itself."""
    reference = quantize_model(model, calibration, config)(data.x)
    reference_loss = data.loss_of(reference)
    rows = []
    for unit in units_of(make_plan(model, calibration, config)):
        for count in bits.get(unit.branch, ()):
            changed = with_bits(config, {unit: count})
            loss, accuracy = _measured(model, calibration, changed, data)
            increase = loss - reference_loss
            rows.append(SensitivityRow(unit.layer, unit.branch, count, loss, increase, accuracy))
    return tuple(rows), reference


def _measured(
    model: KanModel, calibration: npt.ArrayLike, config: QuantConfig, data: HeldOut
) -> tuple[float, float | None]:
    try:
        outputs = quantize_model(model, calibration, config)(data.x)
    except InputError:
        # The reference was quantized: only the bits can be what it complains of.
        return math.inf, None
    return data.loss_of(outputs), data.accuracy_of(outputs)


def _check(bits: tuple[int, ...], branches: tuple[str, ...]) -> None:
    if not bits:
        raise InputError("bits must name at least one number of bits, such as (2, 3, 4)")
    for count in bits:
        if not is_integer(count):
            raise TypeError(f"bits must be integers, not {brief(count)}")
    for branch in branches:
        if branch not in BRANCHES:
            raise InputError(f"branches must be of {', '.join(BRANCHES)}, not {branch!r}")


def units_of(plan: Plan) -> tuple[Unit, ...]:
    """What has bits of its own, in the order of the network."""
    units = []
    names = [step.name for step in plan.steps if isinstance(step, SumStep | PoolStep)]
    for step, consumer in zip(plan.steps, plan.consumers, strict=True):
        if not isinstance(step, SumStep | PoolStep):
            continue
        if names.count(step.name) > 1:
            raise InputError(f"Two layers are called {step.name!r}: give each its own name")
        branches = []
        own = plan.config.for_layer(step.name)
        if consumer.realisation == "codebook":
            raise InputError(
                f"{step.name}: a codebook's bits are not those of its layer's weights: measure "
                "and allocate with realisation='basis_table', 'edge_table' or 'auto'"
            )
        if consumer.realisation == "spline_evaluator":
            raise InputError(
                f"{step.name}: bits of evaluated splines are not measured: measure and allocate "
                "with realisation='basis_table', 'edge_table' or 'auto', and codes of up to 12 bits"
            )
        if isinstance(step, SumStep):
            if step.layer.base_weights.any() and not own.shared_quantizers:
                branches.append("base")
            if step.layer.basis.count or own.shared_quantizers:
                branches.append("spline")
            branches.append("basis" if consumer.realisation == "basis_table" else "table")
        if step.name != names[0] or plan.config.input_bits is None:
            branches.append("activation")
        units += [Unit(step.name, branch) for branch in branches]
    return tuple(units)


def with_rest(config: QuantConfig, bits: int) -> QuantConfig:
    """The config with ``bits`` everywhere, edge tables three more; the input has no others."""
    every: dict[str, Any] = {name: bits for names in _FIELDS.values() for name in names}
    every["table_bits"] = min(bits + _TABLE_GUARD_BITS, 16)
    every["base_table_bits"] = max(bits, 2)
    layers = {
        name: {field: value for field, value in changes.items() if field not in every}
        for name, changes in config.layers.items()
    }
    if config.input_bits == "auto":
        every["input_bits"] = None
    return replace(config, layers=layers, **every)


def pinned(config: QuantConfig, plan: Plan) -> QuantConfig:
    """The config with every layer's realisation as in a plan, whatever its bits will be."""
    layers = {name: dict(changes) for name, changes in config.layers.items()}
    for step, consumer in zip(plan.steps, plan.consumers, strict=True):
        if isinstance(step, SumStep):
            layers.setdefault(step.name, {})["realisation"] = consumer.realisation
    return replace(config, layers=layers)


def with_bits(config: QuantConfig, bits: Mapping[Unit, int]) -> QuantConfig:
    """The config with other bits for some units.

    Raises
    ------
    InputError
        If a number of bits is not allowed for its branch.
    """
    layers = {name: dict(changes) for name, changes in config.layers.items()}
    for unit, count in bits.items():
        own = layers.setdefault(unit.layer, {})
        for name in _FIELDS[unit.branch]:
            # A base activation has a sign.
            own[name] = max(count, 2) if name == "base_table_bits" else count
    return replace(config, layers=layers)
