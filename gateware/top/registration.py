"""Making another realisation known, without a change to this package."""

from __future__ import annotations

from kanhw.errors import InputError
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.unrolled_layers import LAYER_CORES
from kanhw.program import ProgramLayer
from kanhw.program.kinds.kinds import LAYER_KINDS

__all__ = ["register_realisation"]


def register_realisation(layer: type[ProgramLayer], core: type[LayerCore]) -> None:
    """Make Programs and unrolled hardware know a kind of layer.

    From then on a Program with such layers can be saved and loaded (in processes that have
    registered it), generated, simulated and estimated. ``docs/examples/own_parts.py`` shows it.

    Parameters
    ----------
    layer
        A dataclass with the members of ``ProgramLayer``; its ``kind`` is the name in files.
    core
        Its hardware, which takes a vector at every clock, and its costs.

    Raises
    ------
    InputError
        If another layer is already of this kind, or the core does not declare its costs.
    """
    kind = layer.kind
    if (LAYER_KINDS.get(kind, layer), LAYER_CORES.get(kind, core)) != (layer, core):
        raise InputError(f"There are layers of kind {kind!r} already: give yours another name")
    own = core.__mro__[: core.__mro__.index(LayerCore)]
    if not any("costs" in vars(each) for each in own):
        raise InputError(
            f"The core of layers of kind {kind!r} does not say what it costs: give {core.__name__} "
            "a class method costs(layer) that gives kanhw.gateware.parts.costs.HardwareCosts"
        )
    LAYER_KINDS[kind] = layer
    LAYER_CORES[kind] = core
