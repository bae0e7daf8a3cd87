"""Points of the basis-evaluation tax: a layer at some bits, by part and over a linear layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.estimates.layer_tax import (
    Bits,
    Energy,
    LayerCosts,
    Networks,
    measured,
)
from kanhw.errors import InputError
from kanhw.estimation.resource_model import Resources
from kanhw.schedule.schedule import Schedule

__all__ = ["SCHEDULES", "Parts", "Point", "Refused", "Sweep", "parts_of", "winner"]

SCHEDULES: Mapping[str, Schedule] = {
    "unrolled": Schedule(),
    "folded": Schedule(kind="folded", parallel_inputs=1, parallel_outputs=1),
}


@dataclass(frozen=True)
class Parts:
    """Bases, products and rest of a figure; bases and products None where they are one."""

    basis: float | None
    products: float | None
    rest: float | None

    @property
    def tax(self) -> float | None:
        """The share of bases in percent; None where it is not known."""
        if self.basis is None or self.products is None or self.rest is None:
            return None
        return 100 * self.basis / (self.basis + self.products + self.rest)


@dataclass(frozen=True)
class Point:
    """What a layer costs.

    Parameters
    ----------
    whole
        Its resources.
    known_pj, complete
        Dynamic energy an inference, as ``kanhw estimate`` says it; a lower bound if not complete.
    luts, energies
        LUTs and shares of the energy by part.
    latency, interval, source_clocks
        Clocks; the last are those of the latency in which bases are made.
    linear, tabulated
        The same of the linear layer of equal shape and bits, by products and by edge tables.
    """

    whole: Resources
    known_pj: float
    complete: bool
    luts: Parts
    energies: Parts
    latency: int
    interval: int
    source_clocks: int | None
    linear: Point | None = None
    tabulated: Point | None = None

    @property
    def energy_pj(self) -> float | None:
        """Dynamic energy an inference; None where that of a part is not known."""
        return self.known_pj if self.complete else None

    @property
    def blocks(self) -> bool:
        """Whether it takes multiplier blocks or block RAMs, which no number of LUTs stands for."""
        return self.whole.dsp + self.whole.bram > 0

    @property
    def basis_clocks(self) -> int | None:
        """Clocks of the latency that make bases; None where those are not apart."""
        return None if self.luts.basis is None else self.source_clocks

    @property
    def over_luts(self) -> float:
        """LUTs over the linear layer's."""
        return self.whole.lut / self._linear.whole.lut

    @property
    def over_energy(self) -> float | None:
        """Energy over the linear layer's; None where one of them is not known."""
        own, other = self.energy_pj, self._linear.energy_pj
        return None if own is None or other is None else own / other

    @property
    def more_clocks(self) -> int:
        """Latency beyond the linear layer's."""
        return self.latency - self._linear.latency

    @property
    def _linear(self) -> Point:
        if self.linear is None:
            raise InputError("a linear layer is not compared with another")
        return self.linear


def parts_of(costs: LayerCosts, energy: Energy) -> tuple[Parts, Parts]:
    """LUTs, and shares of the energy, of a layer by part.

    Parameters
    ----------
    costs, energy
        Of the layer.

    Raises
    ------
    InputError
        If a part has less than nothing: what the parts say is not what the whole says.
    """
    rest = costs.rest
    # Each part is rounded by itself.
    if min(rest.lut, rest.ff) < -2 or min(rest.dsp, rest.bram) < 0:
        raise InputError(
            f"The parts of a layer ({costs.sources}, {costs.sums}) are more than the whole "
            f"({costs.whole})"
        )
    if not costs.apart:
        return Parts(None, None, rest.lut), Parts(None, None, None)
    luts = Parts(costs.sources.lut, costs.sums.lut, rest.lut)
    if not energy.complete:
        return luts, Parts(None, None, None)
    shares = [costs.share(part, energy) for part in (costs.sources, costs.sums, rest)]
    return luts, Parts(*shares)


def _point(costs: LayerCosts) -> Point:
    energy = costs.energy(costs.whole)
    luts, energies = parts_of(costs, energy)
    return Point(
        whole=costs.whole,
        known_pj=1e12 * energy.middle,
        complete=energy.complete,
        luts=luts,
        energies=energies,
        latency=costs.clocks.latency,
        interval=costs.clocks.initiation_interval,
        source_clocks=costs.source_clocks,
    )


@dataclass(frozen=True)
class Refused:
    """Why there is no such layer, in the words of the quantizer or the generator."""

    why: str


@dataclass
class Sweep:
    """Points of networks of one shape and seed, each measured once.

    Parameters
    ----------
    networks
        The networks.
    weights
        Bits of weights.
    """

    networks: Networks
    weights: int
    _linear: dict[tuple[str, Bits], Point] = field(default_factory=dict)
    _tabulated: dict[tuple[str, Bits], Point] = field(default_factory=dict)

    def linear(self, schedule: str, codes: int) -> Point:
        """The linear layer by products; its tables of codes are wires."""
        key = schedule, Bits(codes, codes, self.weights)
        if key not in self._linear:
            program = self.networks.linear_program(key[1])
            costs = measured(program, SCHEDULES[schedule], self.networks.rows("EfficientKAN"))
            self._linear[key] = _point(costs.linear)
        return self._linear[key]

    def tabulated(self, schedule: str, codes: int, basis: int) -> Point:
        """The linear layer by edge tables."""
        key = schedule, Bits(codes, basis, self.weights)
        if key not in self._tabulated:
            program = self.networks.tabulated_program(key[1])
            costs = measured(program, SCHEDULES[schedule], self.networks.rows("EfficientKAN"))
            self._tabulated[key] = _point(costs)
        return self._tabulated[key]

    def points(
        self, variant: str, realisation: str, grid: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Bits, Mapping[str, Point] | Refused]]:
        """The points of a grid of code and basis bits, by schedule."""
        model, rows = self.networks.kan(variant), self.networks.rows(variant)
        for codes, basis in grid:
            bits = Bits(codes, basis, self.weights)
            try:
                program = self.networks.kan_program(model, variant, realisation, bits)
                found = {
                    name: _point(costs)
                    for name, schedule in SCHEDULES.items()
                    for costs in (measured(program, schedule, rows),)
                }
            except InputError as error:
                yield bits, Refused(str(error))
                continue
            yield (
                bits,
                {name: self._compared(name, bits, p, realisation) for name, p in found.items()},
            )

    def _compared(self, schedule: str, bits: Bits, point: Point, realisation: str) -> Point:
        tables = None
        if realisation == "edge_table":
            tables = self.tabulated(schedule, bits.codes, bits.basis)
        return Point(
            **{**vars(point), "linear": self.linear(schedule, bits.codes), "tabulated": tables}
        )


def winner(points: Mapping[str, Point], figure: str) -> str | None:
    """The realisation that takes least of a figure, ``lut`` or ``energy``.

    None where that is not known: there is none, or one whose energy is not known has a lower bound
    below the least that is.

    Raises
    ------
    InputError
        If there is no such figure.
    """
    if figure not in _LEAST:
        raise InputError(f"There is no figure {figure!r}: choose one of {', '.join(_LEAST)}")
    value, known = _LEAST[figure]
    if not points:
        return None
    least = min(points, key=lambda name: value(points[name]))
    return least if known(points[least]) else None


# A figure, or its lower bound, and whether it is the figure itself.
_LEAST: Mapping[str, tuple[Callable[[Point], float], Callable[[Point], bool]]] = {
    "lut": (lambda point: point.whole.lut, lambda point: True),
    "energy": (lambda point: point.known_pj, lambda point: point.complete),
}
