"""What ``kanhw quantize`` says of the quality of what it made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kanhw.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from kanhw.model.network import KanModel
    from kanhw.program import Program

__all__ = ["measure"]


def measure(
    model: KanModel, program: Program, x: npt.ArrayLike | None, path: str | None
) -> tuple[dict[str, Any] | None, list[str]]:
    """The quality on the calibration data as JSON, and as lines for people.

    Parameters
    ----------
    model, program
        The float model, and what it was quantized to.
    x
        The calibration data; None where there were none, and so nothing to measure on.
    path
        The file that they are from, which may hold ``y`` and ``labels`` too; None is none.
    """
    import numpy as np

    from kanhw.measures.quality import quality
    from kanhw.measures.text import quality_lines

    if x is None:
        return None, ["quality was not measured: there are no calibration data"]
    targets, unused = _targets(path, (np.shape(x)[0], model.n_out))
    measured = quality(model, program, x, **targets)
    document = measured.to_json()
    document["warnings"] += unused
    lines = quality_lines(measured, "calibration data, none of them held out")
    return document, [*lines, *(f"warning: {line}" for line in unused)]


def _targets(
    path: str | None, shape: tuple[int, int]
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """The ``y`` and ``labels`` of a file that fit the network, and why others are left out."""
    from kanhw.files import read_arrays
    from kanhw.measures.quality import check_targets

    arrays = {} if path is None else read_arrays(path)
    fitting: dict[str, npt.NDArray[Any]] = {}
    unused: list[str] = []
    for name in ("y", "labels"):
        if name not in arrays:
            continue
        try:
            # Whoever only wants codes must not fail for what lies beside the features.
            check_targets(shape, **{name: arrays[name]})
        except InputError as error:
            unused.append(f"{path}: nothing was compared with {name}: {error}")
        else:
            fitting[name] = arrays[name]
    return fitting, unused
