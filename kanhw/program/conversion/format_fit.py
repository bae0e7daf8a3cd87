"""Whether formats of inputs and outputs reach what a network reads and gives."""

from __future__ import annotations

import numpy as np

from kanhw.errors import InputError
from kanhw.program.encoder import InputEncoder
from kanhw.program.program import Program

__all__ = ["fit_warnings"]

# Of its range, below which a format leaves the most of an input out.
_LITTLE = 0.5
# Fewer codes of an output than this are less than four bits.
_FEW_CODES = 16


def fit_warnings(program: Program, converted: Program) -> tuple[str, ...]:
    """What formats leave out, a line each with what to do.

    Parameters
    ----------
    program
        The network with codes of its own.
    converted
        With formats in front of it, behind it, or both.

    Raises
    ------
    InputError
        If none of an input's values is in the range that the network was calibrated for, so that
        every code would saturate.
    """
    lines = []
    if converted.conversion is not None and program.conversion is None:
        names = program.labels.inputs or range(program.n_in)
        ranges = zip(names, _ends(program.input), _ends(converted.input), strict=True)
        for name, (low, high), (first, last) in ranges:
            if last <= low or first >= high:
                raise InputError(
                    f"The format of input {name!r} holds {first:.6g} to {last:.6g}, but the "
                    f"network was calibrated for {low:.6g} to {high:.6g}: choose a format that "
                    "reaches there, in the units of the calibration data"
                )
            reached = min(high, last) - max(low, first)
            share = reached / (high - low) if high > low else 1.0
            if share < _LITTLE:
                lines.append(
                    f"the format of input {name!r} holds {first:.6g} to {last:.6g}, which is "
                    f"{100 * share:.0f} % of the {low:.6g} to {high:.6g} that the network was "
                    "calibrated for: the rest saturates"
                )
    join, before = converted.layers[-1].requantizers[0], program.layers[-1].requantizers[0]
    if join.format is None or join.scale is None:
        return tuple(lines)
    if before.format is not None or before.sum_format is None or before.scale is None:
        return tuple(lines)
    names = program.labels.outputs or range(join.n_out)
    for j, name in enumerate(names):
        step, reach = float(join.scale[j]), float(before.scale[j]) * before.sum_format.count
        if reach < _FEW_CODES * step:
            lines.append(
                f"a step of output {name!r} is {step:.3g}, and the output varies by less than "
                f"{reach:.3g}: fewer than {_FEW_CODES} codes are in use; give the format more "
                "bits behind the point"
            )
    return tuple(lines)


def _ends(encoder: InputEncoder) -> list[tuple[float, float]]:
    """The real values of the lowest and the highest code of every input."""
    lo, hi = (np.asarray(end, np.float64) for end in encoder.code_ends)
    scale = np.ones(len(lo)) if encoder.scale is None else encoder.scale
    zero = np.zeros(len(lo)) if encoder.zero_point is None else encoder.zero_point
    offset = np.zeros(len(lo)) if encoder.offset is None else encoder.offset
    low, high = scale * (lo - zero) + offset, scale * (hi - zero) + offset
    return list(zip(low.tolist(), high.tolist(), strict=True))
