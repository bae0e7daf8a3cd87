"""What a training did: its losses, what they are called, and the epoch that was kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Measured", "Training"]


@dataclass(frozen=True)
class Measured:
    """A loss and a metric on some samples."""

    loss: float
    metric: float


@dataclass(frozen=True, kw_only=True)
class Training:
    """What :func:`kanhw.quant.train` did.

    Parameters
    ----------
    task
        What the targets were understood to be: ``classification``, ``binary``, ``regression``, or
        ``given`` with a loss of one's own.
    loss, metric
        The names of what was minimised, and of what was measured besides.
    losses
        The mean loss of every epoch.
    validation
        What was measured on the validation part, before the first epoch and behind every one;
        empty without such a part.
    kept_epoch
        Whose parameters the network has now, counted from 1: the one of the least validation loss
        (0 is the network before training), or the last one without a validation part.
    stopped_early
        Whether epochs were left out because the validation loss no longer fell.
    """

    task: str
    loss: str
    metric: str
    losses: tuple[float, ...]
    validation: tuple[Measured, ...]
    kept_epoch: int
    stopped_early: bool

    @property
    def kept(self) -> Measured | None:
        """What was measured on the validation part with the parameters that were kept."""
        return self.validation[self.kept_epoch] if self.validation else None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
