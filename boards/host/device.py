"""A board that is connected: predictions, the self-test, counters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.boards.built import Built
from kanhw.boards.host.expected import expected_signature
from kanhw.boards.host.link import Link
from kanhw.boards.protocol.messages import Identity, Kind, Status, start_test
from kanhw.design.packing import pack_codes, payload_bytes, unpack_codes
from kanhw.errors import InputError, ToolFailed
from kanhw.formats import IntArray
from kanhw.program import Program
from kanhw.sim.vectors import Integers, stimulus

__all__ = ["Device", "SelfTestResult"]


@dataclass(frozen=True)
class SelfTestResult:
    """What the on-chip self-test gave.

    Parameters
    ----------
    vectors
        That the generator fed.
    signature, expected
        Of the board's outputs, and of the golden model's.
    answered
        Vectors that the network answered.
    clocks
        From the first beat taken to the last one given.
    clock_mhz
        Of the board.
    """

    vectors: int
    signature: int
    expected: int
    answered: int
    clocks: int
    clock_mhz: float

    @property
    def passed(self) -> bool:
        """Whether every vector was answered, and the signatures are equal."""
        return self.answered == self.vectors and self.signature == self.expected

    @property
    def clocks_per_inference(self) -> float:
        """Of the whole run, its beginning and end included."""
        return self.clocks / max(self.answered, 1)

    @property
    def inferences_per_second(self) -> float:
        """At the board's clock."""
        return self.answered * self.clock_mhz * 1e6 / max(self.clocks, 1)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "vectors": self.vectors,
            "answered": self.answered,
            "signature": f"{self.signature:08x}",
            "expected": f"{self.expected:08x}",
            "clocks": self.clocks,
            "clocks_per_inference": self.clocks_per_inference,
            "inferences_per_second": self.inferences_per_second,
            "passed": self.passed,
        }


