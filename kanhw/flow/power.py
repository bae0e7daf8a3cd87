"""The verb ``estimate_power``: what a design takes, with the user's data or a rate of toggles."""

from __future__ import annotations

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

__all__ = ["estimate_power"]


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
    from kanhw.estimation import estimate_design
    from kanhw.estimation.runs import netlist_in
    from kanhw.power.activity import simulate_activity
    from kanhw.power.energy import power_of, static_power
    from kanhw.power.mapped import read_netlist
    from kanhw.targets.table import cell_kinds_of, energies_of, target_named

    loaded = given_design(design)
    energies, kinds = energies_of(target), cell_kinds_of(target)
    static_power(energies, part, target)
    if not is_number(clock_mhz) or not 0 < clock_mhz < 10_000:
        raise InputError(f"clock_mhz must be above 0 and below 10,000 MHz, not {clock_mhz!r}")
    codes, what = _stimulus(loaded.load_program(), vectors, toggle_rate, integers, seed)
    with temporary_folder("kanhw-power-") as folder:
        resources = estimate_design(loaded.path, target, keep=folder)
        netlist = read_netlist(netlist_in(folder, resources.recipe), loaded.top)
    activity = simulate_activity(loaded, netlist, kinds, codes, family=target)
    return resources, power_of(
        target_named(target),
        netlist,
        kinds,
        activity,
        clock_mhz=clock_mhz,
        part=part,
        stimulus=what,
    )


def _stimulus(
    program: Program,
    vectors: str | Path | npt.ArrayLike | None,
    toggle_rate: float | None,
    integers: Integers | None,
    seed: int,
) -> tuple[IntArray, str]:
    """Codes, and what they are in words."""
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
