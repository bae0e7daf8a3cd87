"""What HGQ2 is trained on and chosen by, without its packages."""

import numpy as np

from benchmarks.common.data import Dataset
from benchmarks.fabric.hgq.training import COPIES, Kept, best_at, noisy, rows_of


def dataset():
    x = np.arange(40.0).reshape(20, 2)
    y = np.arange(20) % 2
    return Dataset("numbers", x[:12], y[:12], x[12:16], y[12:16], x[16:], y[16:], classes=2)


def test_the_best_by_validation_of_those_that_are_cheap_enough():
    kept = [Kept(cost, value, 1e-4, []) for cost, value in ((90, 0.8), (100, 0.9), (200, 0.9))]
    kept.append(Kept(300, 0.95, 1e-4, []))
    assert best_at(kept, 250).cost == 100
    assert best_at(kept, 300).cost == 300
    assert best_at(kept, 80) is None


def test_every_seed_holds_out_another_fold_of_training_and_validation():
    parts = rows_of(dataset(), 4, 4)
    held_out = np.concatenate([part.validation_x for part in parts])
    assert np.array_equal(np.sort(held_out[:, 0]), np.arange(0, 32, 2))
    for part in parts:
        assert np.array_equal(np.sort(part.every_x[:, 0]), np.arange(0, 32, 2))
        assert np.array_equal(part.train_y, part.train_x[:, 0] // 2 % 2)
        assert np.bincount(part.validation_y).tolist() == [2, 2]


def test_without_folds_every_seed_has_the_rows_of_the_dataset():
    given = dataset()
    first, second = rows_of(given, None, 2)
    assert first is second
    assert np.array_equal(first.validation_x, given.validation_x)


def test_noise_stays_within_a_feature_and_differs_in_every_copy():
    x = np.column_stack([np.linspace(-1, 1, 50), np.full(50, 3.0)])
    copies = noisy(x, 0.5)
    assert copies.shape == (COPIES, 50, 2)
    assert copies[..., 0].min() == -1 and copies[..., 0].max() == 1
    assert (copies[..., 1] == 3).all()
    assert not np.array_equal(copies[0], copies[1])
    assert 0.2 < (copies - x)[..., 0].std() / x[:, 0].std() < 0.5
