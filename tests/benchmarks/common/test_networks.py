"""Float networks: every variant trains, is the same from the cache, and becomes a KanModel."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.common import data, networks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KANHW_BENCHMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def wine():
    return data.load("wine")


@pytest.mark.wide
@pytest.mark.parametrize("variant", ["EfficientKAN", "FastKAN", "KAGN", "PyKAN"])
def test_wine_is_learned_and_kept(variant, wine, cache, monkeypatch):
    before = torch.random.get_rng_state()
    network = networks.float_network(variant, wine, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not network.training
    y = networks.outputs(network, wine.validation_x)
    assert networks.score(y, wine.validation_y) > 75
    assert [path.name.split("-")[:3] for path in cache.iterdir()] == [[variant, "wine", "seed1"]]

    monkeypatch.setattr(networks, "fit", None)  # The second time nothing is trained.
    monkeypatch.setattr(networks, "_file_name", lambda *_: next(cache.iterdir()).name)
    model = networks.float_model(variant, wine, seed=1)
    assert model.n_in == 13
    np.testing.assert_allclose(model(wine.validation_x), y, atol=1e-4)


def test_the_cache_tells_recipes_seeds_and_data_apart(wine):
    recipe = networks.RECIPES["KAGN", "wine"]
    other = replace(wine, train_y=wine.train_y[::-1])
    names = {
        networks._file_name("KAGN", wine, 0, recipe),
        networks._file_name("KAGN", wine, 1, recipe),
        networks._file_name("KAGN", wine, 0, replace(recipe, rate=1e-3)),
        networks._file_name("KAGN", other, 0, recipe),
        networks._file_name("FastKAN", wine, 0, recipe),
    }
    assert len(names) == 5
    assert networks._file_name("KAGN", wine, 0, recipe) in names


@pytest.mark.parametrize("pair", networks.RECIPES, ids="/".join)
def test_every_recipe_makes_a_network_that_converts(pair):
    variant, name = pair
    recipe = networks.RECIPES[pair]
    rows = np.random.default_rng(0).uniform(
        -1, 1, (3, 64 if len(recipe.sizes) > 3 else recipe.sizes[0])
    )
    labels = np.arange(3)
    classes = None if recipe.sizes[-1] == 1 else recipe.sizes[-1]
    dataset = data.Dataset(name, rows, labels, rows, labels, rows, labels, classes)
    network = networks.fresh_network(variant, recipe).eval()
    model = networks.to_model(network, dataset)
    y = networks.outputs(network, rows)
    assert y.shape == (3, recipe.sizes[-1])
    np.testing.assert_allclose(model(rows), y, atol=1e-4 * max(np.ptp(y), 1))


def test_formulas_are_learned_as_values():
    heat = data.load("heat")
    recipe = replace(networks.RECIPES["EfficientKAN", "heat"], epochs=5)
    network = networks.float_network("EfficientKAN", heat, recipe=recipe)
    assert networks.score(networks.outputs(network, heat.validation_x), heat.validation_y) < 10


def test_evaluation_leaves_training_mode(wine):
    network = networks.fresh_network("KAGN", networks.RECIPES["KAGN", "wine"]).train()
    networks.outputs(network, wine.test_x)
    assert network.training


def test_scores():
    y = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 2.0], [0.0, 2.0]])
    assert networks.score(y, np.array([1, 0, 1, 0])) == 75
    values = np.array([[0.0], [4.0]])
    assert networks.score(values, values) == 0
    assert networks.score(np.array([1.0, 5.0]), values) == 25


def test_an_unknown_recipe_is_named(wine):
    with pytest.raises(SystemExit, match=r"MLP/wine.*KAGN/wine"):
        networks.float_network("MLP", wine)
