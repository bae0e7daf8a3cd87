"""XLS, an open scheduler of high-level synthesis, beside our unrolled cores: LUT, FF, stages.

    python -m benchmarks.hardware.xls [--networks moons dry_bean] [--folder DIR]
        [--adder-levels 2] [--stages N ...] [--delay-model asap7] [--registered-inputs]
        [--fmax SEEDS] [--json FILE]

Needs the package xls-python, which nothing else here does (pip install xls-python); without it the
benchmark says so and is skipped.

Of each network that KANELE's authors published the Program is written as DSLX (dslx.py: tables,
sums, saturation, and nothing of our gateware). XLS makes its IR of it, optimises and schedules
that, and writes pipelined Verilog with as many registers from input to output as our core has with
so many adder levels, or as --stages says. Like ours it registers its outputs and not its inputs;
--registered-inputs puts the first of as many registers there. The recipes of Yosys are those of
kanele.py, and the one with fewer LUTs counts. Every design must give what the Program gives for all
published vectors and for random codes, one at every clock and after exactly so many clocks, as
Verilog and again as the netlist whose cells are counted: what does not is named, has no figures,
and ends the benchmark with 1.

XLS balances its stages by a model of delays: of two processes for chips, or one for every
operation; there is none of an FPGA. --fmax adds the clock of an ECP5 after place and route.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
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
from benchmarks.hardware.dslx import INPUT, MODULE, dslx_text
from kanhw.design.design import Design, Port
from kanhw.design.manifest import MANIFEST, PROGRAM_FILE, manifest_bytes
from kanhw.errors import ToolFailed
from kanhw.estimation import ResourceEstimate, estimate_design, yosys_version
from kanhw.estimation.runs import netlist_in
from kanhw.folders import write_folder
from kanhw.formats import IntArray
from kanhw.power.activity import simulate_activity
from kanhw.power.mapped import read_netlist
from kanhw.program import Program, program_bytes
from kanhw.sim import check_design
from kanhw.targets.table import cell_kinds_of

PACKAGE = "xls-python"
DELAY_MODELS = ("asap7", "sky130", "unit")
# The least stages of a pipeline: a register at the outputs.
FEWEST_STAGES = 1
RANDOM_VECTORS = 2000
TARGET, CLOCK = "xcup", "ecp5"


class NotExactError(Exception):
    """A design differs from its Program or from the published vectors."""


@dataclass(frozen=True)
class Scheduling:
    """How XLS lays a network out in time.

    Parameters
    ----------
    delay_model
        One of :data:`DELAY_MODELS`.
    registered_inputs
        Whether the first registers are at the inputs.
    """

    delay_model: str = "asap7"
    registered_inputs: bool = False

    @property
    def fewest_stages(self) -> int:
        """The least number of registers from input to output."""
        return FEWEST_STAGES + self.registered_inputs


@dataclass(frozen=True)
class Measured:
    """One design: its registers from input to output, what it costs, and its clock if asked for."""

    stages: int
    vectors: int
    simulator: str
    resources: ResourceEstimate
    mhz: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "resources": self.resources.to_json()}


def optimised(program: Program) -> str:
    """The IR that XLS makes of a Program, optimised."""
    import xls

    text = xls.convert_dslx_to_ir(dslx_text(program), f"{MODULE}.x", MODULE)
    return xls.optimize_ir(text, xls.mangle_dslx_name(MODULE, MODULE))


def pipelined(ir: str, stages: int, scheduling: Scheduling) -> str:
    """Verilog of optimised IR, with so many registers from input to output.

    The ports are those of our cores without handshake.
    """
    import xls

    # Scheduling changes a package: the next schedule of the same one would be the first again.
    package = xls.parse_ir_package(ir)
    result = package.schedule_and_codegen(
        generator="pipeline",
        top=xls.mangle_dslx_name(MODULE, MODULE),
        module_name=MODULE,
        output_port_name="o__payload",
        use_system_verilog=False,
        with_delay_model=True,
        delay_model=scheduling.delay_model,
        # What lies between input and output is divided into so many pieces.
        pipeline_stages=stages - scheduling.registered_inputs,
        flop_inputs=scheduling.registered_inputs,
        flop_outputs=True,
    )
    text: str = result.get_verilog_text()
    return text


def design_of(program: Program, verilog: str, stages: int, out: Path) -> Design:
    """A folder with Verilog that is not ours, which is simulated like one of our designs."""
    design = Design(
        path=out,
        top=MODULE,
        verilog=f"{MODULE}.v",
        program_file=PROGRAM_FILE,
        schedule=kanhw.Schedule(handshake=False),
        latency_cycles=stages,
        initiation_interval=1,
        input=Port.input_of(program),
        output=Port.output_of(program),
    )
    wires = design.wires
    if (wires.input.data, wires.output.data) != (INPUT, "o__payload"):
        raise NotExactError(f"our cores have other ports by now: {', '.join(wires.names)}")
    files = {PROGRAM_FILE: program_bytes(program), design.verilog: verilog.encode()}
    write_folder(out, {**files, MANIFEST: manifest_bytes(design.to_json(), files)})
    return design


def measure(design: Design, vectors: tuple[IntArray, IntArray], seeds: int) -> Measured:
    """Prove a design on vectors, synthesise it, and prove the netlist on them."""
    x, y = vectors
    check = check_design(design.path, x, y, engine="fast", stalls=False)
    if not check.passed or check.vectors != len(x) or check.expected_mismatches != 0:
        raise NotExactError("; ".join(check.problems) or "not every vector was compared")
    resources = synthesised(design, x)
    mhz = None
    if seeds:
        mhz = estimate_design(design.path, CLOCK, jobs=1, fmax=True, seeds=seeds).fmax_mhz
    simulator = f"{check.simulator} {check.simulator_version}"
    return Measured(design.latency_cycles, check.vectors, simulator, resources, mhz)


def synthesised(design: Design, x: IntArray) -> ResourceEstimate:
    """What the smaller netlist takes, of which every output is the Program's."""
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        resources = estimate_design(design.path, TARGET, jobs=1, keep=Path(work))
        netlist = read_netlist(netlist_in(Path(work), resources.recipe), design.top)
    try:
        simulate_activity(design, netlist, cell_kinds_of(TARGET), x, family=TARGET)
    except ToolFailed as error:
        raise NotExactError(str(error)) from error
    return resources


