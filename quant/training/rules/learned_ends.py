"""Activations whose range has learned ends: what PACT and DSQ share."""

from __future__ import annotations

from torch import Tensor, nn

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.rules.activation_rule import IntervalRule, at_least_a_share

__all__ = ["LearnedEnds"]


class LearnedEnds(IntervalRule):
    """The lowest and the highest code stand for learned reals, started at the calibrated range.

    Where zero points stay 0, one end is learned and the other follows: ``low = 0``, or about
    ``low = -high`` with signed codes.
    """

    first: Tensor

    def __init__(self, start: ActivationQuantizer, values: FloatArray) -> None:
        super().__init__(start, values)
        width = self.narrow(start.scale * self.steps)
        self.low: nn.Parameter | None = None
        if self.without_offset:
            width = high = self.narrow(start.scale * max(self.format.hi, 1))
        else:
            self.low = nn.Parameter(self.narrow(self.started_low()))
            high = self.low.detach() + width
        self.high = nn.Parameter(high)
        self.register_buffer("first", width.clone())

    def interval(self) -> tuple[Tensor, Tensor]:
        """The low end, and a share of the distance to the high one."""
        if self.low is None:
            step = at_least_a_share(self.high, self.first) / max(self.format.hi, 1)
            return self.format.lo * step, step
        return self.low, at_least_a_share(self.high - self.low, self.first) / self.steps
