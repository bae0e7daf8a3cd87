"""The public verbs: from a checkpoint to verified Verilog, one call each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, overload

import numpy.typing as npt

from kanhw.design.backend_design import BackendDesign, load_backend_design
from kanhw.design.design import (
    MANIFEST,
    PROGRAM_FILE,
    VERILOG,
    Design,
    load_design,
    not_verilog,
    sha256_of_bytes,
)
from kanhw.errors import InputError
from kanhw.files import write_folder
from kanhw.flow.backends import backend_named, options_for
from kanhw.model.network import KanModel
from kanhw.program import Program, program_bytes
from kanhw.schedule.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.progress import Progress
    from kanhw.quant import QuantConfig
    from kanhw.quant.config import QuantOptions

__all__ = ["estimate", "generate", "given_design", "quantize"]


def quantize(
    model: KanModel,
    calibration: npt.ArrayLike | None,
    config: QuantConfig | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[QuantOptions],
) -> Program:
    """Quantize a float model after training, down to the integers of a Program.

    Parameters
    ----------
    model
        From :func:`kanhw.load`, or ``to_model()`` of a network trained with :mod:`kanhw.layers`.
    calibration
        ``[N, n_in]`` real features like those it will see: training data, not test data. None
        with ``method="zeroq"``, which makes its own.
    config
        A :class:`kanhw.quant.QuantConfig`; None is 8 bits everywhere.
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
    from kanhw.quant import QuantConfig, lower, quantize_model
    from kanhw.quant.config.grouped import refuse_flat

    if isinstance(model, Program):
        raise TypeError("This network is quantized already: generate takes a Program as it is")
    if not isinstance(model, KanModel):
        raise TypeError(f"quantize needs a KanModel (see kanhw.load), not {type(model).__name__}")
    if config is not None and not isinstance(config, QuantConfig):
        raise TypeError(f"config must be a kanhw.QuantConfig, not {type(config).__name__}")
    refuse_flat(options)
    fields = [*QuantConfig.field_names()]
    for name in options:
        if name not in fields:
            raise TypeError(f"quantize takes no option {name!r}: there are {', '.join(fields)}")
    config = (config or QuantConfig()).changed(options)
    return lower(quantize_model(model, calibration, config, progress=progress))


@overload
def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
    interface: str | None = None,
    backend: Literal["verilog"] = "verilog",
) -> Design: ...


@overload
def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
    interface: str | None = None,
    backend: str,
    **options: object,
) -> Design | BackendDesign: ...


def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
    interface: str | None = None,
    backend: str = VERILOG,
    **options: object,
) -> Design | BackendDesign:
    """Write a Program as Verilog, or by another back end, into a new, self-contained folder.

    Parameters
    ----------
    program
        The network; a float model must be quantized first.
    out
        The folder to make. One that already holds this very design is left as it is.
    schedule
        Registers and handshake; None is ``Schedule()``.
    argmax
        True hands out the class index instead of the outputs; None leaves the Program's choice.
    interface
        The ports: ``stream`` (a clock, payloads with valid and ready; what None means) or
        ``axi4-stream``.
    backend
        What it is written as: ``verilog``, or one that was registered
        (:func:`kanhw.flow.backends.register_backend`).
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
        If the folder holds something else or cannot be written (nothing half-written stays), or
        there is no such back end, or it does not take an option.
    ToolFailed
        If the Verilog cannot be written out.
    TypeError
        If ``program`` is a float model, or an argument is of another type.
    """
    from kanhw import __version__

    if isinstance(program, KanModel):
        raise TypeError(
            "Hardware needs integers: quantize this float model first (kanhw.quantize, "
            "or 'kanhw quantize MODEL --calibration DATA.npz --out PROGRAM')"
        )
    if not isinstance(program, Program):
        raise TypeError(f"generate needs a Program, not {type(program).__name__}")
    if schedule is not None and not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a kanhw.Schedule, not {type(schedule).__name__}")
    if argmax not in (None, False, True):
        raise TypeError(f"argmax must be True, False or None, not {argmax!r}")
    schedule = schedule or Schedule()
    if argmax is not None:
        program = program.with_argmax(argmax)
    chosen = backend_named(backend)
    written = chosen.write(
        program, schedule, options_for(chosen, {"interface": interface, **options})
    )
    files = {PROGRAM_FILE: program_bytes(program), **written.files}
    entries = written.facts
    if backend != VERILOG:
        names = tuple(sorted(written.files))
        entries = BackendDesign(Path(out), backend, names, schedule, written.facts).to_json()
    manifest = {
        **entries,
        "kanhw": __version__,
        "files": {name: sha256_of_bytes(content) for name, content in files.items()},
    }
    files[MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    write_folder(out, files)
    return load_design(out) if backend == VERILOG else load_backend_design(out)


def estimate(
    design: Design | str | Path, target: str, *, fmax: bool = False, seeds: int = 3
) -> ResourceEstimate:
    """Synthesise a design with Yosys and count what it takes.

    Parameters
    ----------
    design
        From :func:`kanhw.generate`, or its folder.
    target
        A key of ``kanhw.estimation.TARGETS``, such as ``xcup`` (UltraScale+).
    fmax
        Whether to place and route too (minutes for a large design), for the clock that the design
        reaches, where the target can be: ``ecp5``.
    seeds
        How many times it is placed; the clock is the median.

    Returns
    -------
    ResourceEstimate
        A post-synthesis estimate in cells of the target: ``lut``, ``ff``, ``dsp``, ``bram`` and
        more; the smallest of the target's recipes, which it names. ``fmax_mhz`` is None unless it
        was asked for.

    Raises
    ------
    InputError
        If the target is unknown or has no place and route, ``seeds`` is no positive integer, or
        the folder holds no design, one of another back end than Verilog's, or its files were
        changed.
    ToolNotFound, ToolFailed
        If there is no Yosys or nextpnr, or one fails.
    TypeError
        If the design is neither, or the target is no string.
    """
    from kanhw.estimation import TARGETS, estimate_design, target_named

    if not isinstance(target, str):
        raise TypeError(f"target must be the name of one ({', '.join(TARGETS)}), not {target!r}")
    target_named(target)
    return estimate_design(given_design(design).path, target, fmax=fmax, seeds=seeds)


def given_design(design: Design | str | Path) -> Design:
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
