"""The public verbs: from a checkpoint to verified Verilog, one call each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from kanhw.design import (
    MANIFEST,
    PROGRAM_FILE,
    VERILOG_FILE,
    Design,
    load_design,
    sha256_of_bytes,
)
from kanhw.files import write_folder
from kanhw.model import KanModel
from kanhw.program import Program, program_bytes
from kanhw.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.quant import QuantConfig

__all__ = ["estimate", "generate", "quantize"]


def quantize(
    model: KanModel,
    calibration: npt.ArrayLike,
    config: QuantConfig | None = None,
    **options: Any,
) -> Program:
    """Quantize a float model after training, down to the integers of a Program.

    Parameters
    ----------
    model
        From :func:`kanhw.load`, or ``to_model()`` of a network trained with :mod:`kanhw.layers`.
    calibration
        ``[N, n_in]`` real features like those it will see: training data, not test data.
    config
        A :class:`kanhw.quant.QuantConfig`; None is 8 bits everywhere.
    **options
        Fields of the config that differ, such as ``activation_bits=6``.

    Returns
    -------
    Program
        Integers only. ``program(program.input.encode(x))`` runs it on real features.

    Raises
    ------
    InputError
        If a field is out of its range, or the data are empty, of another width, or not finite.
    TypeError
        If ``model`` is not a float model, or an option does not exist.
    """
    from kanhw.quant import QuantConfig, lower, quantize_model

    if isinstance(model, Program):
        raise TypeError("This network is quantized already: generate takes a Program as it is")
    if not isinstance(model, KanModel):
        raise TypeError(f"quantize needs a KanModel (see kanhw.load), not {type(model).__name__}")
    config = replace(config, **options) if config else QuantConfig(**options)
    return lower(quantize_model(model, calibration, config))


def generate(
    program: Program,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    argmax: bool | None = None,
) -> Design:
    """Write a Program as Verilog into a new, self-contained folder.

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

    Raises
    ------
    InputError
        If the folder holds something else or cannot be written; nothing half-written stays.
    TypeError
        If ``program`` is a float model.
    """
    from kanhw import __version__
    from kanhw.gateware import generate_verilog

    if isinstance(program, KanModel):
        raise TypeError(
            "Hardware needs integers: quantize this float model first (kanhw.quantize, "
            "or 'kanhw quantize MODEL --calibration DATA.npz --out PROGRAM')"
        )
    if not isinstance(program, Program):
        raise TypeError(f"generate needs a Program, not {type(program).__name__}")
    schedule = schedule or Schedule()
    if argmax is not None:
        program = program.with_argmax(argmax)
    verilog = generate_verilog(program, schedule)
    files = {PROGRAM_FILE: program_bytes(program), VERILOG_FILE: verilog.text.encode()}
    design = Design.of(Path(out), program, schedule, verilog)
    manifest = {
        **design.to_json(),
        "kanhw": __version__,
        "files": {name: sha256_of_bytes(content) for name, content in files.items()},
    }
    files[MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    write_folder(out, files)
    return load_design(out)


def estimate(design: Design | str | Path, target: str) -> ResourceEstimate:
    """Synthesise a design with Yosys and count what it takes.

    Parameters
    ----------
    design
        A design, or its folder.
    target
        ``xcup`` (UltraScale+), ``ecp5`` or ``ice40``.

    Returns
    -------
    ResourceEstimate
        A post-synthesis estimate; for ``xcup`` the smaller of two recipes, which it names.

    Raises
    ------
    InputError
        If the target is unknown or the folder holds no design.
    ToolNotFound, ToolFailed
        If there is no Yosys, or it fails.
    """
    from kanhw.estimation import estimate_design

    return estimate_design(_folder(design), target)


def _folder(design: Design | str | Path) -> Path:
    return design.path if isinstance(design, Design) else Path(design)
