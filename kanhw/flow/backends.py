"""Back ends: what a Program and a schedule are written as. The table of them, and their options.

A back end is a room of its own and one registration: a line in :data:`BACKENDS`, or
:func:`register_backend` for one that is not part of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kanhw.design.manifest import VERILOG
from kanhw.errors import InputError
from kanhw.flow.backend import Backend
from kanhw.hls.design import HLS
from kanhw.program import Program

__all__ = ["BACKENDS", "backend_named", "check_takes", "options_for", "register_backend"]


def _verilog() -> Backend:
    from kanhw.flow.verilog_backend import VerilogBackend

    return VerilogBackend()


def _hls() -> Backend:
    from kanhw.flow.hls_backend import HlsBackend

    return HlsBackend()


BACKENDS: dict[str, Callable[[], Backend]] = {VERILOG: _verilog, HLS: _hls}
"""What makes each back end, by name; it is imported when it is used."""


# Arguments of kanhw.generate that are not handed to back ends.
_OWN_ARGUMENTS = (
    *("program", "out", "schedule", "argmax", "backend", "force"),
    *("input_format", "output_format"),
)


def register_backend(backend: Backend) -> None:
    """Make a back end known to :func:`kanhw.generate` and ``kanhw generate --backend``.

    Raises
    ------
    InputError
        If there is one of its name, or an option of it has the name of an argument of
        :func:`kanhw.generate` other than ``interface``.
    """
    for name in backend.options:
        if name in _OWN_ARGUMENTS:
            raise InputError(
                f"The back end {backend.name!r} cannot have an option {name!r}, since "
                "kanhw.generate has an argument of that name: give it another name"
            )
    if backend.name in BACKENDS:
        raise InputError(f"There is a back end {backend.name!r} already: give yours another name")
    BACKENDS[backend.name] = lambda: backend


def backend_named(name: str) -> Backend:
    """The back end of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in BACKENDS:
        raise InputError(f"Unknown back end {name!r}: the back ends are {', '.join(BACKENDS)}")
    return BACKENDS[name]()


def check_takes(backend: Backend, program: Program) -> None:
    """Refuse a Program whose inputs are converted, if the back end does not say that it can.

    It says so by an attribute ``converts_inputs`` that is True. One that knows nothing of
    conversions would write a network that takes other codes than its ports promise.

    Raises
    ------
    InputError
        If it does not.
    """
    if program.conversion is not None and not getattr(backend, "converts_inputs", False):
        raise InputError(
            f"The back end {backend.name!r} does not convert inputs: leave the input format out, "
            "and give the design the network's own codes"
        )


def options_for(backend: Backend, options: Mapping[str, object]) -> dict[str, object]:
    """The options that a user gave (those that are not None), all known to the back end.

    Raises
    ------
    InputError
        If it does not take one of them.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in backend.options:
            allowed = ", ".join(backend.options) or "no options"
            raise InputError(
                f"The back end {backend.name!r} does not take {name!r}: it takes {allowed}"
            )
    return given
