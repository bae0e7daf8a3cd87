"""Bit allocation: exact, within its budget, and what it says arrives in the integers."""

import itertools
import math
import sys

import numpy as np
import pytest

from kanhw.errors import InputError, ToolNotFound
from kanhw.model.network import KanModel
from kanhw.program import golden
from kanhw.quant import BitBudget, QuantConfig, allocate, costs_of, lower, quantize_model
from kanhw.quant.allocation import solve
from kanhw.quant.analysis.held_out import HeldOut
from kanhw.quant.analysis.traces import hessian_traces


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    """Of the traces of Hessians: which bits are best is not asked here."""
    monkeypatch.setitem(hessian_traces.__kwdefaults__, "draws", 10)


FAST = {"activation_calibration": "max_abs", "weight_calibration": "max_abs"}


def uniform(bits, **options):
    names = ("base_bits", "spline_bits", "activation_bits", "basis_bits", "base_table_bits")
    return QuantConfig(**dict.fromkeys(names, bits), **options, method="uniform")


def totals(losses, costs):
    """Every solution with its loss and cost."""
    for solution in itertools.product(*(range(len(own)) for own in losses)):
        yield (
            sum(own[place] for own, place in zip(losses, solution, strict=True)),
            sum(own[place] for own, place in zip(costs, solution, strict=True)),
            solution,
        )


@pytest.mark.some(4)
@pytest.mark.parametrize("seed", range(12))
def test_the_solver_finds_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, 4)
    # Losses of very different sizes, as those of few and many bits are.
    losses = [10.0 ** rng.uniform(-7, 0, size) for size in sizes]
    costs = [rng.integers(1, 1000, size).astype(float) for size in sizes]
    every = sorted(totals(losses, costs))
    limit = float(np.median([cost for _, cost, _ in every]))
    fitting = [entry for entry in every if entry[1] <= limit]
    forbidden = []
    for loss, _, _ in fitting[:4]:
        found = solve(losses, costs, limit, forbidden)
        chosen = sum(own[place] for own, place in zip(losses, found, strict=True))
        assert chosen == pytest.approx(loss, rel=1e-5)
        assert sum(own[p] for own, p in zip(costs, found, strict=True)) <= limit * (1 + 1e-6)
        assert found not in forbidden
        forbidden.append(found)


def test_what_cannot_be_solved():
    losses, costs = [np.array([1.0, math.inf])], [np.array([5.0, 1.0])]
    assert solve(losses, costs, 6) == (0,)
    assert solve(losses, costs, 4) is None
    assert solve(losses, costs, 6, [(0,)]) is None
    assert solve([np.array([math.inf])], [np.array([1.0])], 6) is None
    assert solve([np.zeros(2)], [np.array([1.0, 2.0])], 6) in ((0,), (1,))


def test_budgets(make_layer):
    rng = np.random.default_rng(0)
    model = KanModel((make_layer(rng, 3, 2),))
    program = lower(quantize_model(model, rng.normal(size=(50, 3)), QuantConfig(**FAST)))
    costs = costs_of(program)
    assert BitBudget.of(program).bits == costs.parameter_bits
    assert BitBudget.of(costs, "unrolled_luts").limit == costs.unrolled_luts
    assert BitBudget.of(program, "operation_energy_45nm_pj").met_by(costs)
    assert not BitBudget(unrolled_luts=costs.unrolled_luts - 0.5).met_by(costs)
    assert str(BitBudget(unrolled_luts=1000)) == "1000 unrolled_luts"
    names = "unrolled_luts, bits, bit_operations, operation_energy_45nm_pj"
    with pytest.raises(InputError, match=f"exactly one of {names}, not None"):
        BitBudget()
    with pytest.raises(InputError, match=r"exactly one of .*, not unrolled_luts and bits"):
        BitBudget(unrolled_luts=3, bits=4)
    for wrong in (0, -1, math.inf, math.nan):
        with pytest.raises(InputError, match="bits must be above 0 and finite, not"):
            BitBudget(bits=wrong)
    with pytest.raises(TypeError, match="bits must be a number, not '3'"):
        BitBudget(bits="3")
    with pytest.raises(InputError, match=r"what must be one of unrolled_luts, .*, not 'area'"):
        BitBudget.of(program, "area")


