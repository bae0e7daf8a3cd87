"""What figures of a quantization are likely to mean, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from kanhw.measures.features import FeatureUse
from kanhw.measures.outputs import OutputError, TargetError
from kanhw.program import Labels

__all__ = [
    "FEW_CODES",
    "FEW_SAMPLES",
    "LARGE_ERROR",
    "MUCH_FARTHER",
    "MUCH_OUTSIDE",
    "advice",
]

# Fewer codes in use than this are less than four bits.
FEW_CODES = 16
# Fewer samples say little of the ranges that the network will see.
FEW_SAMPLES = 100
# Share of the inputs outside of the grid from which it is worth a look.
MUCH_OUTSIDE = 0.01
# RMS error over the standard deviation of an output from which answers suffer.
LARGE_ERROR = 0.05
# Of the float model's RMS distance from targets: what is so much farther is worth a word.
MUCH_FARTHER = 0.05
# A float model that is nearer to y, in standard deviations, made y: a ratio to it says nothing.
_OWN_OUTPUT = 1e-3
# As many are named in one line.
_NAMED = 5

Names = Sequence[str] | None


def advice(
    samples: int,
    errors: Sequence[OutputError],
    features: Sequence[FeatureUse],
    against: Sequence[TargetError] = (),
    *,
    labels: Labels | None = None,
    image: bool = False,
) -> tuple[str, ...]:
    """Warnings, one line each, with what to do.

    Parameters
    ----------
    samples, errors, features, against
        What was measured; the last against targets, where there are any.
    labels
        Names of inputs and outputs; None for their numbers.
    image
        Whether the features are pixels that share their functions: of those some may well be
        constant.
    """
    names = labels or Labels()
    found = (
        _few_samples(samples),
        "" if image else _constant(features, names.inputs),
        _few_codes(features, names.inputs),
        _much_outside(features, names.inputs),
        _large_errors(errors, names.outputs) or _farther(against, errors, names.outputs),
    )
    return tuple(line for line in found if line)


def _few_samples(samples: int) -> str:
    if samples >= FEW_SAMPLES:
        return ""
    count = f"{samples} {'sample' if samples == 1 else 'samples'}"
    return (
        f"only {count}: ranges and figures are guesses; "
        f"give at least {FEW_SAMPLES}, best all of the training data"
    )


def _constant(features: Sequence[FeatureUse], names: Names) -> str:
    found = [use.feature for use in features if use.constant and use.read]
    if not found:
        return ""
    return (
        f"{_named('feature', found, names)} never {'change' if len(found) > 1 else 'changes'} "
        "in the data: give data in which every feature varies, or train without it"
    )


def _few_codes(features: Sequence[FeatureUse], names: Names) -> str:
    # A feature of few values, or of few bits, cannot use more.
    found = [
        use
        for use in features
        if use.read
        and not use.constant
        and use.available > FEW_CODES
        and use.codes < min(FEW_CODES, use.values)
    ]
    if not found:
        return ""
    least = min(found, key=lambda use: use.codes)
    those = _named("feature", [use.feature for use in found], names)
    return (
        f"{those} {'use' if len(found) > 1 else 'uses'} few codes "
        f"({_named('feature', [least.feature], names)}: "
        f"{least.codes} of {least.available}): look for outliers in the data, give the "
        "feature a scale of its own (input_granularity=channel), or raise input_bits"
    )


def _much_outside(features: Sequence[FeatureUse], names: Names) -> str:
    shares = [use.outside for use in features if use.outside is not None]
    if not shares or sum(shares) / len(shares) <= MUCH_OUTSIDE:
        return ""
    worst = max((use for use in features if use.outside), key=lambda use: use.outside or 0.0)
    return (
        f"{100 * sum(shares) / len(shares):.2g} % of the inputs lie outside of the "
        f"first layer's grid, most of {_named('feature', [worst.feature], names)} "
        f"({100 * (worst.outside or 0):.2g} %), where splines fade to 0: "
        "scale features as for the training, or train with a wider grid"
    )


def _large_errors(errors: Sequence[OutputError], names: Names) -> str:
    found = [error for error in errors if (error.rms_of_deviation or 0.0) > LARGE_ERROR]
    if not found:
        return ""
    worst = max(found, key=lambda error: error.rms_of_deviation or 0.0)
    those = _named("output", [error.output for error in found], names)
    return (
        f"{those} {'have' if len(found) > 1 else 'has'} an RMS error above {100 * LARGE_ERROR:g} % "
        f"of the standard deviation ({_named('output', [worst.output], names)}: "
        f"{100 * (worst.rms_of_deviation or 0.0):.3g} %): raise input_bits first, then "
        "activation_bits, then spline_bits and base_bits"
    )


def _farther(
    against: Sequence[TargetError], errors: Sequence[OutputError], names: Names
) -> str:
    least = {error.output: _OWN_OUTPUT * error.deviation for error in errors}
    found = [
        own
        for own in against
        if own.rms > (1 + MUCH_FARTHER) * own.float_rms and own.float_rms > least[own.output]
    ]
    if not found:
        return ""
    worst = max(found, key=lambda own: own.rms / own.float_rms)
    those = _named("output", [own.output for own in found], names)
    return (
        f"{those} {'are' if len(found) > 1 else 'is'} farther from y than the float model's "
        f"({_named('output', [worst.output], names)}: {worst.rms / worst.float_rms:.2f} times as "
        "far in RMS): raise input_bits and activation_bits, or train with the rounding "
        "(kanhw train)"
    )


def _named(what: str, numbers: Sequence[int], names: Names) -> str:
    """``feature 3``, or ``features 3, 5 and 7 more``; by their names where they have some."""
    texts = [names[k] if names else str(k) for k in numbers]
    if len(numbers) == 1:
        return f"{what} {texts[0]}"
    shown = ", ".join(texts[:_NAMED])
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return f"{what}s {shown}{more}"
