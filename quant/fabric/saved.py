"""The state of a training on the disk, so that a later call goes on where one was ended."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from kanhw.errors import InputError
from kanhw.places import write_whole
from kanhw.quant.fabric.fitting import FittedState
from kanhw.quant.fabric.stages import RunState, Snapshot

__all__ = ["load_state", "save_state"]

_FORMAT = "kanhw fabric training 3"
# The JSON is a tensor of bytes, which safetensors keeps as it is.
_META = "meta"


def save_state(path: Path, state: RunState, identity: str) -> None:
    """Write a state whole.

    Parameters
    ----------
    path
        The file.
    state
        What is written.
    identity
        Of data and settings: a state is gone on with by the same ones only.
    """
    fitted = state.fitted
    tensors = {"rows": fitted.rows, "mean": fitted.mean, "square": fitted.square}
    if state.snapshots:
        tensors["snapshots"] = torch.stack([own.row for own in state.snapshots.values()])
    for name, own in (("merits", state.merits), ("average", state.average)):
        if own is not None:
            tensors[name] = own
    meta = {
        "format": _FORMAT,
        "identity": identity,
        "stage": state.stage,
        "epoch": state.epoch,
        "steps": fitted.steps,
        "snapshots": [
            [own.seed, own.band, own.merit, own.cost, own.pressure]
            for own in state.snapshots.values()
        ],
    }
    text = json.dumps(meta).encode()
    tensors[_META] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    write_whole(path, save({name: own.contiguous() for name, own in tensors.items()}))


def load_state(path: Path, identity: str) -> RunState | None:
    """The state that was written for the same data and settings; None where there is no file.

    Raises
    ------
    InputError
        If it is of other data or settings, or no such file.
    """
    if not path.exists():
        return None
    try:
        tensors = load(path.read_bytes())
        meta = json.loads(bytes(tensors.pop(_META).tolist()))
        if meta["format"] != _FORMAT:
            raise ValueError(f"its format is {meta['format']!r}")
        known = meta["identity"]
        fitted = FittedState(
            tensors["rows"], tensors["mean"], tensors["square"], int(meta["steps"])
        )
        snapshots = {
            (seed, band): Snapshot(seed, band, merit, cost, pressure, tensors["snapshots"][k])
            for k, (seed, band, merit, cost, pressure) in enumerate(meta["snapshots"])
        }
        state = RunState(
            meta["stage"],
            meta["epoch"],
            fitted,
            snapshots,
            tensors.get("merits"),
            tensors.get("average"),
        )
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(
            f"{path} is no state of a training ({error}): remove it, or name another folder"
        ) from error
    if known != identity:
        raise InputError(
            f"{path} is the state of a training with other data or settings: give those again to "
            "go on, remove it to begin anew, or name another folder"
        )
    return state
