"""Which workers a run has."""

from __future__ import annotations

import os

from kanhw.errors import InputError
from kanhw.exploration.running.pool import HerePool, Pool
from kanhw.exploration.running.store import Store
from kanhw.values import is_integer

__all__ = ["pool_for"]


def pool_for(store: Store, processes: int | None, dask: str | None) -> Pool:
    """The workers of a run.

    Parameters
    ----------
    store
        Where results go.
    processes
        On this machine; 1 is this process, None one a processor.
    dask
        The address of a scheduler, which has workers elsewhere.

    Raises
    ------
    InputError
        If the number of processes is none, or there is no scheduler.
    ToolNotFound
        If dask is not installed.
    """
    if dask is not None:
        from kanhw.exploration.running.cluster import DaskPool

        return DaskPool(store, dask)
    count = _processors() if processes is None else processes
    if not is_integer(count) or not 1 <= count <= 1024:
        raise InputError(f"processes must be an integer of 1 to 1024, not {count!r}")
    if count == 1:
        return HerePool(store)
    from kanhw.exploration.running.local import LocalPool

    return LocalPool(store, count)


def _processors() -> int:
    """How many this process may use; not every system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
