"""The verb ``estimate_power``: what a design takes, with the user's data or a rate of toggles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy.typing as npt

from kanhw.design.design import Design
from kanhw.errors import InputError
from kanhw.flow.generation import given_design
from kanhw.formats import IntArray
from kanhw.interruption import temporary_folder
from kanhw.program import Program
from kanhw.values import is_number

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.power.energy import PowerEstimate
    from kanhw.sim import Integers

__all__ = ["PowerWanted", "estimate_power", "synthesise_with_power"]


@dataclass(frozen=True, kw_only=True)
class PowerWanted:
    """What power is asked for; the fields are those of :func:`estimate_power`.

    ``clock_mhz`` may be None where a clock is found by place and route.
    """

    clock_mhz: float | None = None
    vectors: str | Path | npt.ArrayLike | None = None
    toggle_rate: float | None = None
    integers: Integers | None = None
    part: str | None = None
    seed: int = 0
    vectorless: bool = False

    def check(self, target: str) -> None:
        """Refuse what could not be estimated, before any work.

        Raises
        ------
        InputError
            If the target, part or clock is not known or possible.
        """
        from kanhw.power.energy import static_power
        from kanhw.targets.table import energies_of

        static_power(energies_of(target), self.part, target)
        check_clock(self.clock_mhz)
        if self.vectorless and self.vectors is not None:
            raise InputError("Vectorless power takes no vectors: leave them, or --vectorless")


def check_clock(clock_mhz: float | None) -> None:
    """Refuse a clock that is none.

    Raises
    ------
    InputError
        If it is no number above 0 and below 10,000 MHz; None is none.
    """
    if clock_mhz is not None and (not is_number(clock_mhz) or not 0 < clock_mhz < 10_000):
        raise InputError(f"clock_mhz must be above 0 and below 10,000 MHz, not {clock_mhz!r}")


def estimate_power(
    design: Design | str | Path,
    target: str,
    *,
    clock_mhz: float,
    vectors: str | Path | npt.ArrayLike | None = None,
    toggle_rate: float | None = None,
    integers: Integers | None = None,
    part: str | None = None,
    seed: int = 0,
    vectorless: bool = False,
) -> tuple[ResourceEstimate, PowerEstimate]:
    """Power and energy per inference of a design: toggles of its netlist times what they take.

    The design is synthesised as :func:`kanhw.estimate` does; its netlist computes the vectors in
    their order, as fast as it takes them, and every output is compared with the Program's.

    Parameters
    ----------
    design
        From :func:`kanhw.generate`, or its folder.
    target
        A family of which energies are known: ``xcup``, ``ecp5``, ``ice40``.
    clock_mhz
        The clock that it runs at. Whether it can is :func:`kanhw.estimate`'s question (``fmax``).
    vectors
        An npz file with ``x``, or that array, as :func:`kanhw.simulate` takes them: rows like
        those that the design will see, in the order in which it will see them.
    toggle_rate
        Instead: how often a bit of the input changes, 0 to 1. Vendors' tools take 0.125.
    integers
        What integers in ``x`` are, as for :func:`kanhw.simulate`.
    part
        Whose static power is added, such as ``xczu7ev``; None: it stays unknown.
    seed
        Of random inputs.
    vectorless
        No vectors at all: rates are propagated through the netlist from inputs that change in
        ``toggle_rate`` of clocks (0.125), as vendors' tools do; to be compared with their reports.

    Returns
    -------
    ResourceEstimate
        As from :func:`kanhw.estimate`.
    PowerEstimate
        By part, as bands.

    Raises
    ------
    InputError
        If the target, part or clock is not known or possible, the vectors do not fit, or both or
        neither of vectors and toggle rate are given.
    ToolNotFound, ToolFailed
        If there is no Yosys, it fails, or the netlist does not compute what the Program does.
    """
    if clock_mhz is None:
        raise InputError("clock_mhz must be above 0 and below 10,000 MHz, not None")
    wanted = PowerWanted(
        clock_mhz=clock_mhz,
        vectors=vectors,
        toggle_rate=toggle_rate,
        integers=integers,
        part=part,
        seed=seed,
        vectorless=vectorless,
    )
    return synthesise_with_power(given_design(design), target, wanted)


def synthesise_with_power(
    design: Design, target: str, wanted: PowerWanted, *, fmax: bool = False, seeds: int = 3
) -> tuple[ResourceEstimate, PowerEstimate]:
    """Synthesise a design, perhaps place it, and let its netlist compute; see above.

    Parameters
    ----------
    design, target
        The two.
    wanted
        Whose clock is that of place and route if it has none.
    fmax, seeds
        As for :func:`kanhw.estimate`.
    """
    from kanhw.estimation import estimate_design
    from kanhw.estimation.runs import netlist_in
    from kanhw.power.activity import simulate_activity
    from kanhw.power.energy import VECTORLESS, power_of
    from kanhw.power.mapped import read_netlist
    from kanhw.power.propagation import VECTORLESS_RATE, glitch_bound, propagated_activity
    from kanhw.targets.table import cell_kinds_of, target_named

    kinds = cell_kinds_of(target)
    wanted.check(target)
    given = None if wanted.vectorless else stimulus_of(design.load_program(), wanted)
    with temporary_folder("kanhw-power-") as folder:
        resources = estimate_design(design.path, target, fmax=fmax, seeds=seeds, keep=folder)
        netlist = read_netlist(netlist_in(folder, resources.recipe), design.top)
    clock = wanted.clock_mhz or resources.fmax_mhz
    if clock is None:
        raise InputError("Power hangs on the clock: give clock_mhz (--clock-mhz 100)")
    wires = design.wires
    quiet = {wires.reset: 1 - wires.reset_level, wires.clock: 0}
    if given is None:
        rate = wanted.toggle_rate or VECTORLESS_RATE
        interval = max(design.initiation_interval, 1)
        what = f"{VECTORLESS}, bits of the inputs change in {100 * rate:g} % of clocks"
        activity = propagated_activity(
            netlist, kinds, family=target, interval=interval, rate=rate, quiet=quiet
        )
    else:
        codes, what = given
        activity = simulate_activity(design, netlist, kinds, codes, family=target)
    return resources, power_of(
        target_named(target),
        netlist,
        kinds,
        activity,
        clock_mhz=clock,
        part=wanted.part,
        stimulus=what,
        glitch_bound=glitch_bound(
            netlist, kinds, family=target, rate=activity.input_toggles, quiet=quiet
        ),
    )


def stimulus_of(program: Program, wanted: PowerWanted) -> tuple[IntArray, str]:
    """Codes, and what they are in words.

    Raises
    ------
    InputError
        If both or neither of vectors and toggle rate are given, or they do not fit.
    """
    vectors, toggle_rate, integers = wanted.vectors, wanted.toggle_rate, wanted.integers
    seed = wanted.seed
    from kanhw.power.stimulus import toggling_codes
    from kanhw.sim.vectors import checked_vectors, read_vectors, stimulus

    if vectors is None and toggle_rate is not None:
        return toggling_codes(program, toggle_rate, seed), f"random inputs, seed {seed}"
    if vectors is None or toggle_rate is not None:
        raise InputError(
            "Power hangs on the data: give vectors (--vectors DATA.npz), rows like those that the "
            "design will see in their order, or toggle_rate (--toggle-rate 0.125), not both"
        )
    if isinstance(vectors, str | Path):
        data, what = read_vectors(vectors, program, integers=integers), f"x of {vectors}"
    else:
        data, what = checked_vectors(program, vectors, integers=integers), "the given rows"
    return stimulus(program, data.x, data.head, integers="codes"), what
