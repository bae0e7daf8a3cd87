"""Estimates beside what a vendor's tool reported: 37 designs of KANELE's history.

    python -m benchmarks.estimates.vendor [--networks jsc_openml wine dry_bean moons] [--json FILE]

The table is read from ``peers/vendor-reports.md`` of the references: Vivado 2024.1 after routing,
and Yosys 0.70 on the same RTL. Yosys' LUTs (the smaller of two recipes) are divided by one factor;
that factor is the geometric mean over the other designs for each, and what is left over is printed
as a geometric spread. Then the same with the LUTs that carry chains take and Yosys does not count:
the sum of a place comes out of its LUT, so a place that an operand only passes through takes one
too, and there are at least four for every CARRY4. One design, which Yosys put into block RAM, is
left out and named. Four of the networks are there as Programs, too: ``model`` is held against
Vivado on those, likewise, with a register behind every two adder levels, as KANELE's stages of four
operands have, and with one behind each, as a schedule has unless it says otherwise.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import (
    Table,
    argument_parser,
    environment_line,
    reference_folder,
    write_results,
)

# Places of a CARRY4, each behind a LUT.
PLACES = 4
# Adder levels between two registers: KANELE's, and those of our own schedules.
LEVELS = (2, 1)
# LUTs after routing, of the networks that are there as Programs.
VIVADO = {"jsc_openml": (1232, 900), "dry_bean": (471, 402), "wine": (686, 534), "moons": (57, 67)}


@dataclass(frozen=True)
class Row:
    """A design of the table: what Vivado and Yosys counted, and alkaid's estimate."""

    name: str
    lut: int
    ff: int
    yosys: int
    yosys_ff: int
    carry4: int
    alkaid: int | None
    in_block_ram: bool

    @property
    def sites(self) -> int:
        """LUTs that are used, if only by what passes through them to a carry chain."""
        return max(self.yosys, PLACES * self.carry4)


def rows_of(path: Path) -> list[Row]:
    """The table of 37 designs."""
    found, inside = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        inside = inside or cells[:3] == ["layers", "bits", "edges"]
        if not inside or len(cells) != 14 or not cells[2].isdigit():
            continue
        marked = "*" in cells[9]
        abc9, abc = (int(cell.rstrip("*")) for cell in cells[9:11])
        found.append(
            Row(
                f"{cells[0]} {cells[1]} {cells[2]} edges",
                int(cells[3]),
                int(cells[5]),
                min(abc9, abc),
                int(cells[11].rstrip("*")),
                int(cells[12]),
                int(cells[13]) if cells[13].isdigit() else None,
                marked,
            )
        )
    return found


def left_out(ratios: np.ndarray) -> tuple[float, np.ndarray]:
    """The factor of all, and what is left of each ratio by the factor of the others."""
    logs = np.log(ratios)
    others = (logs.sum() - logs) / max(len(logs) - 1, 1)
    return float(np.exp(logs.mean())), np.exp(logs - others)


def spread(errors: np.ndarray) -> float:
    """The geometric standard deviation around 1."""
    return float(np.exp(np.sqrt(np.square(np.log(errors)).mean())))


def against_table(rows: list[Row]) -> dict[str, Any]:
    """Yosys by one factor, and alkaid's estimate as it is."""
    used = [row for row in rows if not row.in_block_ram]
    table = Table(("design", "Vivado LUT", "Yosys / factor", "error %"), (22,))
    factor, errors = left_out(np.array([row.yosys / row.lut for row in used]))
    for row, error in zip(used, errors, strict=True):
        table.add(row.name, row.lut, round(row.lut * error), f"{100 * (error - 1):+.1f}")
    sites, site_errors = left_out(np.array([row.sites / row.lut for row in used]))
    ff, ff_errors = left_out(np.array([row.yosys_ff / row.ff for row in used]))
    known = [row for row in used if row.alkaid is not None]
    alkaid = np.array([row.alkaid / row.lut for row in known if row.alkaid])
    mean = float(np.exp(np.log(alkaid).mean()))
    print(
        f"\n{len(used)} designs ({', '.join(r.name for r in rows if r.in_block_ram)} left out: "
        f"in block RAM)\nsynthesis: Yosys' LUTs are {factor:.3f} of Vivado's; left one out, spread "
        f"{spread(errors):.3f}, worst {np.exp(np.abs(np.log(errors)).max()):.3f}\n"
        f"with what passes through LUTs to carry chains: {sites:.3f}; spread "
        f"{spread(site_errors):.3f}, worst {np.exp(np.abs(np.log(site_errors)).max()):.3f}\n"
        f"flip-flops: {ff:.3f}, spread {spread(ff_errors):.3f}\n"
        f"alkaid 0.8's estimate of {len(known)}: {mean:.3f}, spread {spread(alkaid / mean):.3f}"
    )
    return {
        "factor": factor,
        "spread": spread(errors),
        "sites": sites,
        "site_spread": spread(site_errors),
        "ff": ff,
        "designs": len(used),
    }


def against_programs(names: list[str], levels: int) -> list[dict[str, Any]]:
    """The model on the networks that are there, each by the factor of the others.

    Parameters
    ----------
    names
        Of the networks.
    levels
        Adder levels between two registers.
    """
    root, found = reference_folder("peers/kanele"), []
    for name in names:
        program = kanhw.load(root / name)
        schedule = kanhw.Schedule(handshake=False, adder_levels=levels)
        model = kanhw.estimate(program, "xcup", schedule, grade="model")
        lut, ff = VIVADO[name]
        own = {"network": name, "model": model.lut, "ff": model.ff}
        found.append({**own, "vivado": lut, "vff": ff})
    factor, errors = left_out(np.array([row["model"] / row["vivado"] for row in found]))
    print(f"\nmodel on those that are there as Programs (portable, adder_levels={levels}, bare)\n")
    table = Table(("network", "model LUT", "Vivado LUT", "error %", "model FF", "Vivado FF"), (10,))
    for row, error in zip(found, errors, strict=True):
        table.add(
            *(row["network"], row["model"], row["vivado"], f"{100 * (error - 1):+.1f}"),
            *(row["ff"], row["vff"]),
        )
    print(f"\nmodel: {factor:.3f} of Vivado's LUTs; left one out, spread {spread(errors):.3f}")
    return found


def main() -> int:
    """Run and print."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="*", choices=list(VIVADO), default=list(VIVADO))
    options = parser.parse_args()
    print(environment_line() + "\n")
    rows = rows_of(reference_folder("peers") / "vendor-reports.md")
    if not rows:
        sys.exit("The table of designs was not found in vendor-reports.md")
    results = {"synthesis": against_table(rows)}
    if options.networks:
        results["model"] = {
            str(levels): against_programs(options.networks, levels) for levels in LEVELS
        }
    write_results(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
