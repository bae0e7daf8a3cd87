"""Whole explorations of a small network: results, resumption, failures, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from explored import POINTS, SPACE, STAGES, front, small_data, small_model

import kanhw
from kanhw import InputError
from kanhw.exploration.running import jobs, local, store
from kanhw.exploration.running.store import Store, load_store


def explore(folder, **options):
    options = {"space": SPACE, "objectives": ("accuracy", "lut"), **options}
    return kanhw.explore(small_model(), small_data(), folder, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored") / "out"
    return folder, explore(folder)


def test_figures_are_those_of_the_verbs(undisturbed):
    from kanhw.estimation.clocks import design_clocks
    from kanhw.estimation.modelled_power import modelled_power
    from kanhw.estimation.resource_model import model_design
    from kanhw.program.costs import costs_of

    folder, found = undisturbed
    assert len(found.points) == POINTS and found.computed == POINTS + STAGES
    assert not found.failed
    own = load_store(folder)
    for each in found.points[:2]:
        chosen, figures = each.point.configuration, each.figures
        program = kanhw.quantize(
            small_model(),
            own.study.calibration["x"],
            output_granularity="tensor",
            **chosen.quantize,
        )
        schedule = kanhw.Schedule.from_json(each.point.schedule)
        resources = model_design(program, schedule)
        clocks = design_clocks(program, schedule)
        x, labels = own.study.held_out["x"], own.study.held_out["labels"]
        answers = program(program.input.encode(x)).argmax(axis=1)
        assert figures["accuracy"] == (answers == labels).mean()
        assert figures["parameter_bits"] == costs_of(program).parameter_bits
        assert (figures["lut"], figures["bram"]) == (resources.lut, resources.bram)
        assert figures["interval_cycles"] == clocks.initiation_interval
        assert figures["latency_cycles"] == clocks.latency
        assert "latency_ns" not in figures
        power = modelled_power(
            *(program, schedule, chosen.target, resources, clocks, program.input.encode(x)),
            clock_mhz=250.0, part=None, stimulus="",
        )  # fmt: skip
        assert figures["energy_per_inference_j"] == pytest.approx(
            power.energy_per_inference_j["dynamic"].middle, rel=1e-12
        )


def test_nothing_is_computed_twice(undisturbed):
    folder, found = undisturbed
    again = explore(folder)
    assert again.computed == 0 and front(again) == front(found)
    # A larger space computes what is new.
    more = {**SPACE, "quantize": {**SPACE["quantize"], "table_bits": [3, 5, 6]}}
    copy = folder.with_name("more")
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    larger = explore(copy, space=more)
    assert larger.computed == (POINTS + STAGES) // 2 and len(larger.points) == 3 * POINTS // 2


@pytest.mark.parametrize("moment", [3, 10])
def test_an_end_at_any_moment_loses_what_was_under_way(tmp_path, monkeypatch, undisturbed, moment):
    kept = Store.keep

    def keep(self, outcome):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        kept(self, outcome)

    left = moment
    with monkeypatch.context() as patched:
        patched.setattr(Store, "keep", keep)
        with pytest.raises(KeyboardInterrupt):
            explore(tmp_path / "out")
    again = explore(tmp_path / "out")
    assert again.computed == POINTS + STAGES - moment
    assert front(again) == front(undisturbed[1])


def test_a_process_that_is_killed_is_replaced(tmp_path, monkeypatch, undisturbed):
    started = []
    begin = local.LocalPool._start

    def start(self, said):
        process = begin(self, said)
        started.append(process)
        if len(started) == 1:
            # Before it has done anything: what it was given is lost with it.
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(local.LocalPool, "_start", start)
    found = explore(tmp_path / "out", processes=2)
    assert len(started) > 2 and found.computed == POINTS + STAGES
    assert front(found) == front(undisturbed[1])
    assert all(process.poll() is not None for process in started)


def test_points_that_fail_are_told_and_kept(tmp_path):
    space = {
        "quantize": {"realisation": ["edge_table", "spline_evaluator"], "activation_bits": 4},
        "axis": {
            "bits": {
                "fields": ["table_bits"], "values": [4], "only": {"realisation": "edge_table"}
            },
            "method": {
                "fields": ["method"],
                "values": ["brecq"],
                "only": {"realisation": "spline_evaluator"},
            },
        },
        "hardware": {"plan": ["folded", "lut=1"]},
    }  # fmt: skip
    found = explore(tmp_path / "out", space=space)
    errors = sorted(point.error for point in found.failed)
    assert len(found.points) == 4 and len(errors) == 3
    assert errors[0].startswith("Nothing fits the budget lut=1")
    assert errors[1] == errors[2] and errors[1].startswith("method='brecq' does not know")
    assert explore(tmp_path / "out", space=space).computed == 0


def test_faults_of_ours_are_told_with_their_place(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "MODEL", lambda program, *_: program.layers[99])
    with pytest.raises(InputError, match=r"No point could be computed: IndexError: .*\.py:\d+"):
        explore(tmp_path / "out")


def test_what_another_run_computes_is_waited_for(tmp_path, undisturbed):
    folder, _ = undisturbed
    own = load_store(folder)
    other = tmp_path / "out"
    with store.open_store(other, own.study):
        pass
    name = own.point_files()[0].stem
    # Another process holds the claim, and gives it back when it ends.
    script = (
        "import fcntl, os, sys\n"
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(other / "claims"), str(int(name[:15], 16))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    mine = Store(other, own.study)
    assert not mine.claim(name) and mine.claim("1" * 64)
    mine.close()
    timer = threading.Timer(0.5, holder.kill)
    timer.start()
    found = explore(other)
    timer.join()
    holder.communicate()
    assert found.computed == POINTS + STAGES and name in {p.point.name for p in found.points}


def test_a_folder_is_of_one_study(tmp_path, undisturbed):
    folder, _ = undisturbed
    with pytest.raises(InputError, match="an exploration of other data"):
        kanhw.explore(small_model(), small_data(2), folder, space=SPACE)
    with pytest.raises(InputError, match="an exploration of outputs"):
        explore(folder, argmax=True)
    (tmp_path / "note").write_text("mine")
    with pytest.raises(InputError, match=r"already holds something else \(note\)"):
        explore(tmp_path)
    with pytest.raises(InputError, match="is no exploration"):
        load_store(tmp_path)
    head = json.loads((folder / "explore.json").read_text())
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "explore.json").write_text(json.dumps({**head, "format": 9}))
    with pytest.raises(InputError, match="another version of kanhw"):
        explore(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.full((9, 3), np.nan)}, "finite"),
        ({"x": np.zeros((9, 4))}, "expects 3 inputs per sample but got 4"),
        ({"x": np.array([["a"] * 3])}, "must hold numbers"),
        ({"labels": np.zeros(5)}, "labels must"),
        ({"labels": np.full(60, 7)}, "labels must"),
        ({"y": np.zeros((60, 2))}, "both labels and y"),
    ],
)
def test_data_that_do_not_fit(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        kanhw.explore(small_model(), {**small_data(), **changes}, tmp_path / "out", space=SPACE)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "points must be"),
        ({"processes": 0}, "processes must be"),
        ({"sweep": "precision"}, "not both"),
        ({"sampler": "grids"}, "did you mean 'grid'"),
        ({"objectives": ["latency_ns"]}, "known of no point: give a clock"),
        ({"at_most": {"utilisation": 1}}, "known of no point: give a board"),
        ({"fit": "icebraker"}, "no board"),
        ({"at_most": {"luts": 4}}, "did you mean 'lut'"),
        ({"space": {"quantize": {"method": "brecq", "realisation": "codebook"}}}, "No point could"),
    ],
)
def test_options_that_do_not_go(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        explore(tmp_path / "out", **options)


def test_a_regression_is_compared_with_y(tmp_path):
    x = small_data()["x"]
    y = small_model()(x) + 0.5
    found = kanhw.explore(small_model(), {"x": x, "y": y}, tmp_path / "out", space=SPACE)
    assert [own.name for own in found.objectives] == ["rmse_of_deviation", "lut", "interval_cycles"]
    (stage,) = {each.point.stage for each in found.front[:1]}
    record = load_store(tmp_path / "out").stage(stage)
    assert record.reference == "y" and len(record.output_rms) == 2 and min(record.output_rms) > 0.4
    assert all("accuracy" not in each.figures for each in found.points)
