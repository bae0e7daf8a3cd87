"""Runs that are killed, and workers of a cluster that are: the same front in the end."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from explored import POINTS, SPACE, STAGES, front, small_data, small_model

import kanhw

# A run of its own, as a process that can be killed.
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
import kanhw
from explored import SPACE, small_data, small_model
kanhw.explore(small_model(), small_data(), sys.argv[1], space=SPACE, objectives=("accuracy", "lut"),
    processes=2)
"""


def explore(folder, **options):
    options = {"space": SPACE, "objectives": ("accuracy", "lut"), **options}
    return kanhw.explore(small_model(), small_data(), folder, **options)


def results(folder):
    files = [*folder.glob("points/*.json"), *folder.glob("stages/*.json")]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_kill_at_random_moments(tmp_path):
    expected = front(explore(tmp_path / "undisturbed"))
    moments = random.Random(0)
    support = Path(sys.modules["explored"].__file__).parent
    for trial in range(5):
        folder, until = tmp_path / f"killed{trial}", moments.randrange(1, POINTS + STAGES)
        run = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), support])
        while run.poll() is None and len(results(folder)) < until:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        run.send_signal(signal.SIGKILL)
        run.wait()
        time.sleep(1.0)  # what its processes were at is finished
        kept = results(folder)
        again = explore(folder)
        assert front(again) == expected
        assert again.computed == POINTS + STAGES - len(kept)
        assert kept.items() <= results(folder).items()


@pytest.mark.slow
def test_a_cluster_whose_worker_is_killed(tmp_path):
    distributed = pytest.importorskip("distributed")
    expected = front(explore(tmp_path / "undisturbed"))
    killed = []

    from kanhw.exploration.watching import Watch

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:

        class Killer(Watch):
            def point(self, rated):
                super().point(rated)
                if len(self._seen) == 2 and not killed:
                    pid = next(iter(cluster.workers.values())).pid
                    killed.append(pid)
                    os.kill(pid, signal.SIGKILL)

        found = explore(
            tmp_path / "out", dask=cluster.scheduler_address, watch=Killer(quiet=True)
        )
    assert killed and front(found) == expected and found.computed == POINTS + STAGES


def test_no_scheduler(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    from kanhw.exploration.running import cluster

    monkeypatch.setattr(cluster, "PATIENCE", "0.2s")
    with pytest.raises(kanhw.InputError, match="There is no dask scheduler at 'tcp://localhost:9'"):
        explore(tmp_path / "out", dask="tcp://localhost:9")
