"""The cells of AMD's 7 series that Yosys maps networks to (UG953)."""

from __future__ import annotations

from collections.abc import Mapping

from kanhw.targets.cells.batch import CellKind, ports_of
from kanhw.targets.cells.multipliers import multiplier
from kanhw.targets.cells.ultrascale_plus import ULTRASCALE_PLUS_KINDS
from kanhw.targets.cells.ultrascale_plus_blocks import SERIES_7, block_ram_kind, check_product

__all__ = ["XC7_KINDS"]

# What both families have, under the same names.
_COMMON = (
    *(f"LUT{size}" for size in range(1, 7)),
    *("LUT6_2", "MUXF7", "MUXF8", "INV", "CARRY4", "FDRE", "FDSE"),
    *("RAM32M", "RAM64M", "SRL16E", "SRLC32E"),
)

XC7_KINDS: Mapping[str, CellKind] = {
    **{name: ULTRASCALE_PLUS_KINDS[name] for name in _COMMON},
    "DSP48E1": multiplier(
        ports_of({"A": 25}), ports_of({"B": 18}), ports_of({"P": 48}), check_product
    ),
    "RAMB18E1": block_ram_kind(2, SERIES_7),
    "RAMB36E1": block_ram_kind(4, SERIES_7),
}
"""By the name of the cell."""
