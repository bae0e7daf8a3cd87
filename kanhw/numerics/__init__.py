"""Arithmetic in float64 that gives the same bits on every machine.

What a Program is made of must not hang on the processor. Sums, differences, products, quotients
and square roots of float64 are the same everywhere, since IEEE 754 says how they round; so are the
elementwise numpy functions that are one of these, comparisons, and ``sum`` and ``mean``, whose
order of addition depends on the shape alone. Not the same are numpy's exp, tanh, sine and power
(each vector unit and each C library has its own), and whatever goes through BLAS or LAPACK (each
processor's kernel, and each number of threads, adds in an order of its own).

:mod:`~kanhw.numerics.elementary` and :mod:`~kanhw.numerics.linear` take their place; a test keeps
the others out of everything between a checkpoint and a Program (tests/kanhw/numerics).
"""

from kanhw.numerics.elementary import (
    arccos,
    arcsin,
    arctan,
    arctanh,
    cos,
    erf,
    exp,
    integer_power,
    log,
    positive_power,
    power_of_two,
    sin,
    tan,
    tanh,
    whole_log2,
)
from kanhw.numerics.linear import cholesky, gram, matmul
from kanhw.numerics.tolerance import indistinct

__all__ = [
    "arccos",
    "arcsin",
    "arctan",
    "arctanh",
    "cholesky",
    "cos",
    "erf",
    "exp",
    "gram",
    "indistinct",
    "integer_power",
    "log",
    "matmul",
    "positive_power",
    "power_of_two",
    "sin",
    "tan",
    "tanh",
    "whole_log2",
]
