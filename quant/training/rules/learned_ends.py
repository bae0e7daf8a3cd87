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
            low = self.narrow(self.started_low())
            self.low, high = nn.Parameter(low / self.unit), low + width
        self.high = nn.Parameter(high / self.unit)
        self.register_buffer("first", width.clone())

    def interval(self) -> tuple[Tensor, Tensor]:
        """The low end, and a share of the distance to the high one."""
        high = self.high * self.unit
        if self.low is None:
            step = at_least_a_share(high, self.first) / max(self.format.hi, 1)
            return self.format.lo * step, step
        low = self.low * self.unit
        return low, at_least_a_share(high - low, self.first) / self.steps
