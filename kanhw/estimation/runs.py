"""From Verilog to resource estimates: one Yosys run for each recipe of each target."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kanhw.design.design import load_design
from kanhw.errors import InputError, ToolFailed
from kanhw.estimation.place_and_route import PlacedTiming, check_seeds, place_and_route
from kanhw.estimation.resources import ResourceEstimate
from kanhw.interruption import temporary_folder
from kanhw.targets.lut import LUT_INPUTS
from kanhw.targets.table import target_named
from kanhw.targets.target import Target
from kanhw.tools.verilog_memories import copy_for_yosys
from kanhw.tools.yosys import DEFAULT_TIMEOUT, run_script, yosys_version

__all__ = ["estimate_design", "estimate_many", "estimate_verilog", "netlist_in"]

# Words of tables with more address bits than a LUT has, from which one recipe is enough: of 41,000
# a run takes a minute of a processor, and memory for every word.
_MANY_WORDS = 100_000
# Memories that gateware asks to be logic, and their last word.
_TABLES = re.compile(r'\(\* ram_style = "logic" \*\)\s+(?:\(\*[^*]*\*\)\s+)*reg [^;]*\[(\d+):0\];')

STAT_NAME = "stat.json"
NETLIST_NAME = "netlist.json"


@dataclass(frozen=True)
class _Run:
    """One synthesis: everything that Yosys has to be told."""

    verilog: Path
    top: str
    target: Target
    recipe: str
    flags: tuple[str, ...]
    timeout: float
    stop: threading.Event
    seeds: int = 0  # of placing and routing; 0: leave that
    keep: Path | None = None  # where the netlist is left, by the recipe

    def __call__(self) -> ResourceEstimate:
        try:
            return self._estimate()
        except ToolFailed as error:
            # A fault of Yosys in one of its passes, not of the Verilog.
            spare = self.target.spare
            if spare is None or "ERROR: Assert" not in str(error):
                raise
            return replace(self, recipe=spare[0])._estimate()

    def _estimate(self) -> ResourceEstimate:
        commands = self.target.script(self.recipe, self.top, self.flags)
        started = time.perf_counter()
        with temporary_folder("kanhw-yosys-") as folder:
            cells = self._cells(folder, commands)
            seconds = round(time.perf_counter() - started, 2)
            timing = self._timing(folder)
            if self.keep is not None:
                shutil.move(folder / NETLIST_NAME, netlist_in(self.keep, self.recipe))
        return ResourceEstimate(
            target=self.target.name,
            bram_unit=self.target.bram_unit,
            recipe=self.recipe,
            tool=yosys_version(),
            script=commands,
            seconds=seconds,
            timing=timing,
            **asdict(self.target.count(cells)),
        )

    def _cells(self, folder: Path, commands: str) -> dict[str, int]:
        """The number of cells by type after synthesis in an empty folder."""
        system = self.verilog.suffix == ".sv"
        # A name of ours: theirs may hold characters that mean something in a Yosys script.
        copy = f"design{'.sv' if system else '.v'}"
        copy_for_yosys(self.verilog, folder, copy)
        read = f"read_verilog{' -sv' if system else ''} {copy}\n"
        keep = f"write_json {NETLIST_NAME}\n" if self.seeds or self.keep else ""
        try:
            run_script(
                f"{read}{commands}tee -q -o {STAT_NAME} stat -json\n{keep}",
                folder,
                timeout=self.timeout,
                stop=self.stop,
            )
        except ToolFailed as error:
            reason = str(error).replace(copy, self.verilog.name)
            raise ToolFailed(
                f"Synthesis of {self.verilog} for {self.target.name} ({self.recipe}): {reason}"
            ) from error
        stat = json.loads((folder / STAT_NAME).read_text(encoding="utf-8"))
        cells: dict[str, int] = stat["design"]["num_cells_by_type"]
        return cells

    def _timing(self, folder: Path) -> PlacedTiming | None:
        """The clock of the netlist that synthesis left in the folder, if it was asked for."""
        if not self.seeds:
            return None
        try:
            return place_and_route(
                folder / NETLIST_NAME,
                self.target.name,
                seeds=self.seeds,
                timeout=self.timeout,
                stop=self.stop,
            )
        except ToolFailed as error:
            raise ToolFailed(f"Placing {self.verilog} on {self.target.name}: {error}") from error


def estimate_verilog(
    verilog: str | Path,
    top: str,
    target: str,
    *,
    flags: Sequence[str] = (),
    timeout: float = DEFAULT_TIMEOUT,
    jobs: int = 2,
    fmax: bool = False,
    seeds: int = 3,
) -> ResourceEstimate:
    """Estimate what a Verilog file takes on a target, by synthesising it with Yosys.

    Every recipe of the target is run and the result with the fewest LUTs is taken whole; of a
    design with very many large tables the one that suits these is run alone.

    Parameters
    ----------
    verilog
        One self-contained file, Verilog-2005 (or SystemVerilog as ``.sv``).
    top
        Name of its top module.
    target
        A key of ``kanhw.estimation.TARGETS``, such as ``xcup``.
    flags
        Further options of the target's ``synth_*`` command, such as ``-nobram``.
    timeout
        Seconds that one Yosys run may take.
    jobs
        Runs at a time, at most one a processor.
    fmax
        Whether to place and route as well, for the clock that the design reaches, where the target
        can be.
    seeds
        How many times, one after the other; the clock is the median.

    Raises
    ------
    InputError
        If the file, the module's name, the target, a flag or ``seeds`` is not usable.
    ToolNotFound
        If there is no Yosys, or no nextpnr.
    ToolFailed
        If a tool fails.
    """
    return estimate_many(
        verilog, top, [target], flags=flags, timeout=timeout, jobs=jobs, fmax=fmax, seeds=seeds
    )[0]


def estimate_design(
    design_dir: str | Path,
    target: str,
    *,
    flags: Sequence[str] = (),
    timeout: float = DEFAULT_TIMEOUT,
    jobs: int = 2,
    fmax: bool = False,
    seeds: int = 3,
    keep: Path | None = None,
) -> ResourceEstimate:
    """Estimate what a generated design takes on a target; options as in :func:`estimate_verilog`.

    Parameters
    ----------
    design_dir
        The folder that ``kanhw.generate`` made.
    target, flags, timeout, jobs, fmax, seeds
        As in :func:`estimate_verilog`.
    keep
        As in :func:`estimate_many`.
    """
    design = load_design(design_dir)
    return estimate_many(
        design.verilog_path,
        design.top,
        [target],
        flags=flags,
        timeout=timeout,
        jobs=jobs,
        fmax=fmax,
        seeds=seeds,
        keep=keep,
    )[0]


def estimate_many(
    verilog: str | Path,
    top: str,
    targets: Sequence[str],
    *,
    flags: Sequence[str] = (),
    timeout: float = DEFAULT_TIMEOUT,
    jobs: int = 2,
    fmax: bool = False,
    seeds: int = 3,
    on_done: Callable[[ResourceEstimate], None] | None = None,
    keep: Path | None = None,
) -> list[ResourceEstimate]:
    """Estimate what a Verilog file takes on several targets; see :func:`estimate_verilog`.

    Parameters
    ----------
    verilog, top, flags, timeout, fmax, seeds
        As in :func:`estimate_verilog`; the flags go to every target.
    targets
        Names of targets.
    jobs
        Runs at a time, at most one a processor. A target has one run for each of its recipes.
    on_done
        Called in this thread with each target's estimate as soon as it is known.
    keep
        A folder in which the netlist of every recipe is left (:func:`netlist_in`), of one target.

    Returns
    -------
    list of ResourceEstimate
        In the order of ``targets``.

    Raises
    ------
    InputError, ToolNotFound, ToolFailed
        As in :func:`estimate_verilog`. After a failure the other runs are ended.
    """
    source = _checked_source(verilog, top, flags)
    if not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs must be a positive integer, not {jobs!r}")
    chosen = {name: target_named(name) for name in targets}
    if fmax:
        for name in chosen:
            check_seeds(name, seeds)
    yosys_version()  # A missing tool is reported before any work, and threads share the answer.
    stop = threading.Event()
    recipes = {name: _recipes(target, source) for name, target in chosen.items()}
    runs = [
        _Run(source, top, target, recipe, tuple(flags), timeout, stop, seeds if fmax else 0, keep)
        for name, target in chosen.items()
        for recipe in recipes[name]
    ]
    waiting = {name: len(own) for name, own in recipes.items()}
    results: dict[str, list[ResourceEstimate]] = {name: [] for name in chosen}
    best: dict[str, ResourceEstimate] = {}
    with ThreadPoolExecutor(min(jobs, os.cpu_count() or 1)) as pool:
        futures: list[Future[ResourceEstimate]] = [pool.submit(run) for run in runs]
        try:
            for future in as_completed(futures):
                result = future.result()
                results[result.target].append(result)
                if len(results[result.target]) == waiting[result.target]:
                    best[result.target] = _fewest_luts(results[result.target])
                    if on_done is not None:
                        on_done(best[result.target])
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [best[name] for name in targets]


def _recipes(target: Target, verilog: Path) -> tuple[str, ...]:
    """Those that are run: all, or the one for large tables where these are most of a design."""
    if target.table_recipe is None:
        return tuple(target.recipes)
    depths = (
        int(last) + 1
        for last in _TABLES.findall(verilog.read_text(encoding="utf-8", errors="surrogateescape"))
    )
    large = sum(words for words in depths if words > 1 << LUT_INPUTS)
    return tuple(target.recipes) if large < _MANY_WORDS else (target.table_recipe,)


def netlist_in(folder: Path, recipe: str) -> Path:
    """The file of a recipe's netlist, in the folder where :func:`estimate_many` kept it."""
    return folder / f"{recipe}.json"


def _fewest_luts(results: Sequence[ResourceEstimate]) -> ResourceEstimate:
    """The smallest result, with the LUTs of the others beside it."""
    target = target_named(results[0].target)
    recipes = [*target.recipes, *(target.spare or ())]
    ordered = sorted(results, key=lambda result: (result.lut, recipes.index(result.recipe)))
    return replace(ordered[0], alternatives={other.recipe: other.lut for other in ordered[1:]})


def _checked_source(verilog: str | Path, top: str, flags: Sequence[str]) -> Path:
    """The Verilog's path, after all that would be pasted into a Yosys script was checked."""
    path = Path(verilog)
    if not path.is_file():
        raise InputError(f"There is no Verilog file {path}")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", top):
        raise InputError(f"The top module must be named by a Verilog identifier, not {top!r}")
    for flag in flags:
        if not re.fullmatch(r"[A-Za-z0-9_.,:+-]+", flag):
            raise InputError(
                f"A synthesis flag must be one word of a Yosys command, like -nobram, not {flag!r}"
            )
    return path
