"""Targets are understood, or refused with what is allowed."""

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.quant.training.fitting.targets import understand


@pytest.mark.parametrize("column", [False, True], ids=["[N]", "[N,1]"])
@pytest.mark.parametrize(
    ("y", "n_out", "task"),
    [
        ([0.5, 1.0, 2.0], 1, "regression"),
        ([3, 1, 2], 1, "regression"),
        ([0, 1, 1], 1, "binary"),
        ([False, True, True], 1, "binary"),
        ([2, 0, 1], 3, "classification"),
        ([False, True, True], 2, "classification"),
    ],
)
def test_one_number_a_sample(y, n_out, task, column):
    given = np.array(y)[:, None] if column else np.array(y)
    targets = understand(given, n_out)
    assert targets.task.name == task
    # A column for one output, so that nothing is broadcast; indices for several.
    expected = np.array(y, float)[:, None] if n_out == 1 else np.array(y, np.int64)
    np.testing.assert_array_equal(targets.values.numpy(), expected)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool, np.float32])
def test_one_hot_rows_are_classes(kind):
    targets = understand(np.eye(3)[[2, 0, 1]].astype(kind), 3)
    assert targets.task.name == "classification"
    assert targets.values.tolist() == [2, 0, 1]
    assert (targets.loss, targets.task.metric) == ("cross entropy", "accuracy")


def test_rows_of_numbers_are_reals():
    for y in ([[0.5, 2.0], [1.0, 0.0]], [[3, 2], [1, 0]]):
        targets = understand(y, 2)
        assert targets.task.name == "regression"
        np.testing.assert_array_equal(targets.values.numpy(), y)


@pytest.mark.parametrize(
    ("y", "n_out", "message"),
    [
        ([0, 3], 3, r"classes 0 to 3, but a network of 3 outputs has classes 0 to 2$"),
        ([1, 2, 3], 3, r"classes 0 to 2; these start at 1: pass y - 1$"),
        ([-1, 1], 2, r"classes -1 to 1, but .* classes 0 to 1$"),
        ([0.0, 1.0], 2, r"2 reals, one a sample: for 2 outputs .* pass y\.astype\(int\)$"),
        ([0.5, 1.0], 2, r"for 2 outputs there must be \[N\] integers, .* or \[N, 2\] reals$"),
        ([[0.5, 1.0]], 1, r"shape \[1, 2\]: for one output there must be \[N\] or \[N, 1\] reals"),
        ([[0.5, 1.0]], 3, r"shape \[1, 2\]: for 3 outputs"),
        ([[1, 1], [0, 0]], 2, r"several labels a sample: pass a loss"),
        ([0.5, np.nan], 1, r"hold NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_refused(y, n_out, message):
    with pytest.raises(InputError, match=message):
        understand(y, n_out)
    with pytest.raises(TypeError, match="must be numbers, not <U1: give classes as integers"):
        understand(["a", "b"], n_out)


def test_a_loss_of_ones_own_takes_targets_as_they_are():
    one_hot = np.eye(2)[[1, 0]]
    targets = understand(one_hot, 2, torch.nn.functional.mse_loss)
    np.testing.assert_array_equal(targets.values.numpy(), one_hot)
    assert (targets.task.name, targets.loss, targets.task.metric) == (
        "given",
        "mse_loss",
        "mse_loss",
    )
    assert understand([1, 0], 1, torch.nn.functional.mse_loss).values.shape == (2, 1)
    assert understand([1, 0], 2, torch.nn.CrossEntropyLoss()).values.dtype == torch.int64


def test_unequal_outputs_count_alike():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(100, 2)) * [1.0, 1000.0]
    targets = understand(y, 2).scaled()
    assert targets.loss == "mean squared error, every output over its own variance"
    off = targets.values.clone()
    off[:, 0] += float(targets.values[:, 0].std(unbiased=False))
    # A deviation of the small output is as bad as one of the large one.
    assert float(targets.loss_of(off, targets.values)) == pytest.approx(0.5)
    assert understand(y / [1.0, 900.0], 2).scaled().spread is None


@pytest.mark.parametrize(
    ("y", "outputs", "n_out", "metric"),
    [
        ([0, 2, 1], [[3, 1, 0], [0, 1, 2], [9, 1, 0]], 3, 2 / 3),
        ([0, 1, 1], [[-1], [2], [-3]], 1, 2 / 3),
        ([1.0, 2.0, 3.0], [[1], [2], [4]], 1, 0.5),
        ([2.0, 2.0], [[2], [2]], 1, 1.0),
    ],
)
def test_metrics(y, outputs, n_out, metric):
    targets = understand(y, n_out)
    found = targets.task.metric_of(torch.tensor(outputs, dtype=torch.float32), targets.values)
    assert found == pytest.approx(metric)