def assert_level_1(allocation, x):
    program = allocation.program
    codes = program.input.encode(x)
    history = allocation.quantized.activations(x)
    np.testing.assert_array_equal(history[0][0], codes)
    compared = 0
    for ours, theirs in zip(history[1:], program.activations(codes), strict=True):
        for mine, integers in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, integers)
            compared += integers.size
    np.testing.assert_array_equal(golden.run(program, codes), program(codes))
    assert compared
    return program


def assert_bits_arrive(allocation):
    """Codes are within what their branches were given."""
    layers = {layer.name: layer for layer in allocation.quantized.layers}
    seen = 0
    for row in allocation.table():
        layer = layers[row["layer"]]
        layer = getattr(layer, "taps", layer)
        if row["realisation"] is None:
            continue
        for branch in ("base", "spline"):
            top = max((1 << (row[f"{branch}_bits"] - 1)) - 1, 1)
            codes = getattr(layer, branch).codes
            assert np.abs(codes).max(initial=0) <= top
            seen += 1
        depth = 1 << row["activation_bits"]
        if row["realisation"] == "basis_table":
            assert layer.basis_tables.shape[1] == layer.base_tables.shape[1] == depth
            assert np.abs(layer.basis_tables).max() < 1 << row["basis_bits"]
        else:
            tables = [getattr(layer, name, None) for name in ("tables", "spline_tables")]
            table = next(found for found in tables if found is not None)
            assert table.shape[2] == depth
            assert np.ptp(table, axis=2).max() <= 1 << row["table_bits"]
    assert seen


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("variant", "realisation"),
    [
        ("b_splines", "auto"),
        ("kagn", "auto"),
        ("convolution", "auto"),
        ("fast_kan", "basis_table"),
        ("pykan", "basis_table"),
        # The other realisation of each, which differs in nothing but its tables.
        *(
            pytest.param(variant, realisation, marks=pytest.mark.slow)
            for variant, realisation in (
                ("b_splines", "basis_table"),
                ("kagn", "basis_table"),
                ("convolution", "basis_table"),
                ("fast_kan", "auto"),
                ("pykan", "auto"),
            )
        ),
    ],
    indirect=["variant"],
)
def test_every_variant(variant, realisation):
    model, x = variant
    calibration, held_out = x[:60], model.flat(x[60:])
    config = QuantConfig(realisation=realisation, **FAST)
    reference = quantize_model(model, calibration, uniform(4, realisation=realisation, **FAST))
    budget = BitBudget.of(lower(reference), "bits")
    made = allocate(model, calibration, held_out, budget, "hessian", None, config, (3, 4, 6))
    program = assert_level_1(made, held_out)
    assert_bits_arrive(made)
    assert made.costs == costs_of(program)
    assert budget.met_by(made.costs)
    data = HeldOut.of(model, held_out, None)
    assert made.verified_loss == data.loss(made.quantized)
    # The uniform network is among those that were tried.
    assert made.verified_loss <= made.uniform_loss <= data.loss(reference)
    again = quantize_model(model, calibration, made.config)
    np.testing.assert_array_equal(again(held_out), made.quantized(held_out))


@pytest.fixture
def network(make_layer):
    rng = np.random.default_rng(3)
    model = KanModel((make_layer(rng, 3, 4, name="a"), make_layer(rng, 4, 3, name="b")))
    x = rng.normal(size=(200, 3))
    return model, x[:100], x[100:]


@pytest.mark.some(2)
@pytest.mark.parametrize(
    "what", ["unrolled_luts", "bits", "bit_operations", "operation_energy_45nm_pj"]
)
def test_every_budget_binds(network, what):
    model, calibration, held_out = network
    config = QuantConfig(realisation="basis_table", **FAST)
    reference = quantize_model(model, calibration, uniform(4, realisation="basis_table", **FAST))
    budget = BitBudget.of(lower(reference), what)
    made = allocate(model, calibration, held_out, budget, "hessian", None, config, (3, 4, 6))
    assert budget.met_by(made.costs)
    assert made.verified_loss < made.uniform_loss
    assert made.uniform_bits == 4
    assert made.quantized.layers[0].base.codes.shape == (4, 3)


