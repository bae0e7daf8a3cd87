"""The public verbs: from a checkpoint to verified Verilog, one call each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, overload

import numpy.typing as npt

from kanhw.design.backend_design import BackendDesign, backend_of, load_backend_design
from kanhw.design.design import Design, load_design, not_verilog
from kanhw.design.manifest import HLS, MANIFEST, PROGRAM_FILE, VERILOG, manifest_bytes
from kanhw.errors import InputError
from kanhw.flow.backends import backend_named, check_takes, options_for
from kanhw.flow.overwriting import ours
from kanhw.folders import write_folder
from kanhw.frames import column_names, in_order
from kanhw.model.network import KanModel
from kanhw.program import Labels, Program, fit_warnings, program_bytes, with_formats
from kanhw.schedule.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.progress import Progress
    from kanhw.quant import QuantConfig
    from kanhw.quant.config import QuantOptions

__all__ = ["generate", "given_cpp", "given_design", "quantize"]


def quantize(
    model: KanModel,
    calibration: npt.ArrayLike | None,
    config: QuantConfig | None = None,
    *,
    labels: Labels | None = None,
    progress: Progress | None = None,
    **options: Unpack[QuantOptions],
) -> Program:
    """Quantize a float model after training, down to the integers of a Program.

    Parameters
    ----------
    model
        From :func:`kanhw.load`, or ``to_model()`` of a network trained with :mod:`kanhw.layers`.
    calibration
        ``[N, n_in]`` real features like those it will see: training data, not test data. The
        columns of a data frame name the inputs. None with ``method="zeroq"``, which makes its own.
    config
        A :class:`kanhw.quant.QuantConfig`; None is 8 bits everywhere.
    labels
        Names and units of inputs and outputs, which the Program keeps for reports, manifests and
        the heads of Verilog files; None is none.
    progress
        A :class:`kanhw.progress.Progress` that shows what takes long; None shows nothing.
    **options
        Fields of the config that differ, such as ``activation_bits=6`` or
        ``codebook=kanhw.CodebookConfig(size=16)``.

    Returns
    -------
    Program
        Integers only. ``program(program.input.encode(x))`` runs it on real features.

    Raises
    ------
    InputError
        If a field is out of its range, or the data are empty, of another width, or not finite.
    TypeError
        If ``model`` is not a float model, ``config`` is no QuantConfig, or an option does not
        exist.
    """
    from kanhw.quant import lower, quantize_model
    from kanhw.quant.config.given import given_config

    if isinstance(model, Program):
        raise TypeError("This network is quantized already: generate takes a Program as it is")
    if not isinstance(model, KanModel):
        raise TypeError(
            "quantize needs a KanModel (see kanhw.load, which takes a checkpoint, a state_dict or "
            f"a module), not {type(model).__name__}"
        )
    config = given_config(config, options, "quantize")
    given = labels or Labels()
    columns = column_names(calibration)
    if columns is not None and given.inputs is None:
        given = replace(given, inputs=columns)
    values = in_order(calibration, None)
    program = lower(quantize_model(model, values, config, progress=progress))
    return replace(program, labels=given)


@overload
def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
    interface: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    name: str | None = None,
    testbench: bool | str | Path | npt.ArrayLike = False,
    backend: Literal["verilog"] = "verilog",
    force: bool = False,
) -> Design: ...


@overload
def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
    interface: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    name: str | None = None,
    testbench: bool | str | Path | npt.ArrayLike = False,
    backend: str,
    force: bool = False,
    **options: object,
) -> Design | BackendDesign: ...


def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
    interface: str | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    name: str | None = None,
    testbench: bool | str | Path | npt.ArrayLike = False,
    backend: str = VERILOG,
    force: bool = False,
    **options: object,
) -> Design | BackendDesign:
    """Write a Program as Verilog, or by another back end, into a new, self-contained folder.

    Parameters
    ----------
    program
        The network; a float model must be quantized first.
    out
        The folder to make. One that already holds this very design is left as it is, another
        design that nobody changed gives way to it.
    schedule
        Registers and handshake; None is ``Schedule()``.
    argmax
        True hands out the class index instead of the outputs; None leaves the Program's choice.
    interface
        The ports: ``stream`` (a clock, payloads with valid and ready; what None means) or
        ``axi4-stream``.
    input_format, output_format
        Codes of an ADC or of fixed point to take and give in place of the network's own, as for
        :func:`kanhw.program.with_formats`: ``q8.8``, ``u12:0..4095=-10..50``. None leaves them.
    name
        Of the top module and its files, and what all other modules' names begin with, so that
        several networks live in one project; None is ``kan``.
    testbench
        A testbench in plain Verilog beside it, which needs neither Python nor kanhw: True for
        random codes; else an npz file or an array of vectors, as for :func:`kanhw.simulate`.
    backend
        What it is written as: ``verilog``, or one that was registered
        (:func:`kanhw.flow.backends.register_backend`).
    force
        Whether to write over changed files of a design too; other files in the folder stay.
    **options
        Further options of that back end.

    Returns
    -------
    Design
        Where it is, its latency in clock cycles, and the formats of its input and output. From
        another back end a :class:`~kanhw.design.backend_design.BackendDesign`: where it is, and
        what the back end says of it.

    Raises
    ------
    InputError
        If the folder holds something else or cannot be written (nothing half-written stays), a
        format is none or the Program cannot take or give it, or there is no such back end, or it
        does not take an option.
    ToolFailed
        If the Verilog cannot be written out.
    TypeError
        If ``program`` is a float model, or an argument is of another type.
    """
    if isinstance(program, KanModel):
        raise TypeError(
            "Hardware needs integers: quantize this float model first (kanhw.quantize, "
            "or 'kanhw quantize MODEL --calibration DATA.npz --out PROGRAM')"
        )
    if not isinstance(program, Program):
        raise TypeError(
            "generate needs a Program, from kanhw.quantize, kanhw.convert or kanhw.load, not "
            f"{type(program).__name__}"
        )
    if schedule is not None and not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a kanhw.Schedule, not {type(schedule).__name__}")
    if argmax not in (None, False, True):
        raise TypeError(f"argmax must be True, False or None, not {argmax!r}")
    schedule = schedule or Schedule()
    if argmax is not None:
        program = program.with_argmax(argmax)
    plain = program
    program = with_formats(program, inputs=input_format, outputs=output_format)
    # Formats of which every code would saturate are refused; the command shows what else is found.
    fit_warnings(plain, program)
    chosen = backend_named(backend)
    check_takes(chosen, program)
    given = _given(interface=interface, name=name, testbench=testbench)
    written = chosen.write(program, schedule, options_for(chosen, {**given, **options}))
    files = {PROGRAM_FILE: program_bytes(program), **written.files}
    entries = written.facts
    if backend != VERILOG:
        names = tuple(sorted(written.files))
        entries = BackendDesign(Path(out), backend, names, schedule, written.facts).to_json()
    files[MANIFEST] = manifest_bytes(entries, files)
    write_folder(out, files, ours=ours, force=force)
    return load_design(out) if backend == VERILOG else load_backend_design(out)


def _given(**options: object) -> dict[str, object]:
    """The options of Verilog that differ from what it does by itself."""
    return {name: v for name, v in options.items() if v is not None and v is not False}


def given_cpp(design: Design | BackendDesign | str | Path) -> BackendDesign | None:
    """The design of the back end ``hls`` itself, or the one in a folder; None if it is another."""
    if isinstance(design, BackendDesign):
        return design if design.backend == HLS else None
    if not isinstance(design, str | Path) or backend_of(design) != HLS:
        return None
    return load_backend_design(design)


def given_design(design: Program | Design | BackendDesign | str | Path) -> Design:
    """The design itself, or the one in a folder, for functions that take either."""
    if isinstance(design, Design):
        return design
    if isinstance(design, BackendDesign):
        raise InputError(not_verilog(design.path, design.backend))
    if not isinstance(design, str | Path):
        raise TypeError(
            f"A design must come from kanhw.generate or be its folder, not {type(design).__name__}"
        )
    return load_design(design)
