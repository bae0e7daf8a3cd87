"""Masks of torch.nn.utils.prune: applied, as its modules apply them at every call."""

from __future__ import annotations

from kanhw.errors import InputError
from kanhw.importers.parts.state import Array, State

__all__ = ["with_masks_applied"]

_VALUES, _MASK = "_orig", "_mask"


def with_masks_applied(state: State) -> tuple[State, str]:
    """The tensors that ``weight_orig`` and ``weight_mask`` stand for, and a note for the source.

    Raises
    ------
    InputError
        If a mask is of another shape than its tensor.
    """
    pruned = [
        name.removesuffix(_VALUES)
        for name in state
        if name.endswith(_VALUES) and f"{name.removesuffix(_VALUES)}{_MASK}" in state
    ]
    if not pruned:
        return state, ""
    applied = {name: _masked(state, name) for name in pruned}
    parts = {f"{name}{ending}": name for name in pruned for ending in (_VALUES, _MASK)}
    result: dict[str, Array] = {}
    for name, array in state.items():
        whole = parts.get(name, name)
        # In the place of its first part, as order tells which modules come first.
        result.setdefault(whole, applied.get(whole, array))
    return result, f"pruning masks applied: {', '.join(pruned[:4])}{', ...' * (len(pruned) > 4)}"


def _masked(state: State, name: str) -> Array:
    values, mask = state[f"{name}{_VALUES}"], state[f"{name}{_MASK}"]
    if values.shape != mask.shape:
        raise InputError(
            f"Tensor '{name}{_MASK}' must have the shape {list(values.shape)} of its tensor, not "
            f"{list(mask.shape)}"
        )
    masked: Array = values * mask
    return masked
