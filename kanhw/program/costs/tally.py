"""Adding up what a layer stores and does."""

from __future__ import annotations

from typing import Protocol

from kanhw.formats import IntArray
from kanhw.program.costs.network_costs import NetworkCosts

__all__ = ["Join", "Tally"]

# Picojoule in 45 nm at 0.9 V: M. Horowitz, "Computing's energy problem (and what we can do about
# it)", ISSCC 2014. An 8-bit addition is 0.03 and an 8-bit multiplication 0.2; additions are scaled
# linearly with their bits, multiplications with the product of theirs (which gives 0.12 and 3.2 at
# 32 bits, where the paper has 0.1 and 3.1). Reading 64 bits of a small SRAM is 10.
_ADD_ENERGY = 0.03 / 8
_MULTIPLY_ENERGY = 0.2 / 64
_READ_ENERGY = 10.0 / 64


class Join(Protocol):
    """A requantizer, or what becomes one."""

    @property
    def multipliers(self) -> IntArray:
        """``[branches, n_out]``."""

    @property
    def bias(self) -> IntArray:
        """``[n_out]``."""


class Tally:
    """Adds up; ``times`` is how often a layer is used in an inference (the windows of an image)."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.parameter_bits = self.memory_bits = 0
        self.multiplications = self.bit_operations = self.additions = self.look_ups = 0
        self.addition_bits = self.read_bits = 0
        self.unrolled_luts = 0.0
        # Bits of every accumulator, which the multipliers behind them meet.
        self.accumulators: list[int] = []

    def store(self, bits: int, folded: int | None = None) -> None:
        """Bits of parameters; ``folded`` where they lie in block RAM, if these are others."""
        self.parameter_bits += bits
        self.memory_bits += bits if folded is None else folded

    def multiply(self, count: int, first: int, second: int) -> None:
        """Products of ``first`` by ``second`` bits."""
        if first and second:
            self.multiplications += count
            self.bit_operations += count * first * second

    def add(self, count: int, width: int) -> None:
        """Additions of ``width`` bits."""
        if width:
            self.additions += count
            self.addition_bits += count * width

    def read(self, count: int, width: int) -> None:
        """Reads of ``width`` bits of parameters."""
        self.read_bits += count * width

    def look_up(self, count: int, width: int) -> None:
        """Reads of table entries of ``width`` bits."""
        if width:
            self.look_ups += count
            self.read(count, width)

    def costs(self) -> NetworkCosts:
        """What was counted, of a whole inference."""
        energy = _MULTIPLY_ENERGY * self.bit_operations + _ADD_ENERGY * self.addition_bits
        energy += _READ_ENERGY * self.read_bits
        return NetworkCosts(
            parameter_bits=self.parameter_bits,
            memory_bits=self.memory_bits,
            multiplications=self.multiplications * self.times,
            bit_operations=self.bit_operations * self.times,
            additions=self.additions * self.times,
            look_ups=self.look_ups * self.times,
            unrolled_luts=self.unrolled_luts,
            operation_energy_45nm_pj=energy * self.times,
        )
