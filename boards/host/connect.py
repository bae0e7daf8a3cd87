"""Finding out what is behind a port."""

from __future__ import annotations

from pathlib import Path

from kanhw.boards.built import Built, load_built
from kanhw.boards.host.device import Device
from kanhw.boards.host.known import known_build, known_builds
from kanhw.boards.host.link import Link
from kanhw.boards.host.wire import SerialWire, Wire
from kanhw.boards.protocol.messages import Identity, Kind
from kanhw.errors import InputError

__all__ = ["DEFAULT_BAUD", "connect", "connect_wire"]

DEFAULT_BAUD = 1_000_000
"""Bits a second where a build does not say."""

# Half a second, one and two: who waits longer for a board that is there?
_ATTEMPTS = 3


def connect(port: str, build: str | Path | None = None, *, baud: int | None = None) -> Device:
    """Connect to a board and see that it holds what was built.

    The board is reset: what an earlier user left under way is forgotten.

    Parameters
    ----------
    port
        A serial port: ``/dev/ttyUSB0``, ``COM3``, ``SimulatedBoard.port``.
    build
        The folder that ``kanhw build`` made. None looks for it among the builds of this user, by
        the identity that the board tells.
    baud
        Bits a second; None is the build's, or 1,000,000 where no build is given.

    Returns
    -------
    Device
        Closed by its ``close()``, or at the end of a ``with`` statement.

    Raises
    ------
    InputError
        If there is no such port, it is busy or not to be opened; if the board holds another design
        than the build's, or one that nothing is known of.
    ToolFailed
        If nothing answers, or the board is gone.
    ToolNotFound
        If pyserial is not installed.
    """
    built = None if build is None else load_built(build)
    rate = baud if baud is not None else built.baud if built else DEFAULT_BAUD
    return connect_wire(SerialWire(port, rate), built)


def connect_wire(wire: Wire, built: Built | None = None) -> Device:
    """As :func:`connect`, over any wire; it is closed if that fails."""
    try:
        link = Link(wire)
        link.ask(Kind.RESET, attempts=_ATTEMPTS)
        identity = Identity.from_bytes(link.ask(Kind.IDENTIFY))
        return Device(link, _checked(built, identity, wire.name), identity)
    except BaseException:
        wire.close()
        raise


def _checked(built: Built | None, identity: Identity, port: str) -> Built:
    """The build that the board holds."""
    told = identity.design.hex()
    if built is None:
        found = known_build(told)
        if found is None:
            raise InputError(
                f"The board at {port} holds a design that this user has not built (identity "
                f"{told}): name its folder with --build DIR (build=)"
            )
        return found
    if built.identity != told:
        other = known_builds().get(told)
        which = f", which is {other}" if other else ""
        raise InputError(
            f"The board at {port} holds another design than {built.path} (identity {told}{which}, "
            f"not {built.identity}): load it with 'kanhw program {built.path}'"
        )
    return built
