"""The quantizers that a layer reads."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.quant.quantizers.quantizer import ActivationQuantizer

__all__ = ["SumInputs"]


@dataclass(frozen=True)
class SumInputs:
    """The quantizers in front of a layer: one for both branches, or the spline's and the base's."""

    quantizers: tuple[ActivationQuantizer, ...]
    realisation: str

    @property
    def spline(self) -> ActivationQuantizer:
        """In front of the basis."""
        return self.quantizers[0]

    @property
    def base(self) -> ActivationQuantizer:
        """In front of the base activation."""
        return self.quantizers[-1]
