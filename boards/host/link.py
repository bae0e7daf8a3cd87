"""Requests and answers over a wire that may lose and garble bytes: each is answered just once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from kanhw.boards.host.wire import Wire
from kanhw.boards.protocol.frames import Frame, FrameDecoder, encode_frame
from kanhw.boards.protocol.messages import ANSWER, REFUSED, Kind, Refusal
from kanhw.errors import ToolFailed

__all__ = ["Link"]

# Silence after which what has no answer is asked again, in seconds; it doubles each time.
_PATIENCE = 0.5
_ATTEMPTS = 6


class Link:
    """The computer's end of the protocol of ``docs/link.md``.

    Answers come in the order of requests, so one that is missing when a later one comes was lost,
    and is asked again at once; all that are missing are asked again after a silence. An answer is
    taken once, whatever comes twice.

    Parameters
    ----------
    wire
        Carries the bytes.

    Attributes
    ----------
    window
        Vectors without an answer at a time; what the design says of itself.
    again
        Requests that were sent more than once.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._decoder = FrameDecoder()
        self._sequence = 0
        self._came = False
        self.window = 1
        self.again = 0

    @property
    def name(self) -> str:
        """What messages call the wire."""
        return self._wire.name

    @property
    def broken(self) -> int:
        """Frames from the board that were broken."""
        return self._decoder.broken

    def ask(self, kind: Kind, payload: bytes = b"", *, attempts: int = _ATTEMPTS) -> bytes:
        """Send a request that is no vector, and give its answer's payload.

        Parameters
        ----------
        kind, payload
            What to ask.
        attempts
            Silences after which the board counts as silent.

        Raises
        ------
        ToolFailed
            If it is refused, no answer comes, or the wire is gone.
        """
        return self._exchange(kind, [payload], 1, lambda: None, attempts)[0]

    def vectors(
        self, payloads: Sequence[bytes], advance: Callable[[], None] = lambda: None
    ) -> list[bytes]:
        """Send vectors, as many at a time as the board holds, and give their answers in order.

        Parameters
        ----------
        payloads
            The packed codes of every vector.
        advance
            Is called for every answer.

        Raises
        ------
        ToolFailed
            As :meth:`ask`.
        """
        return self._exchange(Kind.VECTOR, payloads, self.window, advance, _ATTEMPTS)

    def close(self) -> None:
        """Let the wire go."""
        self._wire.close()

    def _exchange(
        self,
        kind: Kind,
        payloads: Sequence[bytes],
        window: int,
        advance: Callable[[], None],
        attempts: int,
    ) -> list[bytes]:
        answers: list[bytes | None] = [None] * len(payloads)
        # Of requests without an answer, by number, when each was sent last.
        waiting: dict[int, int] = {}
        first, sent, ticks, silences = self._sequence, 0, 0, 0
        # A full window takes its time on the wire, there and back.
        size = max(map(len, payloads), default=0)
        on_wire = 4.0 * window * (size + 16) / self._wire.bytes_per_second

        def send(number: int) -> None:
            nonlocal ticks
            ticks += 1
            waiting[number] = ticks
            self._wire.write(encode_frame(Frame(kind, first + number & 0xFF, payloads[number])))

        while waiting or sent < len(payloads):
            # No more are sent than fit behind the oldest one that is missing.
            while sent < len(payloads) and sent - min(waiting, default=sent) < window:
                # Not even after an interruption is a number used for another vector that soon.
                self._sequence = first + sent + 1 & 0xFF
                send(sent)
                sent += 1
            frames = self._read((_PATIENCE + on_wire) * 2**silences)
            if frames is None:
                silences += 1
                if silences == attempts:
                    raise ToolFailed(self._silence())
                self.again += len(waiting)
                for number in sorted(waiting):
                    send(number)
                continue
            for frame in frames:
                answered = self._number(frame, kind, first, waiting)
                if answered is None:
                    continue
                silences = 0
                tick = waiting.pop(answered)
                answers[answered] = frame.payload
                advance()
                for number in sorted(n for n, t in waiting.items() if t < tick):
                    self.again += 1
                    send(number)
        return [answer for answer in answers if answer is not None]

    def _number(self, frame: Frame, kind: Kind, first: int, waiting: dict[int, int]) -> int | None:
        """Which request a frame answers; None if it is an answer of an earlier time."""
        found = [n for n in waiting if first + n & 0xFF == frame.sequence]
        if not found or frame.kind not in (ANSWER | kind, REFUSED):
            return None
        if frame.kind == REFUSED:
            raise ToolFailed(f"The board at {self.name} refuses: {_why(frame.payload)}")
        return found[0]

    def _read(self, patience: float) -> list[Frame] | None:
        """Frames that came; None after a silence."""
        deadline = time.monotonic() + patience
        while True:
            left = deadline - time.monotonic()
            data = self._wire.read(max(left, 0.0))
            self._came = self._came or bool(data)
            frames = self._decoder.feed(data)
            if frames:
                return frames
            if left <= 0:
                return None

    def _silence(self) -> str:
        if self._came:
            return (
                f"What comes from {self.name} is no answer of a kanhw design: is it the right port "
                "and --baud, and is the bitstream loaded ('kanhw program DIR')?"
            )
        return (
            f"{self.name} is silent: is it the right port and --baud, is the bitstream loaded "
            "('kanhw program DIR'), and are rx and tx the right way round?"
        )


def _why(payload: bytes) -> str:
    reasons = {
        Refusal.UNKNOWN: "it does not know the request; build the design again with this kanhw",
        Refusal.LENGTH: "the request has another length than its design wants; connect again",
        Refusal.BUSY: "its self-test runs; wait for it, or reset the board",
    }
    code = payload[0] if payload else 0
    return reasons.get(Refusal(code), "no reason") if code in list(Refusal) else "no reason given"
