"""How much a network's outputs change when one branch of one layer has few bits.

A change is measured in the mean squared difference from the float outputs, over their variance: 0
is no change, 1 is as bad as handing out the mean. No labels are needed for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.quant.analysis.held_out import HeldOut
from kanhw.quant.analysis.sensitivities import Sensitivity, SensitivityRow
from kanhw.quant.analysis.units import BRANCHES, pinned, plainly, units_of, with_bits, with_rest
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.post_training import quantize_model
from kanhw.values import brief, is_integer, plain

__all__ = ["measure", "sensitivity"]


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
