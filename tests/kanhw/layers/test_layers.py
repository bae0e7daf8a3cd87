"""The trainable layers: the library's outputs and keys, training, and pruning."""

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KAN, KANLinear, module_of

CONFIGS: dict[str, tuple[list[int], dict[str, Any]]] = {
    "efficient_kan_digits": ([64, 16, 10], {}),
    "efficient_kan_fashion": ([784, 64, 10], {}),
    "efficient_kan_wine": ([13, 4, 3], {"grid_size": 6, "grid_range": (-8, 8)}),
}


def network(sizes: list[int], **options: Any) -> KAN:
    torch.manual_seed(1)
    return KAN(sizes, **options)


def samples(n_in: int, n: int = 200, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(n, n_in, generator=torch.Generator().manual_seed(2)) * scale


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_equals_the_library(shared_folder: Path, name: str) -> None:
    folder = shared_folder / "fixtures" / "kan_libraries" / name
    sizes, options = CONFIGS[name]
    model = network(sizes, **options)
    fresh_grids = [layer.grid.clone() for layer in model.layers]
    state = torch.load(folder / "model.pt", weights_only=True)
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in state.items()
    }
    model.load_state_dict(state, strict=True)
    for fresh, layer in zip(fresh_grids, model.layers, strict=True):
        torch.testing.assert_close(fresh, layer.grid, rtol=0, atol=1e-5)
    vectors = np.load(folder / "vectors.npz")
    tolerance = 1e-5 * (vectors["y"].max() - vectors["y"].min())
    for x, y in (("x", "y"), ("x_far", "y_far")):
        out = model(torch.from_numpy(vectors[x])).detach().numpy()
        assert np.abs(out - vectors[y]).max() <= tolerance


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"grid_size": 1, "spline_order": 1},
        {"grid_size": 10, "spline_order": 2},
        {"grid_range": (-4.0, 4.0), "enable_standalone_scale_spline": False},
        *[
            {"base_activation": kind}
            for kind in (
                torch.nn.Identity, torch.nn.GELU, torch.nn.ReLU, torch.nn.Tanh, torch.nn.PReLU
            )
        ],
    ],
)  # fmt: skip
def test_to_model_equals_the_network(tmp_path: Path, options: dict[str, Any]) -> None:
    model = network([3, 5, 2], scale_noise=1.0, **options)
    x = samples(3, scale=3.0)
    record = model.to_model()
    np.testing.assert_allclose(record(x.numpy()), model(x).detach().numpy(), atol=1e-5)
    assert record.source == "kanhw.layers.KAN"
    torch.save(model.state_dict(), tmp_path / "net.pt")
    plain = torch.nn.PReLU, torch.nn.SiLU
    kind = options.get("base_activation", torch.nn.SiLU)
    chosen = {} if kind in plain else {"base_activation": kind.__name__}
    np.testing.assert_array_equal(
        load_model(tmp_path / "net.pt", **chosen)(x.numpy()), record(x.numpy())
    )


def test_any_leading_dimensions() -> None:
    layer = KANLinear(3, 2)
    x = samples(3, 24)
    flat = layer(x)
    torch.testing.assert_close(layer(x.reshape(2, 3, 4, 3)), flat.reshape(2, 3, 4, 2))
    torch.testing.assert_close(layer(x[0]), flat[0])
    assert layer(x[:0]).shape == (0, 2)
    assert "in_features=3, out_features=2" in repr(layer)


@pytest.mark.parametrize("n_in", [4, 256])
def test_initial_outputs_have_a_sensible_spread(n_in: int) -> None:
    spread = network([n_in, 64, 64])(samples(n_in, 500)).std()
    assert 0.1 < spread < 1.0


def test_scalers_scale_the_initial_weights() -> None:
    layer = KANLinear(4, 3, scale_base=0.0, scale_spline=2.0)
    assert not layer.base_weight.any()
    assert layer.spline_scaler.unique().tolist() == [2.0]
    plain = KANLinear(4, 3, enable_standalone_scale_spline=False)
    assert set(plain.state_dict()) == {"base_weight", "spline_weight", "grid"}


def train(model: torch.nn.Module, n_in: int, steps: int = 40, **options: Any) -> list[float]:
    x = samples(n_in, 256, 0.7)
    target = torch.sin(3 * x[:, :1]) + x[:, 1:2] ** 2
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, **options)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_learns() -> None:
    losses = train(network([2, 4, 1]), 2, 120)
    assert losses[-1] < 0.02 * losses[0]