def vectors_of(folder: Path, program: Program) -> tuple[IntArray, IntArray]:
    """Published vectors and outputs, then random codes with the Program's outputs."""
    with np.load(folder / "vectors.npz") as file:
        x = np.concatenate([file["x_published"], file["x"]])
        y = np.concatenate([file["y_published"], file["y"]])
    form = program.input.format
    size = (RANDOM_VECTORS, program.n_in)
    drawn = np.random.default_rng(1).integers(form.lo, form.hi + 1, size)
    return np.concatenate([x, drawn]), np.concatenate([y, program(drawn)])


@dataclass(frozen=True)
class Comparison:
    """What is measured of every network, and where it is printed."""

    scheduling: Scheduling
    seeds: int
    table: Table

    def at_levels(self, folder: Path, levels: int) -> dict[str, Any]:
        """Our two fabrics with so many adder levels, and XLS with the stages of the portable."""
        program = kanhw.load(folder)
        vectors = vectors_of(folder, program)
        portable, vendor = (
            self._ours(program, vectors, fabric, levels) for fabric in ("portable", "ultrascale+")
        )
        theirs = self._theirs(program, vectors, portable.stages)
        self._print(folder.name, levels, theirs, portable, vendor)
        own = {"portable": portable.to_json(), "ultrascale+": vendor.to_json()}
        return {
            "network": folder.name,
            "adder_levels": levels,
            "xls": theirs.to_json(),
            "ours": own,
            **asdict(self.scheduling),
        }

    def at_stages(self, folder: Path, stages: int) -> dict[str, Any]:
        """XLS alone, with so many stages."""
        program = kanhw.load(folder)
        theirs = self._theirs(program, vectors_of(folder, program), stages)
        self._print(folder.name, "-", theirs, None, None)
        found = {"network": folder.name, "xls": theirs.to_json()}
        return {**found, **asdict(self.scheduling)}

    def _ours(
        self, program: Program, vectors: tuple[IntArray, IntArray], fabric: str, levels: int
    ) -> Measured:
        schedule = kanhw.Schedule(adder_levels=levels, handshake=False, fabric=fabric)
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            design = kanhw.generate(program, Path(work) / "design", schedule=schedule)
            # Cells of the vendor have no place on an ECP5.
            seeds = self.seeds if fabric == "portable" else 0
            return measure(design, vectors, seeds)

    def _theirs(
        self, program: Program, vectors: tuple[IntArray, IntArray], stages: int
    ) -> Measured:
        verilog = pipelined(optimised(program), stages, self.scheduling)
        with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
            design = design_of(program, verilog, stages, Path(work) / "design")
            try:
                return measure(design, vectors, self.seeds)
            except NotExactError as error:
                raise NotExactError(f"XLS with {stages} stages: {error}") from error

    def _print(
        self,
        network: str,
        levels: int | str,
        theirs: Measured,
        portable: Measured | None,
        vendor: Measured | None,
    ) -> None:
        their = theirs.resources
        own = portable.resources if portable else None
        self.table.add(
            *(network, theirs.stages, theirs.vectors, f"{their.lut} ({their.recipe})", their.ff),
            *(levels, f"{own.lut} ({own.recipe})" if own else "-", own.ff if own else "-"),
            f"{their.lut / own.lut:.3f}" if own else "-",
            f"{their.ff / own.ff:.3f}" if own else "-",
            *_of_vendor(vendor),
            *((theirs.mhz, portable.mhz if portable else "-") if self.seeds else ()),
        )


