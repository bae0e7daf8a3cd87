"""Choosing bits: the search, from a model and a budget to a config."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Literal, get_args

import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.quant.allocation.budget import BitBudget
from kanhw.quant.allocation.integer_program import check_solver
from kanhw.quant.allocation.options import Options
from kanhw.quant.allocation.result import Allocation
from kanhw.quant.allocation.search import Search
from kanhw.quant.analysis.held_out import HeldOut
from kanhw.quant.analysis.units import plainly
from kanhw.quant.config import QuantConfig
from kanhw.values import brief, is_integer, plain

__all__ = ["Criterion", "allocate"]

Criterion = Literal["sensitivity", "hessian"]


def allocate(
    model: KanModel,
    calibration: npt.ArrayLike,
    held_out: npt.ArrayLike,
    budget: BitBudget,
    criterion: Criterion = "sensitivity",
    labels: npt.ArrayLike | None = None,
    config: QuantConfig | None = None,
    choices: tuple[int, ...] = (2, 3, 4, 5, 6, 8),
) -> Allocation:
    """Give every branch of every layer its bits, so that the outputs change least in a budget.

    Losses of single units are measured or estimated, taken to add up, and the best choice is found
    by integer programming. The solutions are then quantized and measured, improved step by step,
    and compared with the uniform networks that fit; the best one that was measured is returned.

    Parameters
    ----------
    model
        The float model.
    calibration
        Training features.
    held_out
        Other features ``[N, *input_shape]``, by which to choose: report results on yet others.
    budget
        What the network may cost.
    criterion
        ``sensitivity`` measures every unit at every number of bits; ``hessian`` estimates that by
        HAWQ-V2's criterion and needs PyTorch. With ``sensitivity``, solutions of both are tried
        where PyTorch is installed.
    labels
        Classes ``[N]`` of the held-out data: among networks of the same loss to a percent, the more
        accurate one is taken, and where even the best loss is above 1/2, the most accurate one of
        no more loss than the most accurate uniform network. None goes by the loss alone.
    config
        How to quantize. Where its ``realisation`` is ``auto``, both are tried, layer by layer. Its
        own bits do not matter, except ``input_bits``: where they are given they stay. The method
        ``auto`` is ``uniform``.
    choices
        Bits that a unit may have. Edge tables may have three more as well. Weights of edge tables
        cost nothing and get the most.

    Raises
    ------
    InputError
        If the budget is less than the cheapest network costs, or the data do not fit the model.
    ToolNotFound
        If scipy is not installed, or the criterion needs PyTorch and that is not.
    """
    if criterion not in get_args(Criterion):
        raise InputError(
            f"criterion must be one of {', '.join(get_args(Criterion))}, not {criterion!r}"
        )
    asked = plainly(config or QuantConfig())
    asked.check_one_width("an allocation of bits")
    check_solver()
    data = HeldOut.of(model, held_out, labels)
    options = Options(model, calibration, data, budget, asked, _checked(choices))
    search = Search(options, asked)
    search.try_uniform()
    search.try_model(criterion, options.losses(criterion))
    if criterion == "sensitivity" and _has_torch():
        search.try_model("hessian", options.losses("hessian"))
    search.refine()
    return search.result()


def _checked(choices: Iterable[int]) -> tuple[int, ...]:
    values = tuple(map(plain, choices))
    for bits in values:
        if not is_integer(bits):
            raise TypeError(f"choices must be integers, not {brief(bits)}")
        if not 1 <= bits <= 12:
            raise InputError(f"choices must be 1 to 12 bits, not {bits}")
    if not values:
        raise InputError("choices must name at least one number of bits, such as (2, 3, 4, 6, 8)")
    return tuple(sorted(set(values)))


def _has_torch() -> bool:
    return find_spec("torch") is not None
