"""Fixtures and settings that every test shares."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest

SHARED = Path(os.environ.get("KANHW_SHARED") or Path(__file__).parents[2] / "shared")
SHARED_ABSENT = "../shared is absent"

# Two test processes on two cores: more threads each would only fight.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Simulations take what they take, so no deadline. A failure must be one for everybody, so the
# examples are the same every time, and few; 'make fuzz' draws others, more of them, and prints what
# to pin with @example.
hypothesis.settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, max_examples=40
)
hypothesis.settings.register_profile(
    "fuzz", deadline=None, print_blob=True, database=None, max_examples=150
)
hypothesis.settings.load_profile("default")


# Started by nohup, or in the background of a script, tests and what they start would ignore these.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a ``$KANHW_SHARED`` that names nothing: skipping would hide the mistake."""
    if os.environ.get("KANHW_SHARED") and not SHARED.is_dir():
        raise pytest.UsageError(f"KANHW_SHARED={SHARED} is not a folder: correct it or unset it")
    # What tests compile is kept beside pytest's own cache; 'make clean' removes both.
    os.environ.setdefault("KANHW_CACHE", str(config.rootpath / ".pytest_cache" / "kanhw"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark as ``wide`` what ``some(n)`` leaves over: all but n cases of a test."""
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("some")
        if mark and not item.get_closest_marker("slow"):
            cases[item.nodeid.partition("[")[0], *mark.args].append(item)
    for (_, count), own in cases.items():
        kept = _spread(len(own), count)
        for place, item in enumerate(own):
            if place not in kept:
                item.add_marker("wide")


def _spread(count: int, kept: int) -> set[int]:
    """So many places of a list. Steps of the golden ratio, which no period of parameters meets."""
    places: set[int] = set()
    step = 0
    while len(places) < min(kept, count):
        places.add(int(step * 0.6180339887498949 % 1 * count))
        step += 1
    return places


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of reference networks and vectors, beside the repository or $KANHW_SHARED."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED_ABSENT}: set KANHW_SHARED to the folder of reference networks")
    return SHARED.resolve()


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say what an absent ``../shared`` left untested, above the closing line."""
    yield
    if SHARED.is_dir():
        return
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(SHARED_ABSENT in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(
        f"{SHARED_ABSENT}: {count} tests against reference networks did not run "
        "(set KANHW_SHARED to that folder)",
        yellow=True,
    )
