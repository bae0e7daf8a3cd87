"""The rules of a valid/ready stream, checked edge by edge on the output of a design."""

from __future__ import annotations

__all__ = ["StreamRules"]

_KEPT = 10


class StreamRules:
    """Watches one stream at every clock edge and keeps the first violations.

    Rules: once valid, it stays valid until taken; while it waits, the payload does not change.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._waiting: int | None = None

    def edge(self, cycle: int, valid: bool, ready: bool, payload: int) -> None:
        """Look at the signals just before clock edge ``cycle``; payload counts only if valid."""
        if self._waiting is not None:
            if not valid:
                self.report(cycle, "o__valid fell before the output was taken")
            elif payload != self._waiting:
                self.report(
                    cycle,
                    "o__payload changed while stalled, from "
                    f"{self._waiting:#x} to {payload:#x}",
                )
        self._waiting = payload if valid and not ready else None

    def reset(self) -> None:
        """Forget a waiting output, which a reset may take back."""
        self._waiting = None

    def report(self, cycle: int, text: str) -> None:
        """Keep a violation, of which the first ten are enough."""
        if len(self.violations) < _KEPT:
            self.violations.append(f"cycle {cycle}: {text}")
