"""Costs of a quantized network, whatever its schedule: storage, work, rough LUTs and energy."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["NetworkCosts"]


@dataclass(frozen=True, kw_only=True)
class NetworkCosts:
    """Costs of a network or a layer, counted from its integers; add them up with ``+``.

    They are for comparing choices: LUTs and energy are models, not measurements.

    Parameters
    ----------
    parameter_bits
        Tables, weights, codebooks (shapes, indices, gains, biases), multipliers and biases, to the
        bit. Each tensor has the narrowest width that holds its integers, equal tables are stored
        once, what belongs to an edge counts for edges that are not zero, and a bias or multiplier
        that all outputs share counts once.
    memory_bits
        The same where parameters lie in block RAM that is addressed by edge and output: absent
        edges are stored too, and biases and multipliers for every output.
    multiplications
        Of an inference: weights that are not 0 times their tables' values, gains, and the
        multipliers behind the sums. Those that are 1 everywhere do not exist.
    bit_operations
        Sum over the multiplications of the bits of one factor times those of the other. Additions
        and look-ups have none.
    additions
        Of an inference: one for every product, look-up or bias that goes into a sum.
    look_ups
        Table entries that are read in an inference.
    unrolled_luts
        Six-input LUTs where every edge has its own hardware, roughly. (What a design takes under a
        schedule is another model: :func:`kanhw.schedule_for`.)
    operation_energy_45nm_pj
        Picojoule of an inference's operations and reads of parameters, one by one, each from a
        small memory: Horowitz's figures of 2014 for 45 nm, scaled by bits. No FPGA is meant.
    """

    parameter_bits: int = 0
    memory_bits: int = 0
    multiplications: int = 0
    bit_operations: int = 0
    additions: int = 0
    look_ups: int = 0
    unrolled_luts: float = 0.0
    operation_energy_45nm_pj: float = 0.0

    def __add__(self, other: NetworkCosts) -> NetworkCosts:
        names = [field.name for field in fields(self)]
        return NetworkCosts(**{name: getattr(self, name) + getattr(other, name) for name in names})
