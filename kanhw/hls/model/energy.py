"""Energy of an inference of a design in HLS, from how often its operators and memories are used.

Every use of an operator passes new values through its look-up tables and blocks once, so an adder
that is used at every fourth clock takes a fourth of one that is used at each. Flip-flops have a
clock at every clock. Energies are those of the family, per clock and cell, which were fitted to
vendors' estimates of KANs that take a vector a clock; toggles of data are not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kanhw.errors import InputError
from kanhw.hls.costs.operators import Operator
from kanhw.hls.costs.work import Function, Loop, Store
from kanhw.targets.energies import Band
from kanhw.targets.table import MODELLED, energies_of, names_of_used

__all__ = ["PARTS", "inference_energy"]

PARTS = ("clock", "operators", "around", "memory", "dsp")
"""Parts of the energy: of flip-flops, of operators in look-up tables, of what stands around them,
of block RAMs, of multiplier blocks."""

_FEMTO = 1e-15
# What multiplexers and states toggle, of what data paths do: from a processor's 12 fJ a LUT and
# clock on Artix-7, where KANs have 91 to 118, to as much.
_AROUND = Band(12 / 104, 1.0)


def inference_energy(
    function: Function, clocks: int, target: str = MODELLED
) -> dict[str, Band | None]:
    """Joule of an inference by part, and of all as ``dynamic``; None where a part is not known.

    Parameters
    ----------
    function
        The top; its functions may run at the same time.
    clocks
        Between two inferences.
    target
        The family.

    Raises
    ------
    InputError
        If nothing is known of look-up tables that are counted by their uses.
    """
    energies = energies_of(target)
    if energies.lut_use is None:
        raise InputError(
            f"The energy of a use of a look-up table is not known of {target!r}: take "
            f"{names_of_used()}"
        )
    taken = function.taken()
    uses, reads = Counter[Operator](), Counter[Store]()
    for loop_uses, loop_reads, times in _used([function], 1):
        for operator, count in loop_uses.items():
            uses[operator] += count * times
        for store, count in loop_reads.items():
            reads[store] += count * times
    in_luts = sum(operator.lut * count for operator, count in uses.items())
    in_luts += sum(store.taken.lut * count for store, count in reads.items())
    blocks = sum(operator.dsp * count for operator, count in uses.items())
    memories = sum(own.taken.lut for part in function.functions() for own in part.stores)
    around = max(taken.lut - taken.operators - memories, 0) * clocks
    parts: dict[str, Band | None] = {
        "clock": (energies.clock_ff + energies.ff) * (taken.ff * clocks),
        "operators": energies.lut_use * in_luts,
        "around": Band(
            energies.lut_use.low * _AROUND.low * around,
            energies.lut_use.high * _AROUND.high * around,
        ),
        "memory": _memory(energies.bram, reads),
        "dsp": Band(0.0, 0.0) if not blocks else _times(energies.dsp, blocks),
    }
    scaled = {name: _times(band, _FEMTO) for name, band in parts.items()}
    known = [band for band in scaled.values() if band is not None]
    total = sum(known, Band(0.0, 0.0)) if len(known) == len(scaled) else None
    return {**scaled, "dynamic": total}


def _memory(energy: Band | None, reads: Counter[Store]) -> Band | None:
    """Of block RAMs: those of a word alone are read, or all that are one behind the other."""
    if not any(store.taken.bram18 for store in reads):
        return Band(0.0, 0.0)
    if energy is None:
        return None
    low = sum(store.row * store.copies * count for store, count in reads.items())
    high = sum(store.taken.bram18 * count for store, count in reads.items())
    return Band(energy.low * low, energy.high * high)


def _times(band: Band | None, factor: float) -> Band | None:
    return None if band is None else band * factor


def _used(
    body: Sequence[Loop | Function], times: int
) -> Iterator[tuple[Counter[Operator], Counter[Store], int]]:
    """Uses of operators and reads of memories of every loop, and how often it is gone through."""
    for own in body:
        if isinstance(own, Function):
            yield Counter(own.extra), Counter(), times
            yield from _used(own.body, times)
            continue
        turns = times * own.turns
        yield Counter(own.uses), Counter(own.reads), turns
        yield from _used(own.inner, turns)
