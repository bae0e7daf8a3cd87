"""What every rule for activations has in common: it ends affine, and trains what is deployed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.errors import TrainingDiverged
from kanhw.formats import CodeFormat, FloatArray, IntArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.straight_through import straight_through
from kanhw.quant.training.rules.units import learning_units

__all__ = [
    "SMALLEST_SHARE",
    "ActivationRule",
    "IntervalRule",
    "at_least_a_share",
    "learned_gradient_scale",
    "one_bit_side",
]

# A step or width never becomes smaller than this share of what it started with.
SMALLEST_SHARE = 1e-3
# Roundings of a sum that may add up, each of the size of the range of codes.
_ROUNDINGS = 8


class ActivationRule(nn.Module, ABC):
    """What maps activations to codes while a network trains.

    Parameters
    ----------
    start
        The quantizer that calibration chose; it has the number of bits, and what the consumer
        applies.
    values
        ``[N, n]`` observed reals, for the initialisation.

    Attributes
    ----------
    format
        Of the codes.
    per_feature
        Whether there are several scales: of every feature, or of groups of them.
    unit
        ``[1]`` or one for every scale: what learned steps and places are kept in.
    """

    unit: Tensor
    group: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__()
        self.start = start
        self.format = self.wanted_format(start, values)
        self.features = len(start.scale)
        # Of the features of a group the first one stands for all.
        group = _groups(start)
        self.firsts: IntArray = np.unique(group, return_index=True)[1]
        self.per_feature = len(self.firsts) > 1
        self.register_buffer("group", torch.tensor(group), persistent=False)
        self.register_buffer("unit", learning_units(self.narrow(start.scale)), persistent=False)

    @staticmethod
    def wanted_format(start: ActivationQuantizer, values: FloatArray) -> CodeFormat:
        """The format of the codes: the calibrated one, or another of as many bits."""
        return start.format

    @abstractmethod
    def affine(self) -> tuple[Tensor, Tensor]:
        """Scale and integer zero point, ``[1]`` or ``[n]`` each, gradients attached."""

    @abstractmethod
    def real(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        """Reals ``[N, n]`` with the gradient of what the codes of ``x`` stand for."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Table addresses ``[N, n]`` (int64) and the reals that they stand for.

        Raises
        ------
        TrainingDiverged
            If a value is NaN.
        """
        scale, zero_point = self.affine()
        soft = self.real(x, scale, zero_point)
        with torch.no_grad():
            # Sums of edge tables often lie exactly between two codes. The hardware rounds them up;
            # here, division may have left them just below, so what is that close is a half.
            half = 0.5 + torch.finfo(x.dtype).eps * _ROUNDINGS * self.format.count
            codes = torch.floor(x / scale + half) + zero_point
            codes = codes.clamp(self.format.lo, self.format.hi)
            if bool(codes.isnan().any()):
                # No table has an entry for it, and a loss would not show it.
                raise TrainingDiverged(
                    "A value in front of a quantizer is NaN: the features hold NaN, or training "
                    "has diverged; use a smaller learning_rate, more bits or another rule"
                )
            # Not what a rule computes in another order of rounding: exactly what is deployed.
            real = (codes - zero_point) * scale
        return (codes - self.format.lo).long(), straight_through(real, soft)

    def frozen(self) -> ActivationQuantizer:
        """The quantizer as it is now, for one code per feature."""
        with torch.no_grad():
            scale, zero_point = self.affine()
        scales = scale.double().cpu().numpy().reshape(-1)
        origins: IntArray = zero_point.cpu().numpy().reshape(-1).astype(np.int64)
        if not self.per_feature:
            scales, origins = scales.repeat(self.features), origins.repeat(self.features)
        return replace(
            self.start, format=self.format, scale=scales, zero_point=origins, lo=None, hi=None
        )

    def narrow(self, array: npt.NDArray[np.generic]) -> Tensor:
        """An entry for every scale of ``[n]``, in PyTorch's default type."""
        return torch.tensor(array[self.firsts], dtype=torch.get_default_dtype())

    def broad(self, entries: Tensor) -> Tensor:
        """An entry for every feature, or ``[1]`` where all share one; of one for every scale."""
        if len(self.firsts) in (1, self.features):
            return entries
        return entries.index_select(0, self.group)

    def mean_magnitudes(self, values: FloatArray) -> FloatArray:
        """The mean magnitude of ``[N, n]`` reals that share a scale, ``[n]``."""
        sizes = np.abs(values)
        if not self.per_feature:
            return np.full(self.features, sizes.mean())
        own = sizes.mean(axis=0)
        group = self.group.numpy()
        means: FloatArray = (np.bincount(group, own) / np.bincount(group))[group]
        return means

    def gradient_scale(self, x: Tensor) -> float:
        """``1 / sqrt(N Q_p)`` for the N values of ``x`` that share a scale (LSQ, 2.2)."""
        return learned_gradient_scale(x, self.unit, self.format.hi)


