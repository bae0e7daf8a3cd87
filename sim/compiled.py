"""Compiled simulators: kept by the content of all that they were made from, and used again."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from kanhw.sim import object_cache
from kanhw.tools.cache import Cache, user_cache

__all__ = ["MAKEFLAGS", "build_digest", "compiled_simulators", "shared_objects"]

# The set-up code runs once: compiling it is what it costs. The same for every simulation, since
# the runtime is then compiled once for all of them.
MAKEFLAGS = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"


def compiled_simulators(build_dir: str | Path | None) -> Cache | None:
    """Give the cache of compiled simulators: a folder of the caller's, or the user's own.

    Parameters
    ----------
    build_dir
        The caller's; None takes the user's cache, which may be absent.
    """
    if build_dir is not None:
        return Cache(Path(build_dir).resolve())
    return user_cache("simulators")


def build_digest(*parts: object) -> str:
    """Give the key of what is built from ``parts`` (bytes, or by their ``repr``) on this system."""
    digest = hashlib.sha256()
    for part in (*parts, platform.platform()):
        data = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:16]


def shared_objects() -> dict[str, str]:
    """Give the variables of a build that takes Verilator's runtime from the user's cache."""
    objects = user_cache("objects")
    if objects is None:
        return object_cache.environment(None)
    # Compilers and versions of Verilator come and go, and leave theirs behind.
    objects.trim()
    return object_cache.environment(objects.folder)
