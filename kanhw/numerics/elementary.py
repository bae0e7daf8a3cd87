"""Elementary functions from additions, multiplications, divisions and square roots alone.

Each is a reduction of its argument to a short interval and a power series there, summed by Horner's
rule in an order that is written down, so that every machine rounds alike. Errors are a few units
in the last place (tests/kanhw/numerics compares them with 100-digit arithmetic).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import wraps

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray

__all__ = [
    "arccos",
    "arcsin",
    "arctan",
    "arctanh",
    "cos",
    "erf",
    "exp",
    "integer_power",
    "log",
    "positive_power",
    "power_of_two",
    "sin",
    "tan",
    "tanh",
    "whole_log2",
]

Function = Callable[[FloatArray], FloatArray]

# Values worked on at a time: a dozen arrays of them stay in the processor's cache.
_BLOCK = 1 << 13


def _constant(digits: str) -> Fraction:
    return Fraction(digits)


_LN2 = _constant("0.693147180559945309417232121458176568075500134360255254120680009493393621969695")
_PI = _constant("3.141592653589793238462643383279502884197169399375105820974944592307816406286209")


def _parts(value: Fraction, bits: int, count: int) -> list[float]:
    """A number as a sum of floats of ``bits`` bits each, the largest first; the last one is full.

    A whole number of up to ``53 - bits`` bits times one of the first is exact.
    """
    parts = []
    for _ in range(count - 1):
        exponent = math.frexp(float(value))[1] - bits
        step = Fraction(2) ** exponent
        part = Fraction(math.floor(value / step)) * step
        parts.append(float(part))
        value -= part
    return [*parts, float(value)]


_LN2_PARTS = _parts(_LN2, 32, 2)
_HALF_PI_PARTS = _parts(_PI / 2, 30, 4)
_LOG2_E = float(1 / _LN2)
_HALF_PI = float(_PI / 2)
_TWO_OVER_PI = float(2 / _PI)

_EXP = [float(Fraction(1, math.factorial(n))) for n in range(2, 16)]
_SIN = [float(Fraction((-1) ** n, math.factorial(2 * n + 1))) for n in range(1, 10)]
_COS = [float(Fraction((-1) ** n, math.factorial(2 * n))) for n in range(2, 11)]
_ARCTANH = [float(Fraction(1, 2 * n + 1)) for n in range(1, 14)]
_ARCTAN = [float(Fraction((-1) ** n, 2 * n + 1)) for n in range(1, 11)]


def _in_blocks(function: Function) -> Function:
    """Apply an elementwise function of float64 ``[M]`` to an array of any shape."""

    @wraps(function)
    def blocked(x: FloatArray) -> FloatArray:
        array = np.asarray(x, np.float64)
        flat = array.ravel()
        result = np.empty_like(flat)
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, _BLOCK):
                block = slice(start, start + _BLOCK)
                result[block] = function(flat[block])
        return result.reshape(array.shape)

    return blocked


def _horner(x: FloatArray, coefficients: Sequence[float]) -> FloatArray:
    """``c_0 + c_1 x + c_2 x^2 ...``."""
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total *= x
        total += coefficient
    return total


def power_of_two(exponent: npt.ArrayLike) -> FloatArray:
    """``2**n`` of integers n, exactly; 0 and infinity beyond the range of float64."""
    result: FloatArray = np.ldexp(1.0, np.asarray(exponent, np.int64).clip(-1100, 1100))
    return result


def whole_log2(x: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """``floor(log2 x)`` of positive finite reals, exactly."""
    return np.frexp(np.asarray(x, np.float64))[1].astype(np.int64) - 1


def integer_power(x: FloatArray, exponent: int) -> FloatArray:
    """``x**n`` for n >= 1, multiplied from the left: ``((x x) x) ...``."""
    result = np.array(x, np.float64)
    for _ in range(exponent - 1):
        result = result * x
    return result


def _reduced_exp(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``exp(x) = 2^k (1 + m)``: k as floats, and m, of -0.3 to 0.42."""
    k = np.rint(x * _LOG2_E)
    r = (x - k * _LN2_PARTS[0]) - k * _LN2_PARTS[1]
    return k, r + r * r * _horner(r, _EXP)


@_in_blocks
def exp(x: FloatArray) -> FloatArray:
    """``e^x``; infinity from 709.79 on, 0 below -745.2."""
    # Beyond these ends the result is infinity or 0 already.
    k, m = _reduced_exp(np.minimum(np.maximum(x, -800.0), 800.0))
    # NaN has no exponent, and m is NaN then.
    steps = np.where(np.isnan(k), 0.0, k).astype(np.int64)
    result: FloatArray = np.ldexp(1.0 + m, steps)
    return result


@_in_blocks
def tanh(x: FloatArray) -> FloatArray:
    """The hyperbolic tangent."""
    # With t = e^(-2|x|) - 1 it is -t / (t + 2); t is exact to its last bits near 0 as well.
    k, m = _reduced_exp(np.maximum(-2.0 * np.abs(x), -80.0))
    scale = np.ldexp(1.0, np.where(np.isnan(k), 0.0, k).astype(np.int64))
    t = scale * m + (scale - 1.0)
    return np.copysign(-t / (t + 2.0), x)


