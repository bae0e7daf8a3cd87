"""What a step wants in front of it, and what it is given to choose that by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.steps import Step, SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.sum_inputs import SumInputs

__all__ = ["Consumer", "ReadValue"]


@dataclass(frozen=True)
class Consumer:
    """What a step wants in front of it.

    Parameters
    ----------
    streams
        The quantizers of the streams that it is given, in order.
    made
        Those of them that the step before has to make; the others are passed on by it.
    realisation
        Of a layer's edges; empty for a step that has none.
    """

    streams: tuple[ActivationQuantizer, ...]
    made: int
    realisation: str = ""

    @property
    def wanted(self) -> tuple[ActivationQuantizer, ...]:
        """What the step before has to make."""
        return self.streams[: self.made]

    @property
    def split(self) -> bool:
        """Whether a norm before it has passed one of the codes on."""
        return self.made < len(self.streams)

    def sum_inputs(self, step: SumStep) -> SumInputs:
        """What a layer reads; every tap of a window with the image's one quantizer."""
        quantizers = self.streams
        if step.window is not None:
            quantizers = tuple(q.cut_to(step.window.taps) for q in quantizers)
        return SumInputs(quantizers, self.realisation)


@dataclass(frozen=True)
class ReadValue:
    """The value in front of a step, for which quantizers are wanted.

    Parameters
    ----------
    value
        ``[N, n]`` reals that were seen there.
    bits
        Of its codes, or of those of every value.
    config
        What was asked for.
    first
        Whether it is the network's input.
    passed
        The quantizer that a norm in front of the step passes on; None where there is no such norm.
    """

    value: FloatArray
    bits: int | Sequence[int]
    config: QuantConfig
    first: bool
    passed: ActivationQuantizer | None

    def one_width(self, step: Step) -> int:
        """The bits of all values.

        Raises
        ------
        InputError
            If every value has its own: those are for layers with a table, or a basis, for each.
        """
        if not isinstance(self.bits, int):
            raise InputError(
                f"{step.name}: the codes in front of it share one step, so their bits must be one "
                "integer, the same for all values"
            )
        return self.bits
