"""Any layer that is a sum of functions of one input each, by sampling those functions."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.arrays import frozen_array
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.numerics import indistinct
from kanhw.values import is_integer

__all__ = ["from_callable"]

# How far beyond its range an edge takes to fade to 0, in widths of the range: so far that within
# ten widths it moves by 1e-5 of its value, which is less than what float32 layers tell.
_HELD = float(1 << 20)
# Points at which additivity is checked, and rows given to the layer at a time.
_CHECKS, _ROWS = 512, 1 << 12


def from_callable(
    function: Any,
    n_in: int,
    n_out: int,
    *,
    ranges: npt.ArrayLike,
    samples: int = 257,
    tolerance: float = 1e-3,
    name: str = "layer",
    seed: int = 0,
) -> KanModel:
    """Sample a layer whose library kanhw does not know.

    The layer must be a sum of functions of one input each, plus constants: no normalisation across
    features inside, no products of inputs. Every edge is sampled by moving one input at a time,
    becomes straight lines between the samples, and is checked on random inputs.

    Beyond its range every edge keeps the value that it has at the end of the range, whatever the
    layer would do there: choose ranges that hold all inputs, or hardware will saturate earlier than
    the layer. (Far out the value fades: by 1e-6 of it per width of the range.)

    Networks are sampled layer by layer: ``KanModel(first.layers + second.layers)``.

    Parameters
    ----------
    function
        A torch module (evaluated as in ``eval()``, on its own device and in its own precision), or
        a function of numpy arrays; ``[N, n_in]`` to ``[N, n_out]``.
    n_in, n_out
        Inputs and outputs.
    ranges
        ``[n_in, 2]``, lowest and highest value of each input; or one pair for all.
    samples
        Points per edge, at least 2, evenly spaced over the range, ends included.
    tolerance
        Largest error allowed on random inputs, as a share of the range of all outputs seen.
    name
        Of the layer, for messages and reports.
    seed
        Of the random inputs.

    Returns
    -------
    KanModel
        One layer, B-splines of order 1.

    Raises
    ------
    InputError
        If the layer gives NaN, infinity or another shape, its outputs are not such sums, they
        depend on the other samples of a batch, or the samples are too few; or an argument is out of
        its range.
    TypeError
        If ``function`` cannot be called, or a size is not an integer.
    """
    if not callable(function):
        raise TypeError(f"from_callable needs a module or a function, not {function!r}")
    for what, value, least in (("n_in", n_in, 1), ("n_out", n_out, 1), ("samples", samples, 2)):
        _check_integer(what, value, least)
    if not tolerance > 0:
        raise InputError(f"tolerance must be positive, not {tolerance}")
    ends = _checked_ranges(ranges, n_in)
    points = np.linspace(ends[:, 0], ends[:, 1], samples, axis=1)
    with _evaluator(function, n_out, name) as evaluate:
        model = KanModel((_sampled(evaluate, points, n_out, name),), f"sampled from {name}")
        try:
            _check(evaluate, model, points, tolerance, np.random.default_rng(seed), name)
        except InputError as error:
            raise _rounding(function, name) or error from None
    return model


def _rounding(function: Any, name: str) -> InputError | None:
    """The error of a module that rounds so coarsely that no sum of functions would fit."""
    parameters = getattr(function, "parameters", None)
    kinds = {str(each.dtype) for each in parameters()} if callable(parameters) else set()
    coarse = kinds & {"torch.bfloat16", "torch.float16"}
    if not coarse:
        return None
    kind = coarse.pop().removeprefix("torch.")
    return InputError(
        f"{name} computes in {kind}, whose rounding alone is beyond the tolerance: pass it as "
        "module.float(), or raise the tolerance"
    )


_Evaluate = Callable[[FloatArray], FloatArray]


def _sampled(evaluate: _Evaluate, points: FloatArray, n_out: int, name: str) -> KanLayer:
    """The layer whose edges go through their values at ``points`` [n_in, S]."""
    n_in, samples = points.shape
    centre = points[:, samples // 2]
    bias = evaluate(centre[np.newaxis])[0]
    coefficients = np.empty((n_out, n_in, samples))
    for i in range(n_in):
        rows = np.repeat(centre[np.newaxis], samples, axis=0)
        rows[:, i] = points[i]
        coefficients[:, i] = (evaluate(rows) - bias).T
    reach = _HELD * (points[:, -1:] - points[:, :1])
    knots = np.concatenate([points[:, :1] - reach, points, points[:, -1:] + reach], axis=1)
    return KanLayer(
        basis=BSplineBasis(knots, 1),
        coefficients=coefficients,
        base_weights=np.zeros((n_out, n_in)),
        base_activation=Activation("zero"),
        bias=bias,
        name=name,
    )


def _check(
    evaluate: _Evaluate,
    model: KanModel,
    points: FloatArray,
    tolerance: float,
    rng: np.random.Generator,
    name: str,
) -> None:
    n_in, samples = points.shape
    # At sampled points straight lines make no error: what is left is not a sum of edges.
    on_points = points[np.arange(n_in), rng.integers(0, samples, (_CHECKS, n_in))]
    expected = evaluate(on_points)
    alone = evaluate(on_points[:7])
    ends = float(expected.min()), float(expected.max())
    # Of a constant, its size: what its last bits spread over says nothing.
    scale = (max(map(abs, ends)) if indistinct(*ends) else ends[1] - ends[0]) or 1.0
    if np.abs(alone - expected[:7]).max() > tolerance * scale:
        raise InputError(
            f"{name}: its output for a sample depends on the other samples of the batch, so it is "
            f"no function that hardware could compute: freeze its statistics first"
        )
    error = float(np.abs(model(on_points) - expected).max()) / scale
    if error > tolerance:
        raise InputError(
            f"{name} is no sum of functions of one input each: such a sum misses it by "
            f"{error:.2g} of its range on random inputs. A normalisation across features, or a "
            f"product of inputs, cannot be sampled: give the layer without it"
        )
    between = rng.uniform(points[:, 0], points[:, -1], (_CHECKS, n_in))
    error = float(np.abs(model(between) - evaluate(between)).max()) / scale
    if error > tolerance:
        raise InputError(
            f"{name}: straight lines between {samples} samples miss it by {error:.2g} of its "
            f"range, more than the tolerance {tolerance:g}: use more samples, narrower ranges, or "
            f"a higher tolerance"
        )


@contextlib.contextmanager
def _evaluator(function: Any, n_out: int, name: str) -> Iterator[_Evaluate]:
    """How to evaluate a module or function on rows, some at a time, with all answers checked."""
    torch = sys.modules.get("torch")  # a module of torch has imported it
    if torch is None or not isinstance(function, torch.nn.Module):
        yield lambda x: _in_parts(function, x, n_out, name)
        return
    tensors = [*function.parameters(), *function.buffers()]
    like = next((each for each in tensors if each.is_floating_point()), torch.zeros(()))
    training = [module for module in function.modules() if module.training]

    def call(x: FloatArray) -> Any:
        with torch.no_grad():
            y = function(torch.as_tensor(x, dtype=like.dtype, device=like.device))
        return y.double().cpu().numpy() if isinstance(y, torch.Tensor) else y

    function.eval()
    try:
        yield lambda x: _in_parts(call, x, n_out, name)
    finally:
        for module in training:
            module.training = True


def _in_parts(call: Any, x: FloatArray, n_out: int, name: str) -> FloatArray:
    starts = range(0, len(x), _ROWS)
    return np.concatenate([_answers(call, x[s : s + _ROWS], n_out, name) for s in starts])


def _answers(call: Any, x: FloatArray, n_out: int, name: str) -> FloatArray:
    # A copy, because the function may write into what it is given.
    y = np.asarray(call(x.copy()))
    if y.shape != (len(x), n_out) or y.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must make real numbers [N, {n_out}] of [N, {x.shape[1]}], but made "
            f"{y.dtype} {list(y.shape)} of {list(x.shape)}"
        )
    bad = np.argwhere(~np.isfinite(y))
    if len(bad):
        row, j = (int(place) for place in bad[0])
        shown = np.array2string(x[row], precision=6, threshold=8)
        raise InputError(
            f"{name}: output {j} is {y[row, j]} at the input {shown}: choose ranges in which it is "
            f"finite"
        )
    return y.astype(np.float64)


def _checked_ranges(ranges: npt.ArrayLike, n_in: int) -> FloatArray:
    ends = np.asarray(ranges)
    if ends.shape == (2,):
        ends = np.repeat(ends[np.newaxis], n_in, axis=0)
    ends = frozen_array(ends, "ranges", ("n_in", "2"))
    if ends.shape != (n_in, 2):
        raise InputError(
            f"ranges must be [{n_in}, 2], the lowest and highest value of each input, or one pair, "
            f"not {list(ends.shape)}"
        )
    wrong = np.flatnonzero(ends[:, 0] >= ends[:, 1])
    if len(wrong):
        i = int(wrong[0])
        raise InputError(
            f"The range of input {i} must rise, not go from {ends[i, 0]:g} to {ends[i, 1]:g}"
        )
    return ends


def _check_integer(name: str, value: object, least: int) -> None:
    if not is_integer(value):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < least:
        raise InputError(f"{name} must be at least {least}, not {value}")
