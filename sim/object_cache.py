"""Compiling what is the same for every design once: ``python object_cache.py c++ ... -c FILE``.

Verilator's makefiles put ``$(OBJCACHE)`` in front of each call of the compiler. The sources that
stand outside of the folder of the build - Verilator's runtime, the testbench around it - are most
of the work and hardly ever change; their objects are kept in ``$KANHW_OBJECTS``. Sources made of
the design go to the compiler as they are. Runs without kanhw's packages, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["FOLDER_VARIABLE", "environment", "main"]

FOLDER_VARIABLE = "KANHW_OBJECTS"

# Given to every source of a build, though only some of them look at them.
_MACROS = ("-DVM_", "-DKANHW_")


def environment(folder: Path | None) -> dict[str, str]:
    """Give the variables that make Verilator's makefiles use this, with objects in ``folder``."""
    # A cache of the user's own (ccache) stays theirs. None: nothing can be kept.
    if folder is None or os.environ.get("OBJCACHE"):
        return {}
    command = f'"{sys.executable}" -I -S "{Path(__file__).resolve()}"'
    return {"OBJCACHE": command, FOLDER_VARIABLE: str(folder)}


def main(command: Sequence[str]) -> int:
    """Run a compiler's command, or put the object in place that it gave last time."""
    source, place = _shared_source(command), os.environ.get(FOLDER_VARIABLE)
    if source is None or not place:
        return subprocess.call(command)
    target = Path(command[command.index("-o") + 1])
    kept = Path(place) / f"{_key(command, source)}.o"
    # Of two builds at once one compiles, and the other waits for what it keeps.
    with _alone(kept.with_suffix(".lock")):
        try:
            shutil.copyfile(kept, target)
            return 0
        except OSError:
            pass
        status = subprocess.call(command)
        if status == 0:
            # Whether it could be kept or not, it is there.
            with contextlib.suppress(OSError):
                _keep(target, kept)
        return status


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """While this lasts, nobody else holds the lock, where the system and the folder have locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(lock.open("w"))
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Whoever waits for a file that is gone finds the object, or compiles it once more.
            stack.callback(lock.unlink, missing_ok=True)
        yield


def _shared_source(command: Sequence[str]) -> Path | None:
    """The source of a command that compiles one from another folder, without other inclusions."""
    if not {"-c", "-o"} <= set(command) or "-include" in command:
        return None
    sources = [Path(word) for word in command if word.endswith(".cpp")]
    if len(sources) != 1 or sources[0].resolve().parent == Path.cwd():
        return None
    return sources[0]


def _key(command: Sequence[str], source: Path) -> str:
    """A digest of the compiler, its options, the source and all headers that it may include."""
    digest = hashlib.sha256()
    compiler = Path(shutil.which(command[0]) or command[0]).resolve()
    status = compiler.stat()
    words = [word for word in command[1:] if word != str(source)]
    target = words.index("-o") + 1
    digest.update(repr((compiler, status.st_size, status.st_mtime_ns)).encode())
    folders = [Path(word[2:]) for word in words if word.startswith("-I") and word != "-I."]
    headers = [path for folder in folders for path in sorted(folder.glob("*.h"))]
    # The runtime knows no design; a testbench sees one header of it, that of its ports.
    runtime = source.resolve().parent in [folder.resolve() for folder in folders]
    own = [] if runtime else sorted(Path.cwd().glob("*.h"))
    ports = [path for path in own if "__" not in path.name]
    texts = [path.read_bytes() for path in (source, *headers, *ports)]
    options = [word for word in words[:target] + words[target + 1 :] if _counts(word, texts)]
    digest.update(repr(options).encode())
    for text in texts:
        digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()[:32]


def _counts(option: str, texts: Sequence[bytes]) -> bool:
    """Whether an option matters: all but macros of Verilator's and ours that no text mentions."""
    if not option.startswith(_MACROS):
        return True
    name = option.removeprefix("-D").partition("=")[0].encode()
    return any(name in text for text in texts)


def _keep(built: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as temporary:
        # Under its final name only when complete: another process may look for it now.
        shutil.copyfile(built, Path(temporary) / place.name).replace(place)


if __name__ == "__main__":
    # A build that is ended leaves no temporary folder in the cache.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main(sys.argv[1:]))
