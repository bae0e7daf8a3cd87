"""The folder that keeps what was computed: a file a result, named by what made it.

Files appear whole, so that whatever ends a run loses only what was under way, and two runs in one
folder share what they have in common.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kanhw.entries import Entry, read_json_object
from kanhw.errors import InputError
from kanhw.exploration.running.jobs import Job, Outcome
from kanhw.exploration.study.point import Point, Stage
from kanhw.exploration.study.study import Study, load_study, save_study
from kanhw.files import write_json
from kanhw.places import resolved, written_by
from kanhw.program import Program, load_program, save_program

__all__ = ["Store", "load_store", "open_store"]

_HEAD, _INPUTS, _POINTS, _STAGES, _CLAIMS = "explore.json", "inputs", "points", "stages", "claims"
_FORMAT = 1


class Store:
    """The results of one study in a folder.

    Parameters
    ----------
    folder
        Where.
    study
        Whose.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        self.folder, self.study = folder, study
        self._claims: int | None = None

    @property
    def inputs(self) -> Path:
        """The folder of the model and the data."""
        return self.folder / _INPUTS

    def point_name(self, job: Mapping[str, Any]) -> str:
        """The name of a point, of its configuration as JSON."""
        return self.study.name_of({"point": job})

    def stage_name(self, choices: Mapping[str, Any]) -> str:
        """The name of a stage, of what makes it."""
        return self.study.name_of({"stage": choices})

    def point(self, name: str) -> Point | None:
        """A point that was computed; None where it was not."""
        path = self.folder / _POINTS / f"{name}.json"
        return Point.from_json(read_json_object(path), str(path)) if path.is_file() else None

    def stage(self, name: str) -> Stage | None:
        """A stage that was computed; None where it was not."""
        path = self.folder / _STAGES / f"{name}.json"
        return Stage.from_json(read_json_object(path), str(path)) if path.is_file() else None

    def points(self) -> list[Point]:
        """Every point of this study and this version that the folder holds, by name.

        What another version computed is left out.
        """
        found = []
        for path in self.point_files():
            point = Point.from_json(read_json_object(path), str(path))
            if self.point_name(point.configuration.to_json()) == point.name:
                found.append(point)
        return found

    def point_files(self) -> list[Path]:
        """The files of all points, by name."""
        return sorted((self.folder / _POINTS).glob("*.json"))

    def program_path(self, stage: str) -> Path:
        """Where the Program of a stage is."""
        return self.folder / _STAGES / f"{stage}.safetensors"

    def given(self, job: Job) -> tuple[Stage, Program] | None:
        """What a job needs: the stage of a point with its Program; None for a stage."""
        if not job.stage:
            return None
        stage = self.stage(job.stage)
        if stage is None:
            raise InputError(f"{self.folder} has lost the stage {job.stage}: explore it again")
        return stage, load_program(self.program_path(job.stage))

    def keep(self, outcome: Outcome) -> None:
        """Write a result."""
        record = outcome.record
        if isinstance(record, Point):
            write_json(self.folder / _POINTS / f"{record.name}.json", record.to_json())
            return
        if outcome.program is not None:
            save_program(outcome.program, self.program_path(record.name))
        # The record comes last: where it is, all is.
        write_json(self.folder / _STAGES / f"{record.name}.json", record.to_json())

    def claim(self, name: str) -> bool:
        """Whether this process may compute a result; not while another process does.

        The system takes claims back when a process ends, however it ends. Where there are no such
        locks (Windows) two runs may compute the same.
        """
        try:
            import fcntl

            fcntl.lockf(self._claim_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(name))
        except (BlockingIOError, PermissionError):
            return False
        except (ImportError, OSError):
            return True
        return True

    def release(self, name: str) -> None:
        """Give a claim back."""
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.lockf(self._claim_file(), fcntl.LOCK_UN, 1, _offset(name))

    def close(self) -> None:
        """Give all claims back."""
        if self._claims is not None:
            os.close(self._claims)
            self._claims = None

    def _claim_file(self) -> int:
        if self._claims is None:
            path = self.folder / _CLAIMS
            self._claims = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._claims


def _offset(name: str) -> int:
    """A byte of the file of claims, of which names share none by any likely chance."""
    return int(name[:15], 16)


@contextlib.contextmanager
def open_store(folder: str | Path, study: Study) -> Iterator[Store]:
    """The store of a study, made where there is none.

    Parameters
    ----------
    folder
        New or empty, or an exploration of the same model and data.
    study
        Model and data.

    Raises
    ------
    InputError
        If it holds something else, or cannot be made.
    """
    place = resolved(folder, "a folder")
    with written_by(folder):
        place.mkdir(parents=True, exist_ok=True)
        present = sorted(entry.name for entry in place.iterdir())
        own = {"format": _FORMAT, **study.inputs}
        if _HEAD in present:
            _check_same(place, own)
        elif set(present) - {_INPUTS, _POINTS, _STAGES, _CLAIMS}:
            raise InputError(
                f"{folder} already holds something else ({', '.join(present[:4])}): remove it, or "
                "name another folder"
            )
        for part in (_POINTS, _STAGES):
            (place / part).mkdir(exist_ok=True)
    if _HEAD not in present:
        save_study(study, place / _INPUTS)
        write_json(place / _HEAD, own)
    store = Store(place, study)
    try:
        yield store
    finally:
        store.close()


def load_store(folder: str | Path) -> Store:
    """The store of a folder that was explored before.

    Raises
    ------
    InputError
        If it is none, or is damaged.
    """
    place = Path(folder)
    if not (place / _HEAD).is_file():
        raise InputError(
            f"{folder} is no exploration: name a folder that 'kanhw explore MODEL --out' made"
        )
    head = _head(place)
    return Store(place, load_study(place / _INPUTS, argmax=head["argmax"]))


def _check_same(place: Path, own: Mapping[str, Any]) -> None:
    head = _head(place)
    for name in ("model", "calibration", "held_out", "argmax"):
        if head[name] != own[name]:
            what = {
                "model": "another model",
                "calibration": "other data",
                "held_out": "other held-out data",
                "argmax": "outputs" if own["argmax"] else "class indices",
            }[name]
            raise InputError(f"{place} is an exploration of {what}: name another folder")


def _head(place: Path) -> dict[str, Any]:
    entry = Entry(read_json_object(place / _HEAD), str(place / _HEAD))
    if entry.integer("format") != _FORMAT:
        raise InputError(
            f"{place} was explored by another version of kanhw (format {entry.integer('format')}, "
            f"not {_FORMAT}): name another folder"
        )
    head = {name: entry.text(name) for name in ("model", "calibration", "held_out")}
    return {**head, "argmax": entry.boolean("argmax")}
