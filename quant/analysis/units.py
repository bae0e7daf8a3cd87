"""What has bits of its own: the branches of layers, and configs with other bits for some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kanhw.errors import InputError
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import Step, SumStep
from kanhw.records import record_of

__all__ = [
    "BRANCHES",
    "TABULATED",
    "UNITS",
    "Unit",
    "pinned",
    "plainly",
    "units_of",
    "with_bits",
    "with_rest",
]

# In the order of rows and heat maps.
BRANCHES = ("base", "spline", "basis", "table", "activation")
# What tables keep beyond the codes that they add up to, as QuantConfig.table_bits says.
_TABLE_GUARD_BITS = 3
_HOME = "kanhw.quant.analysis.units"
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


def plainly(config: QuantConfig) -> QuantConfig:
    """The config with nearest codes where it leaves the method open, so that bits alone differ."""
    return replace(config, method="uniform") if config.method == "auto" else config


def units_of(plan: Plan) -> tuple[Unit, ...]:
    """What has bits of its own, in the order of the network.

    Raises
    ------
    InputError
        If two layers have one name, or a layer's bits are not measured.
    """
    units: list[Unit] = []
    seen: set[str] = set()
    for step, consumer in zip(plan.steps, plan.consumers, strict=True):
        branches = _branches(step, consumer, plan.config.for_layer(step.name))
        if not branches:
            continue
        if step.name in seen:
            raise InputError(f"Two layers are called {step.name!r}: give each its own name")
        if not seen and plan.config.input_bits is not None:
            # The network's input has bits of its own.
            branches = [branch for branch in branches if branch != "activation"]
        seen.add(step.name)
        units += [Unit(step.name, branch) for branch in branches]
    return tuple(units)


def _branches(step: Step, consumer: Consumer, config: QuantConfig) -> list[str]:
    record = record_of(UNITS, step.kind, "units of steps", f"{_HOME}.UNITS")
    return record(step, consumer, config)


def _of_sums(step: SumStep, consumer: Consumer, config: QuantConfig) -> list[str]:
    tables = record_of(TABULATED, consumer.realisation, "units of edges", f"{_HOME}.TABULATED")(
        step
    )
    branches = []
    if step.layer.base_weights.any() and not config.shared_quantizers:
        branches.append("base")
    if step.layer.basis.count or config.shared_quantizers:
        branches.append("spline")
    return [*branches, tables, "activation"]


def _of_codes(step: Step, consumer: Consumer, config: QuantConfig) -> list[str]:
    return ["activation"]


def _nothing(step: Step, consumer: Consumer, config: QuantConfig) -> list[str]:
    return []


def _of_a_codebook(step: SumStep) -> str:
    raise InputError(
        f"{step.name}: a codebook's bits are not those of its layer's weights: measure "
        "and allocate with realisation='basis_table', 'edge_table' or 'auto'"
    )


def _of_an_evaluator(step: SumStep) -> str:
    raise InputError(
        f"{step.name}: bits of evaluated splines are not measured: measure and allocate "
        "with realisation='basis_table', 'edge_table' or 'auto', and codes of up to 12 bits"
    )


# Which branches of steps of every kind have bits of their own.
UNITS: dict[str, Callable[[Any, Consumer, QuantConfig], list[str]]] = {
    "sums": _of_sums,
    "pooling": _of_codes,
    # Their bits are given for the whole network.
    "norm": _nothing,
    "products": _nothing,
}
# The branch of the tables of every realisation.
TABULATED: dict[str, Callable[[SumStep], str]] = {
    "edge_table": lambda step: "table",
    "basis_table": lambda step: "basis",
    "codebook": _of_a_codebook,
    "spline_evaluator": _of_an_evaluator,
}


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
        if consumer.realisation:
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
