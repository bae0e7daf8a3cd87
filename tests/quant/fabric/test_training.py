"""A whole training: it goes on where it was ended, and seeds do not disturb each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from fabric_networks import data_of, rings

from benchmarks.fabric.formula import luts_of
from benchmarks.fabric.sizes import sizes_of
from kanhw.errors import InputError, TrainingDiverged
from kanhw.program import program_bytes
from kanhw.quant.fabric.fitting import FittedState
from kanhw.quant.fabric.saved import load_state, save_state
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.stages import Snapshot
from kanhw.quant.fabric.training import Data, FabricTraining
from kanhw.targets.table_costs import TABLE_COSTS, table_costs_of


class _KilledError(Exception):
    pass


def _bytes(programs):
    return {name: program_bytes(program) for name, program in programs.items()}


def test_a_front_from_dear_to_cheap(training):
    front, programs = training.run()
    assert {own.seed for own in front.points} == {0, 1}
    assert set(programs) == {own.name for own in front.points}
    best = front.best()
    assert best.validation > 0.8
    program = programs[best.name].with_argmax()
    x, y = training.data.validation_x, training.data.validation_y
    reached = (program(program.input.encode(x))[:, 0] == y).mean()
    assert reached > 0.7  # after the refit on all data
    start = training.networks
    row = training.layout.start(0, 0)[None]
    dearest = float(start.costs(start.evaluate(row), whole=True))
    assert min(own.cost for own in front.points) < 0.8 * dearest


@pytest.mark.some(2)
@pytest.mark.parametrize("killed", [1, 7, 43, 45])
def test_after_a_kill_the_front_is_the_same(data, small, tmp_path, killed, monkeypatch):
    monkeypatch.setattr("kanhw.quant.fabric.training._SAVED_EVERY", 0.0)
    state_file, epochs = tmp_path / "state.safetensors", 0

    def kill(state):
        nonlocal epochs
        epochs += 1
        if epochs == killed:
            raise _KilledError

    with pytest.raises(_KilledError):
        FabricTraining((2, 2, 2), data, small).run(state_file, kill)
    seen = []
    front, programs = FabricTraining((2, 2, 2), data, small).run(
        state_file, lambda state: seen.append(state.stage)
    )
    expected, whole = FabricTraining((2, 2, 2), data, small).run()
    assert seen.pop() == "done"
    assert 0 < len(seen) == 2 + 40 + 2 + 8 - killed
    assert front == expected
    assert _bytes(programs) == _bytes(whole)


def test_a_seed_is_the_same_alone(data, small):
    both, programs = FabricTraining((2, 2, 2), data, small).run()
    alone, own = FabricTraining((2, 2, 2), data, replace(small, seeds=(1,))).run()
    assert [p for p in both.points if p.seed == 1] == list(alone.points)
    assert _bytes(own).items() <= _bytes(programs).items()


def test_folds_hold_out_other_rows_of_every_class(data, small):
    settings = replace(small, seeds=(3, 5, 8, 9), folds=3, epochs=4)
    training = FabricTraining((2, 2, 2), data, settings)
    parts = training.stages.parts
    assert list(parts) == [3, 5, 8, 9]
    held_out = [own.held_out for own in parts.values()]
    assert torch.equal(held_out[0], held_out[3])
    assert sorted(torch.cat(held_out[:3]).tolist()) == list(range(96))
    y = np.concatenate([data.y, data.validation_y])
    for own in parts.values():
        assert sorted(torch.cat([own.trained, own.held_out]).tolist()) == list(range(96))
        assert abs(y[own.held_out].sum() - y.sum() / 3) < 1
    front, _ = training.run()
    assert front.validation_samples == 32


@pytest.mark.parametrize("folds", [None, 3])
def test_what_is_held_out_is_not_trained_on(data, small, folds):
    settings = replace(small, folds=folds, epochs=4, refit=False)
    training = FabricTraining((2, 2, 2), data, settings)
    held_out = training.stages.parts[1].held_out
    y = np.concatenate([data.y, data.validation_y])
    if folds is None:
        assert (held_out >= 64).all()
    y[held_out] = np.sort(y[held_out])
    spoilt = replace(data, y=y[:64], validation_y=y[64:])
    rows = []
    for given in (data, spoilt):
        own = FabricTraining((2, 2, 2), given, settings)
        own.stages.parts = training.stages.parts
        state = own.stages.begin()
        while state.stage == "starts" and state.epoch < own.stages.epochs["starts"]:
            next(iter(own.stages.run(state)))
        rows.append(state.fitted.rows[settings.starts :])
    assert torch.equal(*rows)


def test_noise_is_on_what_is_trained_on_alone(data, small):
    plain = FabricTraining((2, 2, 2), data, small).stages
    noisy = FabricTraining((2, 2, 2), data, replace(small, jitter=0.3)).stages
    rows = len(plain.fitter.samples)
    assert torch.equal(noisy.fitter.samples.x[:rows], plain.fitter.samples.x)
    order = noisy._order(noisy.begin(), [0])[0]
    assert sorted((order % rows).tolist()) == sorted(plain.parts[0].trained.tolist())
    moved = noisy.fitter.samples.x[order] - plain.fitter.samples.x[order % rows]
    deviation = plain.fitter.samples.x.std(dim=0)
    assert torch.allclose(moved.std(dim=0) / deviation, torch.tensor(0.3), atol=0.08)
    assert torch.equal(noisy.fitter.samples.y[order], plain.fitter.samples.y[order % rows])
    assert (noisy.parts[0].held_out < rows).all()


def test_reals_of_unequal_units_are_learned_closely():
    x = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    y = np.column_stack([1e6 * np.sin(2 * x[:, 0]) - 3e7, 1e-3 * (x[:, 1] ** 2 + x[:, 0])])
    settings = FabricSettings(seeds=(0,), starts=2, epochs=150, batch_size=64, refit=False)
    front, programs = FabricTraining((2, 2, 2), data_of(x, y, 100), settings).run()
    best = max(front.points, key=lambda own: own.validation)
    program = programs[best.name]
    outputs = program.decode_output(program(program.input.encode(x[:100])))
    errors = np.sqrt(np.square(outputs - y[:100]).mean(axis=0)) / y.std(axis=0)
    assert (errors < 0.06).all()
    # From dear and exact to cheap.
    assert front.points[0].cost < best.cost


def test_a_state_of_other_data_is_refused(data, small, tmp_path):
    path = tmp_path / "state.safetensors"
    training = FabricTraining((2, 2, 2), data, small)
    save_state(path, training.stages.begin(), training.identity)
    assert load_state(path, training.identity) is not None
    other = FabricTraining((2, 2, 2), data_of(*rings(seed=1)), small)
    slower = FabricTraining((2, 2, 2), data, replace(small, learning_rate=0.01))
    for identity in (other.identity, slower.identity):
        with pytest.raises(InputError, match="the state of a training with other data or settings"):
            load_state(path, identity)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="is no state of a training"):
        load_state(path, training.identity)


def test_a_state_under_other_factors_of_the_cost_is_refused(data, small, tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    training = FabricTraining((2, 2, 2), data, small)
    save_state(path, training.stages.begin(), training.identity)
    key = ("xcup", "ultrascale+")
    other = replace(TABLE_COSTS[key], saturator=0.7)
    monkeypatch.setattr("kanhw.targets.table_costs.TABLE_COSTS", {**TABLE_COSTS, key: other})
    with pytest.raises(InputError, match="the state of a training with other data or settings"):
        FabricTraining((2, 2, 2), data, small).run(path)


def test_parameters_that_are_lost_are_refused(data, small):
    training = FabricTraining((2, 2, 2), data, small)

    def spoil(state):
        state.fitted.rows[0, 0] = torch.nan

    with pytest.raises(TrainingDiverged, match="not finite; use a smaller learning_rate"):
        training.run(on_epoch=spoil)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": ()}, "seeds must be integers, each another"),
        ({"seeds": (1, 1)}, "seeds must be integers, each another"),
        ({"folds": 1}, "folds must be 2 to 1000, not 1"),
        ({"jitter": -0.1}, "jitter must be 0 to 2, not -0.1"),
        ({"starts": 0}, "starts must be 1 to 10000, not 0"),
        ({"most_bits": 9}, "most_bits must be 1 to 8, not 9"),
        ({"pressure": (0.1, 0.01)}, "pressure must rise"),
        ({"learning_rate": 2}, "learning_rate must be above 0, below 1, not 2"),
        ({"target": "xcu"}, "did you mean 'xcup'"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        FabricSettings(**change)


@pytest.mark.parametrize(
    ("sizes", "spoil", "message"),
    [
        ((3, 2, 2), None, "The sizes begin with 3 inputs, but the data have 2 features"),
        ((2, 0, 2), None, "Sizes must be 2 to 17 integers of at least 1"),
        ((2,), None, "Sizes must be 2 to 17 integers"),
        ((2, 2, 2), np.nan, "training part hold NaN or infinity \\(sample 3, feature 1\\)"),
        ((2, 2, 2), np.inf, "NaN or infinity"),
    ],
)
def test_data_that_do_not_fit_are_refused(sizes, spoil, message):
    x, y = rings()
    if spoil is not None:
        x[32 + 3, 1] = spoil
    with pytest.raises(InputError, match=message):
        FabricTraining(sizes, data_of(x, y), FabricSettings())


def test_a_feature_that_never_varies_is_not_read(small):
    x, y = rings()
    x = np.column_stack([x, np.full(len(x), 7.5)])
    training = FabricTraining((3, 2, 2), Data(x[32:], y[32:], x[:32], y[:32]), small)
    front, programs = training.run()
    program = programs[front.best().name]
    assert not program.layers[0].active[:, 2].any()
    assert program.input.code_ends[1][2] == 0


def test_a_cheap_network_that_was_lucky_does_not_take_dearer_ones_away(data, small):
    stages = FabricTraining((2, 2, 2), data, replace(small, seeds=(0,))).stages
    row = stages.begin().fitted.rows[0]
    # Of 32 samples: one standard error of 90 % is 5.3 points.
    merits = {4: 0.5, 5: 0.90, 6: 0.86, 7: 0.84, 8: 0.95}
    state = stages.begin()
    state.snapshots = {
        (0, band): Snapshot(0, band, merit, 1.15**band, 1e-3, row) for band, merit in merits.items()
    }
    stages._freeze(state)
    assert [band for _, band in state.snapshots] == [4, 5, 6, 8]


def test_what_a_cheaper_one_beats_when_it_was_tuned_is_left_out(data, small):
    front, _ = FabricTraining((2, 2, 2), data, small).run()
    for seed in small.seeds:
        own = [point for point in front.points if point.seed == seed]
        assert own
        for cheaper, dearer in pairwise(own):
            assert cheaper.validation < dearer.validation


def test_the_cost_that_is_told_is_that_of_the_program(training):
    front, programs = training.run()
    costs = table_costs_of("xcup", "ultrascale+")
    for point in front.points:
        assert point.cost == pytest.approx(luts_of(sizes_of(programs[point.name]), costs), rel=0.04)


def test_points_are_told_by_what_tells_the_kind_of_cost(data, small):
    asked = []

    def tell(program, target, fabric, merged):
        asked.append((target, fabric, merged))
        return float(program.active_edges)

    front, programs = FabricTraining((2, 2, 2), data, small, {"lut": tell}).run()
    assert set(asked) == {("xcup", "ultrascale+", False)}
    assert len(asked) >= len(front.points)
    assert [own.cost for own in front.points] == [own.edges for own in front.points]
    assert list(programs) == [own.name for own in front.points]
    for cheaper, dearer in pairwise(front.points):
        assert cheaper.seed < dearer.seed or cheaper.cost < dearer.cost
    # Encoders on chip come on top.
    encoded = replace(small, encoder=True)
    dear, _ = FabricTraining((2, 2, 2), data, encoded, {"lut": lambda *_: 0.0}).run()
    bit = table_costs_of("xcup", "ultrascale+").encoder
    for own in dear.points:
        assert own.cost > 0
        assert own.cost / bit == pytest.approx(round(own.cost / bit))
    # What nobody tells is told by the formula.
    other, _ = FabricTraining((2, 2, 2), data, small, {"bram": tell}).run()
    assert {own.cost for own in other.points} - {own.cost for own in front.points}


def test_networks_with_frozen_widths_are_averaged_over_the_end_of_a_stage(data, small):
    stages = FabricTraining((2, 2, 2), data, replace(small, epochs=120, refit=False)).stages
    state, seen, mean = stages.begin(), [], None
    for now in stages.run(state):
        if now.stage == "tuning":
            seen.append(now.fitted.rows.clone())
            mean = now.average
    assert len(seen) == 6
    assert mean is not None
    assert torch.allclose(mean, torch.stack(seen[3:]).mean(0), atol=1e-5)
    assert not torch.allclose(mean, seen[-1], atol=1e-3)
    assert state.average is None


@pytest.mark.parametrize("values", [(0.0, 1.0), (-0.8, 2.02)])
def test_two_valued_features_are_one_bit(small, values):
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (192, 4))
    x = np.choose(bits, values)
    y = (bits[:, 0] ^ bits[:, 1]) | (bits[:, 2] & bits[:, 0])
    training = FabricTraining((4, 3, 2), data_of(x, y), small)
    assert training.layout.structure.layers[0].functions.shape[2] == 1
    assert training.networks.cost == small.cost().of_single_bits()
    front, programs = training.run()
    best = max(front.points, key=lambda own: own.validation)
    program = programs[best.name]
    assert program.input.format.width == 1
    assert (program.input.encode(x) == bits)[:, program.layers[0].active.any(axis=0)].all()
    assert best.validation == 1


def test_two_valued_features_among_others(small):
    x, y = rings()
    flags = np.random.default_rng(1).integers(0, 2, len(x))
    x = np.column_stack([x, 3.0 * flags])
    training = FabricTraining((3, 3, 2), data_of(x, y ^ flags), small)
    stages = training.stages
    assert training.networks.cost == small.cost()
    rows = training.layout.start(0, 0)[None]
    stages.fitter.epoch(
        state := FittedState.of(rows),
        [torch.arange(64)],
        stages.rates,
        [1e-3] * stages.fitter.steps,
    )
    first = training.layout.layers(state.rows)[0]
    assert (first.address_bits[..., 2] <= 1).all()
    assert (first.address_bits[..., :2] > 1).any()
    assert first.low[0, 2] == 0
    assert first.high[0, 2] == 1
    front, programs = training.run()
    program = programs[max(front.points, key=lambda own: own.validation).name]
    top = 1 << program.input.format.width - 1
    assert (program.input.encode(x)[:, 2] >= top).tolist() == flags.astype(bool).tolist()