class Device:
    """A board with a network, from :func:`kanhw.boards.connect`; a context manager.

    Parameters
    ----------
    link
        To the board; the device closes it.
    built
        What was built for it.
    identity
        What the board said of itself.

    Attributes
    ----------
    built, identity
        As given.
    program
        The golden model: the Program that the board computes.
    """

    def __init__(self, link: Link, built: Built, identity: Identity) -> None:
        self._link = link
        self.built = built
        self.identity = identity
        self.program: Program = built.load_program()
        link.window = identity.window

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the port; again is no error."""
        self._link.close()

    @property
    def sent_again(self) -> int:
        """Requests that were sent more than once, as an answer was missing."""
        return self._link.again

    @property
    def broken_answers(self) -> int:
        """Frames from the board that were broken."""
        return self._link.broken

    def predict(
        self,
        x: npt.ArrayLike,
        *,
        head: npt.ArrayLike | None = None,
        integers: Integers | None = None,
        advance: Callable[[], None] = lambda: None,
    ) -> npt.NDArray[Any]:
        """What the board makes of features.

        Parameters
        ----------
        x
            ``[N, n_in]``, an array or a DataFrame: real features of a network that was quantized
            from a float model, codes of an integer network.
        head
            ``[N]``: which head each vector is for; None is head 0.
        integers
            What integers in ``x`` are where the network has real values: ``codes`` or ``reals``.
        advance
            Is called for every answer.

        Returns
        -------
        Class indices ``[N]`` of a network that hands these out; real outputs ``[N, n_out]`` of one
        that was quantized from a float model; else codes ``[N, n_out]``.

        Raises
        ------
        InputError
            If x does not fit the network; see :func:`kanhw.simulate`.
        ToolFailed
            If the board does not answer, or is gone.
        """
        heads = None if head is None else np.asarray(head)
        codes = stimulus(self.program, x, heads, integers=integers)
        outputs = self.outputs(codes, head=heads, advance=advance)
        if self.program.argmax:
            return outputs[:, 0]
        if self.program.output_scale is None:
            return outputs
        if heads is None:
            return self.program.decode_output(outputs)
        real = np.empty(outputs.shape)
        for number in np.unique(heads).tolist():
            rows = heads == number
            real[rows] = self.program.head(number).decode_output(outputs[rows])
        return real

    def outputs(
        self,
        codes: npt.ArrayLike,
        *,
        head: npt.ArrayLike | None = None,
        advance: Callable[[], None] = lambda: None,
    ) -> IntArray:
        """The integer outputs ``[N, n_out]`` of the board for codes ``[N, n_in]``.

        Raises
        ------
        InputError, ToolFailed
            As :meth:`predict`.
        """
        inputs, outputs = self.built.input, self.built.output
        words = pack_codes(codes, inputs, head)
        rows = words.reshape(-1, inputs.beats * words.shape[1])
        answers = self._link.vectors([row.tobytes() for row in rows], advance)
        size = outputs.beats * payload_bytes(outputs)
        if any(len(answer) != size for answer in answers):
            raise ToolFailed(
                f"The board's answers have not {size} bytes, as outputs of its network have: "
                "connect with the build that is loaded"
            )
        octets = np.frombuffer(b"".join(answers), np.uint8).reshape(-1, payload_bytes(outputs))
        return unpack_codes(octets, outputs)

    def latency(self, samples: int = 20) -> float:
        """Seconds from a vector's first byte sent to its answer's last: the median of some."""
        zeros = np.full((1, self.program.n_in), max(self.program.input.format.lo, 0))
        times = []
        for _ in range(samples):
            start = time.perf_counter()
            self.outputs(zeros)
            times.append(time.perf_counter() - start)
        return float(np.median(times))

    def status(self) -> Status:
        """The board's counters.

        Raises
        ------
        ToolFailed
            If the board does not answer, or is gone.
        """
        return Status.from_bytes(self._link.ask(Kind.STATUS))

    def reset(self) -> None:
        """Everything on the board as after power-up.

        Raises
        ------
        ToolFailed
            If the board does not answer, or is gone.
        """
        self._link.ask(Kind.RESET)

    def self_test(self, vectors: int = 1_000_000, *, timeout: float = 600.0) -> SelfTestResult:
        """Feed the network vectors that are made on chip, at every clock that it takes one.

        Parameters
        ----------
        vectors
            How many, 1 or more.
        timeout
            Seconds that the board may be silent on its progress: without a vector more.

        Raises
        ------
        InputError
            If there are too many or too few vectors.
        ToolFailed
            If the board does not answer, or is gone. A network that stops, or gives other outputs
            than the golden model, is no error: look at ``passed``.
        """
        if isinstance(vectors, bool) or not isinstance(vectors, int) or vectors < 1:
            raise InputError(f"A self-test takes a positive number of vectors, not {vectors!r}")
        clocks = vectors * self.built.initiation_interval + self.built.latency_cycles
        if clocks >= 1 << 32:
            raise InputError(
                f"A self-test with {vectors} vectors takes some {clocks} clocks, of which the "
                f"board counts {(1 << 32) - 1}: take "
                f"{((1 << 32) - 1) // (2 * self.built.initiation_interval)} vectors or fewer"
            )
        ports = (self.built.input, self.built.output)
        request = start_test(vectors * ports[0].beats, vectors * ports[1].beats)
        self.reset()
        self._link.ask(Kind.TEST, request)
        # The golden model computes while the board does.
        expected = expected_signature(self.program, ports, vectors)
        status = self._finished(timeout)
        self.reset()
        return SelfTestResult(
            vectors=vectors,
            signature=status.signature,
            expected=expected,
            answered=vectors - -(-status.to_give // ports[1].beats),
            clocks=status.clocks,
            clock_mhz=self.identity.clock_hz / 1e6,
        )

    def _finished(self, timeout: float) -> Status:
        """The status once the test is over, or gets no further."""
        # Clocks between two vectors, with room for the latency of the first.
        pause = 64 * (self.built.latency_cycles + self.built.initiation_interval)
        stalled = max(1.0, pause / self.identity.clock_hz)
        status, since = self.status(), time.monotonic()
        while status.testing:
            before = status
            time.sleep(0.05)
            status = self.status()
            if status.to_give != before.to_give:
                since = time.monotonic()
            elif time.monotonic() - since > min(timeout, 20 * stalled):
                return status
        return status
