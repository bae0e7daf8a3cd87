"""The verb ``report``: everything known of a design in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from kanhw.design.derivation import checked_program
from kanhw.design.design import Design
from kanhw.entries import read_json_object
from kanhw.errors import InputError
from kanhw.flow.generation import given_design
from kanhw.model.network import KanModel

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.flow.verification import Verification

__all__ = ["report"]


def report(
    design: Design | str | Path,
    out: str | Path,
    *,
    model: KanModel | str | Path | None = None,
    data: str | Path | tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
    outputs: str | Path | npt.ArrayLike | None = None,
    simulations: Iterable[Verification | Mapping[str, Any] | str | Path] = (),
    estimates: Iterable[ResourceEstimate | Mapping[str, Any] | str | Path] = (),
    title: str | None = None,
    date: str = "",
) -> Path:
    """Write an HTML report: accuracy, edge tables, resources, and what was verified.

    Parameters
    ----------
    design
        A design, or its folder.
    out
        The file to write.
    model
        The float model (or its file) that the design came from: its curves are drawn behind the
        integer tables, and its accuracy stands beside the hardware's.
    data
        An npz file with ``x`` and ``labels`` (or a float ``y``), or the pair of arrays: what
        accuracies are measured on.
    outputs
        What the simulated hardware gave for that data: an array, or an npz file with ``y``.
    simulations, estimates
        Results of :func:`kanhw.simulate` and :func:`kanhw.estimate`, or files that hold their JSON.
    title, date
        Heading and date of the report, as text.

    Returns
    -------
    Path
        The file, which needs nothing beside it.

    Raises
    ------
    InputError
        If an input cannot be read or does not fit the design, or the file cannot be written.
    TypeError
        If the design, the model, a simulation or an estimate is something else.
    """
    from kanhw.estimation import ResourceEstimate
    from kanhw.files import read_arrays
    from kanhw.places import check_place
    from kanhw.reports.curves import network_curves
    from kanhw.reports.html import write_html
    from kanhw.reports.measured.measured import measured
    from kanhw.reports.measured.scales import end_scales
    from kanhw.reports.summary import plain_check, summarise

    check_place(out)
    loaded = given_design(design)
    program = checked_program(loaded)
    float_model = _float_model(model)
    checks = [
        s if hasattr(s, "to_json") else plain_check(_document(s), _place(s, "the simulation"))
        for s in simulations
    ]
    resources = [
        e
        if isinstance(e, ResourceEstimate)
        else ResourceEstimate.from_json(_document(e), _place(e, "the estimate"))
        for e in estimates
    ]
    if isinstance(outputs, str | Path):
        outputs = read_arrays(outputs, "y")["y"]
    pair = _labelled(data)
    summary = summarise(
        loaded,
        model=float_model,
        data=pair,
        checks=checks,
        estimates=resources,
        hardware_outputs=outputs,
        title=title,
        date=date,
    )
    return write_html(
        summary,
        network_curves(program, float_model),
        out,
        scales=end_scales(program),
        measured=measured(program, float_model, pair),
    )


def _float_model(model: KanModel | str | Path | None) -> KanModel | None:
    if model is None or isinstance(model, KanModel):
        return model
    if not isinstance(model, str | Path):
        raise TypeError(f"model must be a KanModel or its file, not {type(model).__name__}")
    from kanhw.importers.load import load_model

    loaded = load_model(model)
    if not isinstance(loaded, KanModel):
        raise InputError(f"{model} is an integer network; a report compares with a float model")
    return loaded


def _labelled(
    data: str | Path | tuple[npt.ArrayLike, npt.ArrayLike | None] | None,
) -> tuple[npt.ArrayLike, npt.ArrayLike | None] | None:
    if data is None or isinstance(data, tuple):
        return data
    from kanhw.files import read_arrays

    arrays = read_arrays(data)
    return arrays["x"], arrays.get("labels", arrays.get("y"))


def _document(source: Mapping[str, Any] | str | Path | Any) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str | Path):
        raise TypeError(
            "A simulation or estimate must be a result of kanhw, its JSON object or a file that "
            f"holds it, not {type(source).__name__}"
        )
    try:
        return read_json_object(Path(source))
    except InputError as error:
        raise InputError(
            f"{error}: name what 'kanhw simulate --out' or 'kanhw estimate --out' wrote"
        ) from error


def _place(source: Any, otherwise: str) -> str:
    """A file's name, for messages about what is in it."""
    return str(source) if isinstance(source, str | Path) else otherwise
