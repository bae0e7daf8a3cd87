"""Datasets: the same each time, parts apart, formulas that solve their equations."""

import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.common import data

PARTS = ("train", "validation", "test")


def rows_of(dataset):
    return [getattr(dataset, f"{part}_x") for part in PARTS]


def check_parts(dataset, counts):
    assert [len(x) for x in rows_of(dataset)] == counts
    for part, x in zip(PARTS, rows_of(dataset), strict=True):
        y = getattr(dataset, f"{part}_y")
        assert x.dtype == np.float64
        assert x.shape == (len(y), dataset.n_in)
        assert np.isfinite(x).all()
        if dataset.classes is None:
            assert y.dtype == np.float64
            assert y.shape == (len(x), dataset.n_out)
        else:
            assert y.dtype == np.int64
            assert sorted(set(y.tolist())) == list(range(dataset.n_out))


def test_a_split_takes_every_row_once():
    labels = np.random.default_rng(0).integers(3, size=400)
    parts = data.split_rows(labels, 0.25, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(400))
    assert [len(part) for part in parts] == [240, 60, 100]


def test_digits_have_the_reference_networks_test_part():
    digits = data.load("digits")
    check_parts(digits, [1077, 270, 450])
    x, labels = load_digits(return_X_y=True)
    _, test_x, _, test_y = train_test_split(
        x / 16, labels, test_size=0.25, random_state=0, stratify=labels
    )
    np.testing.assert_array_equal(digits.test_x, test_x)
    np.testing.assert_array_equal(digits.test_y, test_y)
    # No two of these images are equal, so parts that share one share its features.
    images = [{row.tobytes() for row in part} for part in rows_of(digits)]
    assert len(set.union(*images)) == len(x)
    again = data.load("digits")
    for mine, theirs in zip(rows_of(digits), rows_of(again), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_wine_is_scaled_without_its_test_part():
    wine = data.load("wine")
    check_parts(wine, [106, 27, 45])
    published = np.concatenate([wine.train_x, wine.validation_x])
    np.testing.assert_allclose(published.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(published.std(axis=0), 1)
    assert np.abs(wine.test_x.mean(axis=0)).max() > 1e-3


def test_dry_bean_has_kaneles_test_part(shared_folder):
    beans = data.load("dry_bean")
    check_parts(beans, [8710, 2178, 2723])
    published = np.concatenate([beans.train_x, beans.validation_x])
    np.testing.assert_allclose(published.mean(axis=0), 0, atol=1e-9)


def test_fashion_mnist_of_two_tiny_files(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FASHION_VALIDATION", 3)
    rng = np.random.default_rng(0)
    images = {
        "train": rng.integers(256, size=(10, 2, 3)),
        "t10k": rng.integers(256, size=(4, 2, 3)),
    }
    for name, pixels in images.items():
        for kind, array in (("images-idx3", pixels), ("labels-idx1", pixels[:, 0, 0] % 10)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            content = gzip.compress(head + array.astype(np.uint8).tobytes())
            (tmp_path / f"{name}-{kind}-ubyte.gz").write_bytes(content)
    fashion = data.fashion_mnist(tmp_path)
    assert [len(x) for x in rows_of(fashion)] == [7, 3, 4]
    np.testing.assert_allclose(fashion.test_x * 0.3530 + 0.2860, images["t10k"].reshape(4, 6) / 255)
    np.testing.assert_array_equal(fashion.test_y, images["t10k"][:, 0, 0] % 10)
    seen = np.concatenate([fashion.train_x, fashion.validation_x]) * 0.3530 + 0.2860
    assert sorted(map(tuple, np.rint(seen * 255).astype(int))) == sorted(
        map(tuple, images["train"].reshape(10, 6))
    )


def test_fashion_mnist_names_the_package_that_is_missing(tmp_path):
    with pytest.raises(SystemExit, match="Debian package dataset-fashion-mnist"):
        data.fashion_mnist(tmp_path)


def test_fashion_mnist_of_the_package():
    if not data.FASHION_FOLDER.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    fashion = data.load("fashion_mnist")
    check_parts(fashion, [50_000, 10_000, 10_000])
    assert fashion.n_in == 784


def test_an_unknown_dataset_is_named():
    with pytest.raises(SystemExit, match=r"'cifar'.*digits"):
        data.load("cifar")


# Formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.FORMULAS)
def test_formula_datasets_are_the_solution(name):
    dataset, formula = data.load(name), data.FORMULAS[name]
    check_parts(dataset, [2000, 500, 2000])
    for x in rows_of(dataset):
        assert np.abs(x).max() <= 1
    np.testing.assert_array_equal(dataset.test_y[:, 0], formula.solution(dataset.test_x))
    np.testing.assert_array_equal(data.load(name).train_x, dataset.train_x)


@pytest.mark.parametrize("formula", data.FORMULAS.values(), ids=lambda formula: formula.name)
def test_the_solutions_solve_their_equations(formula):
    features = np.random.default_rng(1).uniform(-0.75, 0.75, (500, 2))
    largest = np.abs(formula.term(formula.points(features))).max()
    errors = [
        np.abs(formula.residual(formula.solution, features, step)).max() / largest
        for step in (1 / 4, 1 / 8, 1 / 256)
    ]
    assert errors[2] < 1e-4
    # The differences are of second order.
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("formula", data.FORMULAS.values(), ids=lambda formula: formula.name)
def test_a_residual_tells_other_functions_from_the_solution(formula):
    def wrong(features):
        return (1.1 * formula.solution(features) + features[:, 0] ** 2)[:, np.newaxis]

    def rounded(features):
        return np.floor(formula.solution(features) * 128 + 0.5) / 128

    assert formula.relative_residual(formula.solution) == 0
    assert formula.relative_residual(lambda features: features[:, 0] ** 2) > 20
    assert formula.relative_residual(wrong) > 5
    assert 0.1 < formula.relative_residual(rounded) < 10
