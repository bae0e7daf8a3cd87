"""Building a Program for a board: the clock is chosen and checked, and a folder written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kanhw.boards.build.families import family_of
from kanhw.boards.build.flow import DoesNotFit, Sources
from kanhw.boards.build.placing import (
    Placed,
    Toolchain,
    check_platforms,
    find_toolchain,
    place,
    sources,
)
from kanhw.boards.build.plls import PllSetting, nearest_below
from kanhw.boards.built import COMMANDS, TOP_VERILOG, Built, load_built
from kanhw.boards.catalogue.board import Board
from kanhw.design.manifest import MANIFEST, PROGRAM_FILE, sealed_bytes, sha256_of_bytes
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.flow.overwriting import ours
from kanhw.folders import write_folder
from kanhw.program import Program, program_bytes
from kanhw.schedule.schedule import Schedule

if TYPE_CHECKING:
    from kanhw.boards.link.assembled import LinkedNetwork

__all__ = ["AUTO", "MARGIN", "build_for_board", "setting_for"]

AUTO = "auto"
"""The clock that place and route reach."""

MARGIN = 1.05
"""By which what is reached exceeds a clock that was chosen so."""

_TRIES = 4
# Reports round; a default that nobody asked for is further off.
_SAME_CLOCK = 0.005


def build_for_board(
    program: Program,
    schedules: Schedule | Iterable[Schedule],
    board: Board,
    out: str | Path,
    *,
    clock: str | float | None = None,
    baud: int | None = None,
    seed: int = 1,
    cached: bool = True,
    force: bool = False,
    project: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Built:
    """Build a Program for a board.

    Parameters
    ----------
    program
        What to compute.
    schedules
        How it is laid out: of several the first that fits.
    board
        Where.
    out
        The folder to make. One that holds a build that nobody changed gives way.
    clock
        MHz, made by a PLL if it is not the oscillator's; ``auto`` for the fastest that place and
        route meet with 5 % to spare; None is the oscillator's.
    baud
        Bits a second of the UART; None is the board's.
    seed
        Of the placement.
    cached
        Whether runs of the tools may be taken from the user's cache.
    force
        Whether to write over other files of these names.
    project
        Write what the tools read and their commands, but run none: there is no bitstream then, and
        nothing is known of the timing.
    say
        Is told what is being done.

    Raises
    ------
    InputError
        If the folder holds something else, the clock cannot be made or is not met, or the design
        does not fit the board.
    ToolNotFound, ToolFailed
        If a program is missing, or one fails.
    """
    if clock is not None and clock != AUTO:
        _clock_hz(board, clock)
    tools = None if project else _toolchain(board, say)
    error: DoesNotFit | None = None
    folded = False
    for schedule in [schedules] if isinstance(schedules, Schedule) else schedules:
        if error is not None:
            say(f"it does not fit ({error}): a schedule that takes less")
        wanted = _Wanted(program, schedule, board, board.baud if baud is None else baud, seed)
        if tools is None:
            return _project(Path(out), wanted, clock, force=force)
        search = _Search(wanted, tools, cached, say)
        try:
            linked, given, placed = (
                search.auto() if clock == AUTO else search.at(_clock_hz(board, clock))
            )
        except DoesNotFit as found:
            error, folded = found, schedule.kind == "folded"
            continue
        _write(Path(out), wanted, linked, given, placed, tools, force=force)
        return load_built(out)
    advice = "" if folded else "fold it (--schedule folded), "
    raise InputError(
        f"The design does not fit {board.title} ({board.device}): {error}; {advice}quantize it "
        "with fewer bits, or take a larger board ('kanhw boards')"
    ) from error


def _toolchain(board: Board, say: Callable[[str], None]) -> Toolchain | None:
    """The programs; None where they are missing and the project is to be built elsewhere."""
    try:
        return find_toolchain(board)
    except ToolNotFound as error:
        if not family_of(board).flow.elsewhere:
            raise
        check_platforms()
        say(f"{error}: the project is written, not built")
        return None


_Result = tuple["LinkedNetwork", Sources, Placed]


@dataclass(frozen=True)
class _Wanted:
    """What is to be built, but for the clock."""

    program: Program
    schedule: Schedule
    board: Board
    baud: int
    seed: int

    def hz(self, setting: PllSetting | None) -> int:
        """The clock of a PLL, or the oscillator's."""
        return round(self.board.clock_mhz * 1e6) if setting is None else setting.hz

    def linked(self, setting: PllSetting | None) -> tuple[LinkedNetwork, Sources]:
        """The network with its link at a clock, and what the tools read."""
        from kanhw.boards.link.assembled import linked_network

        linked = linked_network(
            self.program, self.schedule, clock_hz=self.hz(setting), baud=self.baud
        )
        return linked, sources(linked.top, self.board, setting, seed=self.seed)