def _of_vendor(measured: Measured | None) -> Sequence[object]:
    if measured is None:
        return "---"
    own = measured.resources
    return (f"{own.lut} ({own.recipe})", own.ff, measured.stages)


def run(options: Any, folders: Sequence[Path], package: str) -> int:
    """Print the table; 1 if a design is not exact."""
    scheduling = Scheduling(options.delay_model, options.registered_inputs)
    print(environment_line(f"{PACKAGE} {package}", yosys_version()) + "\n")
    head = (
        *("network", "stages", "vectors", "XLS LUT (recipe)", "XLS FF", "adder levels"),
        *("portable LUT", "FF", "LUT ratio", "FF ratio", "ultrascale+ LUT", "FF", "stages"),
        *(("XLS MHz", "portable MHz") if options.fmax else ()),
    )
    widths = (10, 0, 0, 0, 0, 0, 12, 5, 0, 0, 0, 5)
    comparison = Comparison(scheduling, options.fmax, Table(head, widths))
    rows: list[dict[str, Any]] = []
    refused = []
    for folder in folders:
        jobs = [(comparison.at_levels, levels) for levels in options.adder_levels]
        jobs += [(comparison.at_stages, stages) for stages in options.stages]
        for job, argument in jobs:
            try:
                rows.append(job(folder, argument))
            except NotExactError as error:
                refused.append(f"{folder.name}: not exact: {error}")
    inputs = "inputs and outputs" if scheduling.registered_inputs else "outputs"
    print(f"\nXLS: delay model {scheduling.delay_model}, registers at the {inputs}")
    if rows:
        print(f"every output equal, on {rows[0]['xls']['simulator']} and in the netlists")
    if options.fmax:
        print(f"MHz: {CLOCK} after place and route, median over seeds ({options.fmax})")
    for line in refused:
        print(line, file=sys.stderr)
    write_results(options.json, rows)
    return 1 if refused else 0


def main() -> int:
    """Run the comparison; 1 if a design is not exact, 0 if XLS is not there."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="default: all of the folder")
    parser.add_argument("--folder", type=Path, help="default: peers/kanele of the references")
    parser.add_argument(
        "--adder-levels", nargs="*", type=int, default=[2], help="of ours (default: 2)"
    )
    parser.add_argument("--stages", nargs="*", type=int, default=[], help="more stages of XLS")
    parser.add_argument("--delay-model", choices=DELAY_MODELS, default=DELAY_MODELS[0])
    parser.add_argument("--registered-inputs", action="store_true", help="of XLS")
    parser.add_argument("--fmax", type=int, default=0, metavar="SEEDS", help="clock on an ECP5")
    options = parser.parse_args()
    try:
        package = version(PACKAGE)
    except PackageNotFoundError:
        print(f"skipped: XLS is not installed (pip install {PACKAGE})")
        return 0
    fewest = Scheduling(registered_inputs=options.registered_inputs).fewest_stages
    if wrong := [stages for stages in options.stages if stages < fewest]:
        parser.error(f"--stages must be at least {fewest}, not {wrong[0]}")
    root = options.folder or reference_folder("peers/kanele")
    names = options.networks or sorted(p.parent.name for p in root.glob("*/truth_tables.json"))
    if not names:
        sys.exit(f"{root} holds no networks")
    return run(options, [root / name for name in names], package)


if __name__ == "__main__":
    sys.exit(main())
