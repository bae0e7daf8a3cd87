"""What to write to a design at run time to give one of its heads other contents."""

from __future__ import annotations

from pathlib import Path

from kanhw.design.design import Design, load_design
from kanhw.errors import InputError
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import IntArray
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["head_writes"]


def head_writes(design: Design | str | Path, program: Program, head: int = 0) -> IntArray:
    """The words that give a head of a design the contents of a network, ``[writes, 2]``.

    Parameters
    ----------
    design
        Of a Program with writable heads, or its folder.
    program
        The new contents: a network without heads that shares the design's codebooks, or a Program
        with heads, of which ``head`` is taken.
    head
        The head that it is to become.

    Returns
    -------
    Numbers of 32-bit words, and their contents, in the order in which they are written. For
    "axi4-stream" word a is at byte ``window + 4 a``, where the register WINDOW holds ``window``.
    Then the head's number is committed.

    Raises
    ------
    InputError
        If the design's heads cannot be written, or the network does not fit.
    """
    loaded = design if isinstance(design, Design) else load_design(design)
    if not loaded.control_bits:
        raise InputError(
            f"The heads of {loaded.path} cannot be written: join them with writable=True"
        )
    own = loaded.load_program()
    changed = own.with_head(head, program.head(head if program.heads > 1 else 0))
    # The hardware is only asked where its memories are.
    with unbuilt():
        return _image(own, loaded.schedule, changed.head(head))


def _image(program: Program, schedule: Schedule, head: Program) -> IntArray:
    from kanhw.gateware.top.stream_top import StreamTop

    streams = StreamTop(program, schedule).heads
    if streams is None or not streams.writable:  # pragma: no cover - the manifest says otherwise
        raise InputError("This Program has no heads that can be written")
    return streams.map.image(head)
