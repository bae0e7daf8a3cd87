"""What a layer's weights are multiplied with: its functions at every code, as they are deployed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.model.layer import KanLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.tables import base_tables, basis_tables
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.splines.spline_evaluator import Evaluator, evaluator_of

__all__ = ["Branches", "branches_of"]


@dataclass(frozen=True, eq=False)
class Branches:
    """Both branches of a layer: functions at every code, and the weights they are given.

    Edge tables are made of exact functions; basis tables of integers times a unit. A layer is
    ``sum_i sum_k coefficients[j,i,k] spline[i,a_i,k] + sum_i base_weights[j,i] base[i,a'_i]``, in
    the first case without symbolic edges, in the second with them among the functions.

    Parameters
    ----------
    spline
        ``[n_in, A, K]`` reals: what the codes stand for.
    base
        ``[n_in, A']`` reals.
    coefficients
        ``[n_out, n_in, K]``.
    base_weights
        ``[n_out, n_in]``.
    spline_codes, spline_unit, base_codes, base_unit
        The integers of basis tables and their units; None and 1 for edge tables.
    spline_scale, base_scale
        ``[n_in, K]`` and ``[n_in]``: what the functions were divided by and the weights multiplied
        with.
    evaluator
        What makes the functions where they are evaluated, not tabulated.
    """

    spline: FloatArray
    base: FloatArray
    coefficients: FloatArray
    base_weights: FloatArray
    spline_scale: FloatArray
    base_scale: FloatArray
    spline_codes: IntArray | None = None
    spline_unit: float = 1.0
    base_codes: IntArray | None = None
    base_unit: float = 1.0
    evaluator: Evaluator | None = None

    @property
    def shared(self) -> bool:
        """Whether all inputs have the same functions, so that one table serves them."""
        return bool((self.spline == self.spline[:1]).all())


def branches_of(
    layer: KanLayer,
    inputs: SumInputs,
    config: QuantConfig,
    spline_scale: FloatArray | None = None,
    base_scale: FloatArray | None = None,
) -> Branches:
    """A layer's functions for the codes that it reads.

    Parameters
    ----------
    layer
        Without a ``spline_norm``: the quantizers are behind it.
    inputs
        The quantizers, and the realisation that decides how functions are tabulated.
    config
        Bits of the tables.
    spline_scale, base_scale
        ``[n_in, K]`` and ``[n_in]``, positive: functions are divided by them before they are
        tabulated, and weights multiplied, which costs nothing. None is 1.
    """
    layer = replace(layer, spline_norm=None)
    if inputs.realisation == "edge_table":
        values = layer.basis(inputs.spline.grid()).transpose(1, 0, 2)
        base = layer.base_activation(inputs.base.grid()).T
        made = Branches(
            values,
            base,
            layer.coefficients,
            layer.base_weights,
            np.ones((layer.n_in, layer.basis.count)),
            np.ones(layer.n_in),
        )
        if spline_scale is None or base_scale is None:
            return made
        return replace(
            made,
            spline=made.spline / spline_scale[:, None, :],
            coefficients=made.coefficients * spline_scale,
            base=made.base / base_scale[:, None],
            base_weights=made.base_weights * base_scale,
            spline_scale=spline_scale,
            base_scale=base_scale,
        )
    if inputs.realisation == "spline_evaluator":
        if spline_scale is not None or base_scale is not None:
            raise InputError(
                f"{layer.name}: the values of a spline evaluator cannot be scaled input by input: "
                "choose method='uniform', 'gptq' or 'gptq_joint', or another realisation"
            )
        return _evaluated(layer, evaluator_of(layer, inputs.spline, inputs.base, config))
    tables = basis_tables(layer, inputs.spline, config.basis_bits, spline_scale)
    base_codes, base_unit = base_tables(layer, inputs.base, config.base_table_bits, base_scale)
    ones = np.ones(layer.n_in) if base_scale is None else base_scale
    return Branches(
        tables.tables * np.float64(tables.unit),
        base_codes * np.float64(base_unit),
        tables.coefficients,
        layer.base_weights * ones,
        np.ones((layer.n_in, tables.tables.shape[2])) if spline_scale is None else spline_scale,
        ones,
        tables.tables,
        tables.unit,
        base_codes,
        base_unit,
    )


def _evaluated(layer: KanLayer, evaluator: Evaluator) -> Branches:
    """The functions of an evaluator at every code; inputs that are alike share their memory."""
    kinds, index = evaluator.splines.kinds()
    count, curves = layer.basis.count, evaluator.base
    some = [int(np.flatnonzero(index == kind)[0]) for kind in range(len(kinds))]
    functions = np.stack([evaluator.splines.values(i, count) for i in some])
    return Branches(
        _for_inputs(functions * np.float64(evaluator.spline_unit), index),
        _for_inputs(curves.values * np.float64(evaluator.base_unit), curves.index),
        layer.coefficients,
        layer.base_weights,
        np.ones((layer.n_in, count)),
        np.ones(layer.n_in),
        _for_inputs(functions, index),
        evaluator.spline_unit,
        _for_inputs(curves.values, curves.index),
        evaluator.base_unit,
        evaluator,
    )


def _for_inputs(kinds: npt.NDArray[Any], index: IntArray) -> npt.NDArray[Any]:
    """What every input has ``[n_in, ...]``, of the distinct ``[T, ...]``; without a copy of one."""
    if len(kinds) == 1:
        return np.broadcast_to(kinds, (len(index), *kinds.shape[1:]))
    return kinds[index]
