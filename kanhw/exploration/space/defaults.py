"""Spaces for those who name none: one that suits a model, and the two-axis sweeps."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.errors import InputError
from kanhw.exploration.space.configuration import Value
from kanhw.exploration.space.space import Axis, Space
from kanhw.model.network import KanModel
from kanhw.values import meant

__all__ = ["SURFACES", "SWEEPS", "default_space", "sweep_named", "with_training"]

# Edges beyond which nobody unrolls a network: it would fill the largest devices.
_MOST_UNROLLED = 5000
_REALISATIONS = ("edge_table", "basis_table")
_EDGE, _BASIS = ({"realisation": (each,)} for each in _REALISATIONS)


def default_space(model: KanModel, *, plans: tuple[str, ...] = ()) -> Space:
    """Bits of everything, two realisations, and schedules from unrolled to an edge at a time.

    Parameters
    ----------
    model
        Whose size decides whether it is unrolled.
    plans
        Further ones.
    """
    small = model.active_edges <= _MOST_UNROLLED
    own = ("unrolled",) if small else ()
    folds = ("inputs=4,outputs=4", "inputs=2,outputs=2", "folded")
    return Space(
        (
            _axis("realisation", _REALISATIONS),
            _axis("input_bits", (3, 4, 5, 6, 8)),
            _axis("activation_bits", (3, 4, 5, 6, 8)),
            Axis("table_bits", (3, 4, 5, 6, 8), ("table_bits",), _EDGE),
            Axis("coefficient_bits", (3, 4, 5, 6, 8), ("spline_bits", "base_bits"), _BASIS),
            Axis("function_bits", (3, 4, 5, 6, 8), ("basis_bits", "base_table_bits"), _BASIS),
            _axis("plan", (*own, *folds, *plans)),
        )
    )


def precision_sweep(model: KanModel) -> Space:
    """Bits of codes against bits of everything that functions are stored with, by realisation."""
    bits = (2, 3, 4, 5, 6, 7, 8)
    functions = ("spline_bits", "base_bits", "basis_bits", "base_table_bits")
    return Space(
        (
            _axis("realisation", _REALISATIONS),
            Axis("input_precision", bits, ("input_bits", "activation_bits")),
            Axis("function_precision", bits, functions, _BASIS),
            Axis("table_precision", bits, ("table_bits",), _EDGE),
            _axis("plan", ("unrolled" if model.active_edges <= _MOST_UNROLLED else "folded",)),
        )
    )


SWEEPS: dict[str, Callable[[KanModel], Space]] = {"precision": precision_sweep}
"""Spaces that answer one question, by name."""

SURFACES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "precision": (
        ("edge_table", "input_bits", "table_bits"),
        ("basis_table", "input_bits", "spline_bits"),
    )
}
"""Of every sweep, for each realisation the two choices that it is a surface over."""


def sweep_named(name: str, model: KanModel) -> Space:
    """The space of a sweep.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in SWEEPS:
        raise InputError(
            f"There is no sweep {name!r}{meant(name, SWEEPS) or ';'} there are {', '.join(SWEEPS)}"
        )
    return SWEEPS[name](model)




def with_training(space: Space, epochs: int) -> Space:
    """The same with every quantization after training, and with training for some epochs.

    Raises
    ------
    InputError
        If the space says epochs itself, or they are none.
    """
    if any("epochs" in axis.fields for axis in space.axes):
        raise InputError("The space says the epochs of training itself: leave train out")
    return Space((*space.axes, _axis("epochs", (0, epochs))))


def _axis(name: str, values: tuple[Value, ...]) -> Axis:
    return Axis(name, values, (name,))
