"""Making another realisation known, without a change to this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kanhw.errors import InputError
from kanhw.gateware.folded.folded_layer import FOLDED_BRANCHES, FoldedParts
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.unrolled_layers import LAYER_CORES
from kanhw.program import ProgramLayer
from kanhw.program.costs import LAYER_COSTS, NetworkCosts
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.schedule.fold import Fold
from kanhw.schedule.layer_layouts import LAYER_LAYOUTS, PIPELINE, LayerLayout
from kanhw.schedule.schedule import Schedule

__all__ = ["register_realisation"]


def register_realisation(
    layer: type[ProgramLayer],
    core: type[LayerCore],
    *,
    costs: Callable[[Any], NetworkCosts],
    folded: Callable[[Any, Fold, Schedule], FoldedParts] | None = None,
    reads_codes: bool = False,
) -> None:
    """Make Programs, costs and hardware know a kind of layer.

    From then on a Program with such layers can be saved and loaded (in processes that have
    registered it), generated, simulated and estimated, and a budget chooses its schedule.
    ``docs/examples/own_parts.py`` shows it. It is a record in each of four rooms: the kinds and the
    costs of Programs, the layouts, and the hardware.

    Parameters
    ----------
    layer
        A dataclass with the members of ``ProgramLayer``; its ``kind`` is the name in files.
    core
        Its unrolled hardware, which takes a vector at every clock, and its costs.
    costs
        What such a layer stores and does, whatever the hardware, for
        :func:`kanhw.program.costs.costs_of`.
    folded
        What makes codes sums when edges take turns, for every branch in order; None if such layers
        are never folded. Each part counts its own costs.
    reads_codes
        Whether the core computes with codes, so that the layer in front may not hand it raw sums.

    Raises
    ------
    InputError
        If another layer is already of this kind, or the core does not declare its costs.
    """
    kind = layer.kind
    record = LayerLayout(PIPELINE, "folded" if folded else None, reads_codes=reads_codes)
    rooms: list[tuple[dict[str, Any], Any]] = [
        (LAYER_KINDS, layer),
        (LAYER_COSTS, costs),
        (LAYER_LAYOUTS, record),
        (LAYER_CORES, core),
    ]
    if folded is not None:
        rooms.append((FOLDED_BRANCHES, folded))
    if any(table.get(kind, own) != own for table, own in rooms):
        raise InputError(f"There are layers of kind {kind!r} already: give yours another name")
    own = core.__mro__[: core.__mro__.index(LayerCore)]
    if not any("costs" in vars(each) for each in own):
        raise InputError(
            f"The core of layers of kind {kind!r} does not say what it costs: give {core.__name__} "
            "a class method costs(layer) that gives kanhw.gateware.parts.costs.HardwareCosts"
        )
    for table, entry in rooms:
        table[kind] = entry