@_in_blocks
def log(x: FloatArray) -> FloatArray:
    """The natural logarithm; -infinity at 0, NaN below."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    k = exponent - low.astype(np.float64)
    f = mantissa - 1.0
    s = f / (2.0 + f)
    # log(1 + f) = 2 artanh(f / (2 + f))
    series = 2.0 * s + 2.0 * s * (s * s * _horner(s * s, _ARCTANH))
    result = k * _LN2_PARTS[0] + (series + k * _LN2_PARTS[1])
    result = np.where(x == 0, -np.inf, np.where(x < 0, np.nan, result))
    return np.where(np.isposinf(x), np.inf, result)


def positive_power(x: FloatArray, exponent: float) -> FloatArray:
    """``x^r`` of positive reals x for any real r, as ``e^(r log x)``; 1 for r = 0."""
    if exponent == 0:
        return np.ones_like(np.asarray(x, np.float64))
    return exp(exponent * log(x))


def _quadrant(x: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Quarter turns, and what is left of them, of -pi/4 to pi/4.

    Exact products up to a million quarter turns; beyond, the error grows to that of x itself.
    """
    k = np.rint(x * _TWO_OVER_PI)
    r = x
    for part in _HALF_PI_PARTS:
        r = r - k * part
    turns = np.where(np.isfinite(k) & (np.abs(k) < 2.0**62), k, 0.0).astype(np.int64)
    return turns & 3, np.where(np.isfinite(x), r, np.nan)


def _sin_cos(x: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    quadrant, r = _quadrant(x)
    square = r * r
    sine = r + r * (square * _horner(square, _SIN))
    cosine = 1.0 - (0.5 * square - square * square * _horner(square, _COS))
    return quadrant, sine, cosine


@_in_blocks
def sin(x: FloatArray) -> FloatArray:
    """The sine of x in radians."""
    quadrant, sine, cosine = _sin_cos(x)
    value = np.where(quadrant & 1, cosine, sine)
    return np.where(quadrant & 2, -value, value)


@_in_blocks
def cos(x: FloatArray) -> FloatArray:
    """The cosine of x in radians."""
    quadrant, sine, cosine = _sin_cos(x)
    value = np.where(quadrant & 1, sine, cosine)
    return np.where((quadrant + 1) & 2, -value, value)


@_in_blocks
def tan(x: FloatArray) -> FloatArray:
    """The tangent of x in radians."""
    quadrant, sine, cosine = _sin_cos(x)
    return np.where(quadrant & 1, -cosine / sine, sine / cosine)


@_in_blocks
def arctan(x: FloatArray) -> FloatArray:
    """The inverse tangent, of -pi/2 to pi/2."""
    size = np.abs(x)
    inverted = size > 1.0
    t = np.where(inverted, 1.0 / np.where(inverted, size, 1.0), size)
    # arctan t = 2 arctan(t / (1 + sqrt(1 + t^2))), twice: t falls from 1 to 0.2.
    for _ in range(2):
        t = t / (1.0 + np.sqrt(1.0 + t * t))
    square = t * t
    angle = 4.0 * (t + t * (square * _horner(square, _ARCTAN)))
    return np.copysign(np.where(inverted, _HALF_PI - angle, angle), x)


@_in_blocks
def arcsin(x: FloatArray) -> FloatArray:
    """The inverse sine; NaN beyond -1 to 1."""
    return arctan(x / np.sqrt((1.0 - x) * (1.0 + x)))


@_in_blocks
def arccos(x: FloatArray) -> FloatArray:
    """The inverse cosine; NaN beyond -1 to 1."""
    return 2.0 * arctan(np.sqrt((1.0 - x) / (1.0 + x)))


@_in_blocks
def arctanh(x: FloatArray) -> FloatArray:
    """The inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond."""
    size = np.abs(x)
    small = np.minimum(size, 0.25)
    series = small + small * (small * small * _horner(small * small, _ARCTANH_WIDE))
    far = 0.5 * log((1.0 + size) / (1.0 - size))
    return np.copysign(np.where(size <= 0.25, series, far), x)


_ARCTANH_WIDE = [float(Fraction(1, 2 * n + 1)) for n in range(1, 17)]

_ROOT_PI = math.sqrt(float(_PI))
# Below it erf is a power series, above it 1 less a continued fraction.
_ERF_MIDDLE = 2.0
_ERF_TERMS, _ERF_FRACTIONS = 50, 60


@_in_blocks
def erf(x: FloatArray) -> FloatArray:
    """The error function."""
    # e^(-x^2) with the square of 24 bits, which is exact, so that the exponent loses nothing.
    size = np.minimum(np.abs(x), 6.0)
    high = size.astype(np.float32).astype(np.float64)
    bell = exp(-high * high) * exp(-(size - high) * (size + high))
    # 2 / sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (1 3 5 ... (2n+1)), by Horner's rule.
    near = np.minimum(size, _ERF_MIDDLE)
    total = np.ones_like(near)
    for n in range(_ERF_TERMS, 0, -1):
        total = 1.0 + total * (2.0 * near * near / (2.0 * n + 1.0))
    series = 2.0 / _ROOT_PI * near * total * bell
    # e^(-x^2) / sqrt(pi) / (x + 1/2 / (x + 2/2 / (x + 3/2 / ...))), from the inside.
    far = np.maximum(size, _ERF_MIDDLE)
    fraction = far
    for n in range(_ERF_FRACTIONS, 0, -1):
        fraction = far + 0.5 * n / fraction
    complement = bell / (_ROOT_PI * fraction)
    value = np.where(size < _ERF_MIDDLE, series, 1.0 - complement)
    return np.copysign(np.where(np.isnan(x), np.nan, value), x)