class _Search:
    """Runs of the tools for one design at different clocks."""

    def __init__(
        self, wanted: _Wanted, tools: Toolchain, cached: bool, say: Callable[[str], None]
    ) -> None:
        self._tools = tools
        self._wanted, self._cached, self._say = wanted, cached, say

    def at(self, hz: float) -> _Result:
        """At a clock, which must be met."""
        board = self._wanted.board
        linked, given, placed = self._place(setting_for(board, hz))
        mhz, reached = linked.identity.clock_hz / 1e6, placed.reached.achieved_mhz
        if reached < mhz:
            raise InputError(
                f"{board.title} cannot run this design at {mhz:g} MHz: place and route reach "
                f"{reached:g} MHz; take --clock auto or a slower clock, or fewer adder levels "
                "between registers"
            )
        return linked, given, placed

    def auto(self) -> _Result:
        """At the fastest clock that is met with the margin."""
        flow, board = self._tools.family.flow, self._wanted.board
        setting = setting_for(board, max(flow.probe_mhz, board.clock_mhz) * 1e6)
        for _ in range(_TRIES):
            linked, given, placed = self._place(setting)
            mhz, reached = linked.identity.clock_hz / 1e6, placed.reached.achieved_mhz
            if reached >= MARGIN * mhz:
                return linked, given, placed
            # Another clock has another UART, and another placement.
            setting = setting_for(board, min(reached / MARGIN, 0.97 * mhz) * 1e6)
        raise ToolFailed(
            f"No clock was met with {100 * (MARGIN - 1):.0f} % to spare in {_TRIES} runs of "
            f"{flow.title}, the last of them at {mhz:g} MHz: name one with --clock MHZ"
        )

    def _place(self, setting: PllSetting | None) -> _Result:
        wanted, hz = self._wanted, self._wanted.hz(setting)
        self._say(f"place and route for {wanted.board.title} at {hz / 1e6:g} MHz")
        linked, given = wanted.linked(setting)
        placed = place(given, self._tools, cached=self._cached)
        # Some tools pass at a clock that nobody asked for.
        asked = placed.reached.asked_mhz
        if abs(asked * 1e6 / hz - 1) > _SAME_CLOCK:
            raise ToolFailed(
                f"{self._tools.family.flow.title} was asked for {hz / 1e6:g} MHz, but its report "
                f"speaks of {asked:g} MHz, so the timing of this build is not known"
            )
        return linked, given, placed


def _project(out: Path, wanted: _Wanted, clock: str | float | None, *, force: bool) -> Built:
    """The folder without what tools make."""
    if clock == AUTO:
        raise InputError("Without place and route no clock is found: name one with --clock MHZ")
    linked, given = wanted.linked(setting_for(wanted.board, _clock_hz(wanted.board, clock)))
    _write(out, wanted, linked, given, force=force)
    return load_built(out)


def setting_for(board: Board, hz: float) -> PllSetting | None:
    """The PLL for the fastest clock up to one; None is the oscillator."""
    oscillator = board.clock_mhz * 1e6
    made = nearest_below(family_of(board).settings(board.clock_mhz), hz)
    if oscillator <= hz and (made is None or made.hz <= oscillator):
        return None
    if made is None:
        raise InputError(
            f"{board.title} makes no clock as slow as {hz / 1e6:g} MHz of its "
            f"{board.clock_mhz:g} MHz: fold the design further, or take fewer adder levels between "
            "registers"
        )
    return made


def _clock_hz(board: Board, clock: str | float | None) -> float:
    if clock is None:
        return board.clock_mhz * 1e6
    try:
        mhz = float(clock)
    except ValueError:
        mhz = 0.0
    if not 0 < mhz < 1000:
        raise InputError(f"The clock must be {AUTO!r} or a number of MHz, as in 48, not {clock!r}")
    return mhz * 1e6


def _write(
    out: Path,
    wanted: _Wanted,
    linked: LinkedNetwork,
    given: Sources,
    placed: Placed | None = None,
    tools: Toolchain | None = None,
    *,
    force: bool,
) -> None:
    from kanhw import __version__
    from kanhw.boards.host.known import remember
    from kanhw.gateware.top.verilog import to_verilog

    board, flow = wanted.board, family_of(wanted.board).flow
    files = {
        **(placed.files if placed else given.files),
        PROGRAM_FILE: program_bytes(wanted.program),
        TOP_VERILOG: to_verilog(linked.top, Path(TOP_VERILOG).stem).encode(),
        COMMANDS: "".join(f"{step}\n" for step in given.steps).encode(),
    }
    used = tools.programs if tools else ()
    built = Built(
        path=out,
        board=board.name,
        device=board.device,
        identity=linked.identity.design.hex(),
        clock_mhz=linked.identity.clock_hz / 1e6,
        fmax_mhz=placed.reached.achieved_mhz if placed else None,
        bitstream=flow.bitstream if placed else None,
        utilisation=placed.reached.utilisation if placed else {},
        baud=wanted.baud,
        divisor=linked.divisor,
        schedule=wanted.schedule,
        latency_cycles=linked.latency_cycles,
        initiation_interval=linked.initiation_interval,
        input=linked.input,
        output=linked.output,
        details={
            "kanhw": __version__,
            "tools": [str(tool) for tool in used],
            # What the commands make, where they have not run.
            "makes": flow.bitstream,
            "pins": {
                "uart": board.uart or "of the platform",
                "leds": list(board.leds),
                "button": board.button,
            },
            "platform": board.platform,
        },
    )
    hashes = {name: sha256_of_bytes(content) for name, content in files.items()}
    manifest = {**built.to_json(), "files": hashes}
    files[MANIFEST] = sealed_bytes(manifest)
    write_folder(out, files, ours=ours, force=force)
    remember(out)