def test_pruned_edges_stay_zero_in_training_and_on_disk() -> None:
    model = network([3, 4, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    first = model.layers[0]
    mask = torch.rand(4, 3, generator=torch.Generator().manual_seed(0)) > 0.5
    x = samples(3)
    # Momentum gathered before pruning goes on moving the weights after it.
    for step in range(6):
        if step == 3:
            first.prune(mask)
            assert not first.base_weight[~mask].any()
            assert not first.spline_weight[~mask].any()
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    state = copy.deepcopy(model).state_dict()
    assert set(state) == set(network([3, 4, 1]).state_dict())
    assert not state["layers.0.base_weight"][~mask].any()
    assert not state["layers.0.spline_weight"][~mask].any()
    assert state["layers.0.base_weight"][mask].all()
    assert not first.edge_norms(x)[~mask].any()
    np.testing.assert_array_equal(model.to_model().layers[0].active, mask.numpy())
    np.testing.assert_allclose(
        model.to_model()(x.numpy()), model(x).detach().numpy(), atol=1e-5
    )


def test_pruning_adds_up() -> None:
    layer = KANLinear(2, 2)
    layer.prune(torch.tensor([[True, False], [True, True]]))
    layer.prune(torch.tensor([[True, True], [False, True]]))
    assert layer.edge_mask.tolist() == [[True, False], [False, True]]
    layer.reset_parameters()
    assert layer.edge_mask.all()


def test_loading_restores_what_was_pruned_and_nothing_else() -> None:
    pruned, whole = network([3, 4, 1]), network([3, 4, 1])
    whole_state = copy.deepcopy(whole.state_dict())
    pruned.layers[0].prune(torch.eye(4, 3, dtype=torch.bool))
    whole.load_state_dict(pruned.state_dict())
    assert whole.active_edges == pruned.active_edges == 7
    train(whole, 3, 3)
    assert whole.to_model().active_edges == 7
    x = samples(3)
    pruned.load_state_dict(whole_state)
    assert pruned.active_edges == 16
    torch.testing.assert_close(pruned(x), network([3, 4, 1])(x))


@pytest.mark.parametrize("scaler", [True, False])
def test_edge_norms_measure_each_edge(scaler: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanhw.layers.efficient_kan.CHUNK_VALUES", 200 * 12 * 2)
    model = network([5, 3], scale_noise=1.0, enable_standalone_scale_spline=scaler)
    x = samples(5, scale=1.5)
    edges = model.to_model().layers[0].edges(x.numpy())
    norms = model.layers[0].edge_norms(x.reshape(10, 20, 5))
    np.testing.assert_allclose(norms.numpy(), edges.std(axis=2), rtol=1e-5)


def masks(model: KAN) -> list[np.ndarray]:
    return [layer.edge_mask.numpy().copy() for layer in model.layers]


def test_prune_to_is_monotone_and_leaves_no_useless_edge() -> None:
    model = network([8, 6, 5, 2], scale_noise=1.0)
    x = samples(8)
    before = masks(model)
    for count in (90, 60, 31, 12, 12, 5, 0):
        left = model.prune_to(count, x)
        after = masks(model)
        assert left == model.active_edges == model.to_model().active_edges <= count
        assert all((b | ~a).all() for a, b in zip(after, before, strict=True))
        for first, second in pairwise(after):
            np.testing.assert_array_equal(first.any(axis=1), second.any(axis=0))
        before = after


def test_prune_to_removes_the_weakest_relative_to_its_output() -> None:
    model = network([4, 2])
    with torch.no_grad():
        model.layers[0].spline_weight.zero_()
        # The second output is a thousand times larger: its edges must not win for that.
        model.layers[0].base_weight.copy_(
            torch.tensor([[1.0, 0.1, 2.0, 3.0], [1000.0, 2000.0, 100.0, 4000.0]])
        )
    model.prune_to(6, samples(4))
    assert np.argwhere(~masks(model)[0]).tolist() == [[0, 1], [1, 2]]


def test_prune_to_removes_constant_inputs_and_unread_outputs_first() -> None:
    model = network([3, 4, 2])
    x = samples(3)
    x[:, 1] = 0.5
    keep = torch.ones(2, 4, dtype=torch.bool)
    keep[:, 2] = False
    model.layers[1].prune(keep)
    with torch.no_grad():
        model.layers[0].base_weight[:, 1] = 100.0
        model.layers[0].base_weight[2] = 100.0
    assert model.prune_to(model.active_edges, x) == 18
    assert model.prune_to(17, x) == 12
    first, second = masks(model)
    assert not first[:, 1].any() and not first[2].any() and first.sum() == 6
    assert second.sum() == 6


def test_prune_to_follows_chains_of_useless_edges() -> None:
    model = network([2, 2, 2, 1])
    model.layers[0].prune(torch.tensor([[True, True], [False, False]]))
    model.layers[2].prune(torch.tensor([[True, False]]))
    # Alive: 2 edges into unit 0, one edge from there to unit 0, one edge to the output.
    assert model.prune_to(6, samples(2)) == 4
    assert [m.tolist() for m in masks(model)] == [
        [[True, True], [False, False]],
        [[True, False], [False, False]],
        [[True, False]],
    ]


@pytest.mark.wide
def test_pruning_keeps_what_matters() -> None:
    model = network([6, 4, 1])
    train(model, 6, 150)
    for count in (20, 12, 8):
        model.prune_to(count, samples(6, 256, 0.7))
        losses = train(model, 6, 100)
    assert model.active_edges <= 8
    assert masks(model)[0].any(axis=0).tolist()[:2] == [True, True]
    assert losses[-1] < 0.05


def test_refuses_sizes() -> None:
    for name in ("in_features", "out_features", "grid_size", "spline_order"):
        sizes: dict[str, Any] = {"in_features": 2, "out_features": 2, name: 0}
        with pytest.raises(InputError, match=f"^{name} must be at least 1, not 0$"):
            KANLinear(**sizes)
        with pytest.raises(TypeError, match=f"^{name} must be an integer, not 2.5$"):
            KANLinear(**{**sizes, name: 2.5})
    with pytest.raises(InputError, match=r"^A KAN needs at least two sizes .*, not \[3\]$"):
        KAN([3])


@pytest.mark.parametrize(
    ("grid_range", "message"),
    [
        ((1.0, 1.0), r"^grid_range must go from a lower to a higher number, not \(1\.0, 1\.0\)$"),
        ((0.0, float("inf")), r"^grid_range must be two finite numbers"),
        ((0.0, 1.0, 2.0), r"^grid_range must be two finite numbers, not \(0\.0, 1\.0, 2\.0\)$"),
    ],
)
def test_refuses_ranges(grid_range: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KANLinear(2, 2, grid_range=grid_range)


def test_refuses_inputs_of_another_width() -> None:
    message = r"^KANLinear takes 3 features in the last axis, but the input has shape \[5, 2\]$"
    with pytest.raises(InputError, match=message):
        KANLinear(3, 2)(torch.zeros(5, 2))


def test_refuses_masks() -> None:
    message = r"^The pruning mask must have shape \[2, 3\] \[out_features, in_features\], not "
    with pytest.raises(InputError, match=message):
        KANLinear(3, 2).prune(torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"^A pruning mask must be a bool tensor, True where"):
        KANLinear(3, 2).prune(torch.ones(2, 3))


def test_prune_to_refuses() -> None:
    model = network([3, 2])
    with pytest.raises(InputError, match=r"^edge_count must be at least 0, not -1$"):
        model.prune_to(-1, samples(3))
    with pytest.raises(TypeError, match=r"^edge_count must be an integer, not 2\.0$"):
        model.prune_to(2.0, samples(3))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^Measuring edges needs at least 2 samples, not 1: pass"):
        model.prune_to(2, samples(3, 1))


def test_to_model_refuses_unknown_activations() -> None:
    with pytest.raises(InputError, match=r"^kanhw has no equal of the base activation Softsign"):
        network([2, 1], base_activation=torch.nn.Softsign).to_model()
    approximate = network([2, 1], base_activation=lambda: torch.nn.GELU("tanh"))
    with pytest.raises(InputError, match=r"GELU without approximation"):
        approximate.to_model()


OTHERS = ("LeakyReLU", "ELU", "Sigmoid", "Softplus", "Mish", "SELU", "Hardswish")


@pytest.mark.parametrize("kind", [getattr(torch.nn, name) for name in OTHERS])
def test_every_activation_is_the_records(kind: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    network = KAN([3, 2], base_activation=kind).double()
    x = torch.randn(40, 3, dtype=torch.float64)
    model = network.to_model()
    np.testing.assert_allclose(model(x.numpy()), network(x).detach().numpy(), atol=1e-9)
    again = module_of(model).double()
    np.testing.assert_allclose(again(x).detach().numpy(), model(x.numpy()), atol=1e-6)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.LeakyReLU(0.2),
        torch.nn.ELU(0.5),
        torch.nn.Softplus(2.0),
        torch.nn.GELU(approximate="tanh"),
    ],
)
def test_other_parameters_are_no_equal(module: torch.nn.Module) -> None:
    with pytest.raises(InputError, match="kanhw has no equal of the base activation"):
        KAN([3, 2], base_activation=lambda: module).to_model()
