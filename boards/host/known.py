"""The builds of this user, by identity: what a board that only tells its identity computes."""

from __future__ import annotations

import shutil
from pathlib import Path

from kanhw.boards.built import Built, load_built
from kanhw.errors import InputError
from kanhw.interruption import temporary_folder
from kanhw.tools.cache import Cache, user_cache

__all__ = ["known_build", "known_builds", "remember"]


def remember(build: Path) -> None:
    """Keep a copy of a build's folder in the user's cache, if there is one."""
    cache = _cache()
    if cache is None:
        return
    built = load_built(build)
    # A board of one's own is called by its class, module:Class.
    key = f"{built.identity}-{built.board.replace(':', '.')}"
    if cache.find(key) is not None:
        # The same design, built at another clock.
        shutil.rmtree(cache.folder / key, ignore_errors=True)
    with temporary_folder("kanhw-board-") as temporary:
        copy = temporary / key
        shutil.copytree(build, copy)
        cache.keep(key, copy)


def known_build(identity: str) -> Built | None:
    """The latest build of that identity; None if there is none."""
    cache = _cache()
    if cache is None or not cache.folder.is_dir():
        return None
    folders = [path for path in cache.folder.iterdir() if path.name.startswith(f"{identity}-")]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            return load_built(folder)
        except InputError:  # damaged: as if it were not there
            continue
    return None


def known_builds() -> dict[str, str]:
    """Boards that designs were built for, by identity."""
    cache = _cache()
    if cache is None or not cache.folder.is_dir():
        return {}
    pairs = [path.name.split("-", 1) for path in cache.folder.iterdir() if "-" in path.name]
    return {identity: f"a build for {board}" for identity, board in pairs}


def _cache() -> Cache | None:
    return user_cache("boards")