class IntervalRule(ActivationRule):
    """A rule that says what its lowest code stands for, and how far it is to the next.

    The lowest real is snapped to a whole number of steps (its gradient is not), which makes it an
    integer zero point. Rules differ in what they learn, where that starts, and in their gradients.

    Attributes
    ----------
    without_offset
        Whether zero points stay 0: calibration made the range symmetric, or nothing is negative
        and the range starts at 0. (Products of codes rely on it.)
    """

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        one_sided = start.format.signed or not bool((values < 0).any())
        self.without_offset = one_sided and not bool(start.zero_point.any())

    @staticmethod
    def wanted_format(start: ActivationQuantizer, values: FloatArray) -> CodeFormat:
        """The calibrated one, a single signed bit aside."""
        return one_bit_side(start.format, values)

    @abstractmethod
    def interval(self) -> tuple[Tensor, Tensor]:
        """What the lowest code stands for, before snapping, and the step; one for every scale."""

    @abstractmethod
    def soft(self, x: Tensor, low: Tensor, step: Tensor) -> Tensor:
        """Reals ``[N, n]`` that have the rule's gradient; their values do not matter.

        Parameters
        ----------
        x
            ``[N, n]`` reals.
        low, step
            The interval, snapped, with gradients.
        """

    def affine(self) -> tuple[Tensor, Tensor]:
        """The step, and the lowest real as a number of steps."""
        low, step = map(self.broad, self.interval())
        with torch.no_grad():
            return step, self.format.lo - torch.floor(low / step + 0.5)

    def real(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        """The soft value for the snapped interval."""
        low, step = map(self.broad, self.interval())
        snapped = (self.format.lo - zero_point) * step
        return self.soft(x, straight_through(snapped, low), step)

    @property
    def steps(self) -> int:
        """Steps from the lowest code to the highest one."""
        return self.format.count - 1

    def started_low(self) -> FloatArray:
        """What the lowest code stands for after calibration, ``[n]``."""
        lows: FloatArray = (self.start.format.lo - self.start.zero_point) * self.start.scale
        return lows


def _groups(start: ActivationQuantizer) -> IntArray:
    """Which features share a scale, as the quantizer says or its scales are; in order, from 0."""
    if start.groups is not None:
        firsts, group = np.unique(start.groups, return_index=True, return_inverse=True)[1:]
        # A group's number is its place among the first features of all.
        return np.argsort(np.argsort(firsts))[group]
    scale, origin = start.scale, start.zero_point
    alike = (scale == scale[0]).all() and (origin == origin[0]).all()
    return np.zeros(len(scale), np.int64) if alike else np.arange(len(scale))


def one_bit_side(format: CodeFormat, values: FloatArray) -> CodeFormat:
    """A single bit without a zero point reaches to one side of zero: where the values weigh more.

    Otherwise a signed bit, which is -1 or 0, would delete mostly positive values.
    """
    if format.width > 1 or not format.signed:
        return format
    return CodeFormat(1, bool(values.sum() < 0))


def at_least_a_share(value: Tensor, first: Tensor) -> Tensor:
    """A learned step or width, kept from collapsing or turning round.

    Its gradient goes on below the floor, so that it can come back.
    """
    return straight_through(torch.maximum(value, first * SMALLEST_SHARE), value)


def learned_gradient_scale(x: Tensor, scale: Tensor, top: int) -> float:
    """``1 / sqrt(N Q_p)`` for the N values that share a step, and the top code (LSQ, 2.2)."""
    shared = x.numel() / max(scale.numel(), 1)
    return float(1.0 / np.sqrt(max(shared * max(top, 1), 1.0)))
