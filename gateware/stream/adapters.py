"""Stages that bring vectors and images into the portions in which the next layer takes them."""

from __future__ import annotations

from kanhw.gateware.stream.flatten import GatherStage
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.stream.width_converter import CollectStage, SplitStage

__all__ = ["as_pixels", "as_portions", "as_vector", "beat_size"]


def as_pixels(stages: list[Stage], payload: Payload) -> Payload:
    """An image by whole pixels, or a whole vector, collected by one stage more where needed."""
    if payload.count == payload.pixel:
        return payload
    stages.append(CollectStage(payload, payload.pixel))
    return stages[-1].outputs


def as_vector(stages: list[Stage], payload: Payload) -> Payload:
    """The payload as one vector in one beat."""
    payload = as_pixels(stages, payload)
    if payload.beats == 1:
        return payload
    stages.append(GatherStage(payload))
    return stages[-1].outputs


def as_portions(stages: list[Stage], payload: Payload, count: int) -> Payload:
    """The payload with ``count`` codes a beat: of a vector or a pixel, or several whole pixels."""
    if payload.count == count:
        return payload
    whole = payload.pixel
    divides = count % payload.count == 0 or count == whole
    if payload.count < count <= whole and divides:
        stages.append(CollectStage(payload, count))
        return stages[-1].outputs
    payload = as_pixels(stages, payload)
    if payload.count != count:
        stages.append((SplitStage if count < whole else CollectStage)(payload, count))
        payload = stages[-1].outputs
    return payload


def beat_size(inputs: int, n_in: int, channels: int | None) -> int:
    """Codes a beat for a layer of vectors that wants ``inputs`` of its ``n_in``.

    Parameters
    ----------
    channels
        Those of a pixel if the vector is an image; then a beat is a part of a pixel, all parts
        being alike, or some whole pixels. None if it is none.
    """
    if channels is None or channels == n_in:
        return min(inputs, n_in)
    if inputs < channels:
        return _even(channels, inputs)
    return channels * _even(n_in // channels, inputs // channels)


def _even(count: int, most: int) -> int:
    """The size of the fewest equal parts that are at most so large."""
    return -(-count // -(-count // min(count, most)))
