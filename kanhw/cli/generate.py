"""``kanhw generate MODEL|PROGRAM --out DIR``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kanhw.cli.common import Commands, add_command, add_force, add_model, load_given, show
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.design.backend_design import BackendDesign
    from kanhw.design.design import Design
    from kanhw.schedule.schedule import Schedule


_FORMATS = {
    "input": "take codes of an ADC or fixed point, and make the network's codes of them on chip",
    "output": "give outputs as such codes, each the nearest",
}


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "generate",
        "write a Program as Verilog into a folder of its own",
        "kanhw generate kan.safetensors --out design --argmax",
        run,
    )
    add_model(parser, "a Program, or a folder of KANELE's truth tables")
    parser.add_argument("--out", metavar="DIR", required=True, help="the folder to make")
    add_force(parser)
    parser.add_argument(
        "--argmax", action="store_true", help="hand out the class index instead of the outputs"
    )
    parser.add_argument(
        "--schedule",
        default="unrolled",
        metavar="KIND|BUDGET",
        help="unrolled: an inference a clock (default); folded: edges take turns, parameters are "
        "in memories; or what the design may take of UltraScale+, any of "
        "lut=N,bram=N,dsp=N,clocks=N, from which the schedule is chosen",
    )
    for what in ("inputs", "outputs"):
        parser.add_argument(
            f"--parallel-{what}",
            default="1",
            metavar="N|LAYER=N,...",
            help=f"folded: {what} of a layer at a time, for all layers or by name (default: 1)",
        )
    parser.add_argument(
        "--adder-levels",
        type=int,
        default=1,
        metavar="N",
        help="adder levels between two registers; 0 for none inside the trees (default: 1)",
    )
    parser.add_argument(
        "--fabric",
        default="portable",
        metavar="NAME",
        help="portable (default): no vendor cells; ultrascale+: adders of three operands from its "
        "LUTs and carry chains, saturation by set and reset, split tables",
    )
    parser.add_argument(
        "--no-table-registers",
        metavar="LAYER,...",
        nargs="?",
        const=True,
        default=False,
        help="no registers behind the tables, of these layers or of all",
    )
    parser.add_argument(
        "--merge-tables",
        metavar="TARGET",
        help="edge tables of one output become one, their sum, wherever that takes fewer LUTs on "
        "this target, such as xcup (default: none do)",
    )
    parser.add_argument(
        "--no-handshake", action="store_true", help="the bare core: a vector at every clock"
    )
    for end in ("input", "output"):
        parser.add_argument(
            f"--{end}-format",
            metavar="SPEC",
            help=f"{_FORMATS[end]}: q8.8 is signed fixed point of 8 bits before the point, the "
            "sign among them, and 8 behind it; uq8.8 has no sign; u12:0..4095=-10..50 are unsigned "
            "codes of 12 bits of which 0 stands for -10 and 4095 for 50; s16:... are signed. One "
            f"for all {end}s, a list with commas, or NAME=SPEC,... (NAME also a number from 0)",
        )
    parser.add_argument(
        "--backend",
        default="verilog",
        metavar="NAME",
        help="what is written: verilog (default), hls (C++ for Vivado and Vitis HLS), or a back "
        "end that was registered",
    )
    parser.add_argument(
        "--backend-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an option of that back end, which says what it takes; any number of them",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="of the top module and the files, and what the names of all other modules begin "
        "with, so that several networks live in one project (default: kan)",
    )
    parser.add_argument(
        "--testbench",
        metavar="DATA.npz",
        nargs="?",
        const=True,
        help="also write a testbench in plain Verilog, which passes in Icarus and Verilator "
        "without Python: on x of DATA.npz, or on random codes",
    )
    parser.add_argument(
        "--interface",
        metavar="NAME",
        help="the ports: stream (default), or axi4-stream, with a script that makes a Vivado IP",
    )


def run(options: argparse.Namespace) -> int:
    """Load and generate."""
    from kanhw.flow.generation import generate
    from kanhw.program import Program, fit_warnings, with_formats
    from kanhw.schedule.budget import Budget

    budget = Budget.from_text(options.schedule) if "=" in options.schedule else None
    schedule = _schedule(options, "unrolled" if budget else options.schedule)
    own = _backend_options(options)
    program = load_given(options)
    if not isinstance(program, Program):
        raise InputError(
            f"{options.model} is a float model and hardware needs integers: first 'kanhw quantize "
            f"{options.model} --calibration DATA.npz --out PROGRAM'"
        )
    if options.argmax:
        program = program.with_argmax()
    plain = program
    program = with_formats(program, inputs=options.input_format, outputs=options.output_format)
    warnings = fit_warnings(plain, program)
    data: dict[str, Any] = {}
    text = ""
    if budget:
        from kanhw.estimation.schedule_choice import schedule_for

        choice = schedule_for(program, budget, schedule)
        schedule = choice.schedule
        data = {"budget": budget.limits, "modelled": asdict(choice.resources)}
        text = f"\n  chosen for {budget}: {choice}{_lanes(schedule)}"
    design = generate(
        program,
        options.out,
        schedule=schedule,
        backend=options.backend,
        **own,
        force=options.force,
    )
    told = {"design": str(design.path), **design.to_json(), **data}
    if warnings:
        told["warnings"] = list(warnings)
    text += "".join(f"\nwarning: {line}" for line in warnings)
    show(options, told, f"{design.path}: {_described(design)}{text}")
    return 0


def _backend_options(options: argparse.Namespace) -> dict[str, Any]:
    """``--interface``, ``--name``, ``--testbench`` and every ``--backend-option``."""
    from kanhw.flow.backends import backend_named, options_for

    own = {name: getattr(options, name) for name in ("interface", "name", "testbench")}
    found: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    for text in options.backend_option:
        name, equals, value = text.partition("=")
        if not name or not equals or name in found:
            raise InputError(
                f"--backend-option needs NAME=VALUE, every name once, not {text!r}: the back end "
                f"{options.backend!r} takes "
                f"{', '.join(backend_named(options.backend).options) or 'no options'}"
            )
        found[name] = value
    options_for(backend_named(options.backend), found)
    return found


def _described(design: Design | BackendDesign) -> str:
    """The files that were written, in a line."""
    from kanhw.design.backend_design import BackendDesign

    if isinstance(design, BackendDesign):
        notes = "".join(f"\n  note: {note}" for note in design.facts.get("notes", ()))
        return f"{', '.join(design.files)} ({design.backend}){notes}"
    return (
        f"{design.verilog}, latency {design.latency_cycles} cycles, one inference every "
        f"{design.initiation_interval}"
    )


def _schedule(options: argparse.Namespace, kind: str) -> Schedule:
    from kanhw.schedule.schedule import Schedule

    return Schedule(
        adder_levels=options.adder_levels,
        fabric=options.fabric,
        table_registers=_table_registers(options.no_table_registers),
        merge_tables=options.merge_tables,
        handshake=not options.no_handshake,
        kind=kind,
        parallel_inputs=_parallel("--parallel-inputs", options.parallel_inputs),
        parallel_outputs=_parallel("--parallel-outputs", options.parallel_outputs),
    )


def _table_registers(without: bool | str) -> bool | dict[str, bool]:
    """Of ``--no-table-registers``: those of all layers, or of some by name."""
    if isinstance(without, bool):
        return not without
    return dict.fromkeys(without.split(","), False)


def _lanes(schedule: Schedule) -> str:
    """What was chosen for every layer, as options."""
    lanes = [
        ",".join(f"{name}={schedule.parallel(name)[k]}" for name in schedule.named) for k in (0, 1)
    ]
    if not schedule.named:
        return ""
    return f"\n  as with --parallel-inputs {lanes[0]} --parallel-outputs {lanes[1]}"


def _parallel(option: str, text: str) -> int | dict[str, int]:
    """A number for all layers, or numbers by the name of the layer."""
    try:
        if "=" not in text:
            return int(text)
        pairs = [pair.rpartition("=") for pair in text.split(",")]
        return {name: int(number) for name, _, number in pairs}
    except ValueError:
        raise InputError(
            f"{option} needs a number, or numbers by layer as in layers.0=2,layers.1=1, not "
            f"{text!r}"
        ) from None