def test_sensitivity_with_labels(network):
    model, calibration, held_out = network
    labels = model(held_out).argmax(axis=1)
    config = QuantConfig(realisation="basis_table", input_bits=5, **FAST)
    budget = BitBudget.of(lower(quantize_model(model, calibration, uniform(4, **FAST))), "bits")
    made = allocate(
        model, calibration, held_out, budget, labels=labels, config=config, choices=(3, 6)
    )
    assert_level_1(made, held_out)
    assert made.quantized.input.format.width == 5
    assert "a" in made.config.layers
    text = str(made).splitlines()
    assert text[0].startswith("| layer | realisation | base_bits |")
    assert f"of {budget}; loss {made.verified_loss:.3e} ({made.origin})" in text[-1]


def test_what_the_user_asks_of_a_layer_stays(network):
    model, calibration, held_out = network
    layers = {"a": {"realisation": "edge_table", "weight_granularity": "tensor"}}
    config = QuantConfig(layers=layers, **FAST)
    budget = BitBudget(bits=1e6)
    made = allocate(model, calibration, held_out, budget, "hessian", None, config, (3, 8))
    assert made.quantized.layers[0].tables.ndim == 3
    assert made.config.layers["a"]["weight_granularity"] == "tensor"
    # There is room for the most of everything.
    assert made.verified_loss < 0.01


def test_a_budget_that_nothing_meets(network):
    model, calibration, held_out = network
    config = QuantConfig(realisation="basis_table", **FAST)
    message = r"No network fits 100 bits: the cheapest possible one costs \d+ bits with choices"
    with pytest.raises(InputError, match=message) as caught:
        allocate(model, calibration, held_out, BitBudget(bits=100), "hessian", None, config, (2, 3))
    cheapest = float(str(caught.value).split("costs ")[1].split()[0])
    made = allocate(
        model, calibration, held_out, BitBudget(bits=cheapest), "hessian", None, config, (2, 3)
    )
    assert made.costs.parameter_bits == cheapest


def test_without_scipy(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    model, calibration, held_out = network
    with pytest.raises(ToolNotFound, match=r"needs scipy: pip install 'kanhw\[allocation\]'"):
        allocate(model, calibration, held_out, BitBudget(bits=1000))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"criterion": "best"}, InputError, "must be one of sensitivity, hessian, not 'best'"),
        ({"choices": ()}, InputError, "choices must name at least one"),
        ({"choices": (0, 4)}, InputError, "choices must be 1 to 12 bits, not 0"),
        ({"choices": (4.0,)}, TypeError, r"choices must be integers, not 4\.0"),
        ({"config": QuantConfig(layers={"x": {}})}, InputError, "there is no layer 'x'"),
        ({"config": QuantConfig(realisation="codebook")}, InputError, "a codebook's bits"),
    ],
)
def test_refusals(network, changes, error, message):
    model, calibration, held_out = network
    with pytest.raises(error, match=message):
        allocate(model, calibration, held_out, **{"budget": BitBudget(bits=1000)} | changes)


@pytest.mark.slow
def test_wine_on_data_that_nobody_chose_by(shared_folder):
    import kanhw

    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import train_test_split

    x, labels = datasets.load_wine(return_X_y=True)
    train, test = train_test_split(x, test_size=0.25, random_state=0, stratify=labels)
    train, test = ((part - train.mean(axis=0)) / train.std(axis=0) for part in (train, test))
    model = kanhw.load(shared_folder / "fixtures" / "kan_libraries" / "efficient_kan_wine")
    data = HeldOut.of(model, test, None)
    reference = quantize_model(model, train[::2], uniform(4, realisation="basis_table"))
    made = allocate(
        model,
        train[::2],
        train[1::2],
        BitBudget.of(lower(reference), "bits"),
        "hessian",
        None,
        QuantConfig(realisation="basis_table"),
        (3, 4, 5),
    )
    assert data.loss(made.quantized) < 0.5 * data.loss(reference)
