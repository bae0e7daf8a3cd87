"""K-means, gains as integers, and shapes that edges share: properties, and exact recovery."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.quant import QuantConfig
from kanhw.quant.codebook import k_means
from kanhw.quant.codebook.clustering import grouped_sums
from kanhw.quant.codebook.edge_set import EdgeSet
from kanhw.quant.codebook.gains import highest_gain, power_of_two, quantize_gains
from kanhw.quant.codebook.shapes import find_shapes
from kanhw.quant.config import CodebookConfig

SEEDS = st.integers(0, 2**32 - 1)


def distances(vectors, clusters):
    nearest = clusters.signs[:, None] * clusters.centres[clusters.index]
    return np.square(vectors - nearest).sum(axis=1)


@given(SEEDS, st.integers(1, 12), st.booleans(), st.booleans())
def test_the_objective_never_increases(seed, count, mirrored, weighted):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 4)) * rng.lognormal(0, 1, (60, 1))
    weights = rng.integers(0, 3, 60) * 1.0 if weighted else None
    clusters = k_means(vectors, count, weights=weights, mirrored=mirrored, seed=seed % 1000)
    assert (np.diff(clusters.objectives) <= 1e-9).all()
    counts = np.ones(60) if weights is None else weights
    assert clusters.objectives[-1] == pytest.approx(counts @ distances(vectors, clusters))
    assert len(clusters.centres) <= count
    assert set(clusters.signs) <= ({-1.0, 1.0} if mirrored else {1.0})
    # Everything is where it is nearest, of what counts.
    for sign in {1.0, -1.0 if mirrored else 1.0}:
        others = np.square(vectors[:, None] - sign * clusters.centres).sum(axis=2).min(axis=1)
        assert (counts * (distances(vectors, clusters) - others) <= 1e-9).all()


def test_the_same_seed_gives_the_same_clusters():
    vectors = np.random.default_rng(0).normal(size=(200, 3))
    first, again = (k_means(vectors, 9, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.centres, again.centres)
    np.testing.assert_array_equal(first.index, again.index)
    other = k_means(vectors, 9, seed=5)
    assert not np.array_equal(first.centres, other.centres)


def test_distinct_vectors_are_found_exactly():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(7, 5))
    truth, signs = rng.integers(0, 7, 300), rng.choice([-1.0, 1.0], 300)
    vectors = signs[:, None] * centres[truth]
    clusters = k_means(vectors, 20, mirrored=True)
    # There are no more than that to be found.
    assert len(clusters.centres) == 7
    assert clusters.objectives[-1] < 1e-20
    assert len(k_means(np.ones((5, 2)), 3).centres) == 1


def test_clusters_that_lose_their_vectors_take_others():
    # From a start of three vectors that are nearly the same, at least two would stay empty.
    rng = np.random.default_rng(2)
    vectors = np.concatenate([rng.normal(size=(50, 2)) * 1e-3, [[100.0, 0.0], [0.0, 100.0]]])
    clusters = k_means(vectors, 3)
    assert set(clusters.index) == {0, 1, 2}
    assert clusters.objectives[-1] < 1


@pytest.mark.parametrize(("vectors", "count"), [(np.empty((0, 2)), 3), (np.ones((4, 2)), 0)])
def test_nothing_to_cluster(vectors, count):
    with pytest.raises(InputError, match="k-means needs vectors and a count of at least 1, not"):
        k_means(vectors, count)


def test_grouped_sums():
    sums = grouped_sums(np.array([[1.0, 2], [10, 20], [100, 200]]), np.array([2, 0, 2]), 4)
    np.testing.assert_array_equal(sums, [[10, 20], [0, 0], [101, 202], [0, 0]])


@settings(max_examples=30)
@given(SEEDS, st.booleans(), st.booleans())
def test_least_squares_of_edges(seed, scaled, biased):
    rng = np.random.default_rng(seed)
    source = rng.integers(0, 3, 20)
    offsets = rng.normal(size=(3, 6)) if biased else None
    edges = EdgeSet(rng.normal(size=(20, 6)), source, rng.random((3, 6)), offsets, scaled)
    shapes = rng.normal(size=(4, 6))
    match = edges.match(shapes)
    weights, offset = (
        edges.weights[source],
        np.zeros((20, 6)) if offsets is None else offsets[source],
    )

    def error(index, gains, biases):
        left = edges.functions - gains[:, None] * shapes[index] - biases[:, None] * offset
        return (weights * left**2).sum(axis=1)

    best = error(match.index, match.gains, match.biases)
    np.testing.assert_allclose(match.errors, best, rtol=1e-9, atol=1e-12)
    assert (match.gains == 1).all() or scaled
    for _ in range(20):
        index = rng.integers(0, 4, 20)
        moved = rng.normal(size=(2, 20)) * 0.1
        own = np.where(rng.random(20) < 0.5, index, match.index)
        gains = match.gains + moved[0] * scaled
        assert (best <= error(own, gains, match.biases + moved[1] * biased) + 1e-9).all()
    # New shapes for these gains and biases leave less, whatever edges then do.
    better = edges.shapes_for(match, shapes)
    assert edges.match(better, match.index).errors.sum() <= best.sum() + 1e-9
    assert edges.match(better).errors.sum() <= best.sum() + 1e-9


@pytest.mark.parametrize("clustering", ["functions", "coefficients"])
@pytest.mark.parametrize("biased", [True, False])
def test_exact_recovery(clustering, biased):
    rng = np.random.default_rng(3)
    basis = rng.random((16, 5))
    shapes = rng.normal(size=(6, 5))
    shapes -= shapes.mean(axis=1, keepdims=True)
    gains, truth = rng.normal(size=(400, 1)), rng.integers(0, 6, 400)
    biases = rng.normal(size=(400, 1)) * biased
    vectors = gains * shapes[truth]
    offsets = np.tile(basis.sum(axis=1), (10, 1)) if biased else None
    functions = (vectors + biases) @ basis.T
    weights = np.full((10, 16), 1 / 16)
    edges = EdgeSet(functions, rng.integers(0, 10, 400), weights, offsets, scaled=True)
    config = QuantConfig(codebook=CodebookConfig(size=6, clustering=clustering, bias=biased))
    given = vectors if clustering == "coefficients" else edges.remainders
    found, settled = find_shapes(edges, given, config)
    match = edges.match(found, settled)
    left = functions - match.gains[:, None] * found[match.index]
    if offsets is not None:
        left -= match.biases[:, None] * offsets[0]
    assert np.abs(left).max() < 1e-9
    assert (settled is None) == (clustering == "functions")


@given(st.lists(st.floats(-300, 300), min_size=1, max_size=9), st.integers(0, 8))
def test_the_nearest_power_of_two(values, exponent):
    relative = np.array(values)
    allowed = np.array([0.0, *(s * 2.0**e for e in range(exponent + 1) for s in (-1, 1))])
    rounded = power_of_two(relative, 1 << exponent)
    assert np.isin(rounded, allowed).all()
    nearest = np.abs(relative[:, None] - allowed).min(axis=1)
    np.testing.assert_allclose(np.abs(relative - rounded), nearest)


@pytest.mark.parametrize("gain", ["any", "power_of_two", "none"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_integer_gains(gain, bits, granularity):
    rng = np.random.default_rng(bits)
    gains = rng.normal(size=(6, 40)) * rng.lognormal(size=(6, 1))
    gains[1], gains[2, :7] = 0, 0
    config = QuantConfig(
        weight_granularity=granularity,
        codebook=CodebookConfig(gain=gain, gain_bits=bits),
    )
    rounded = quantize_gains(gains, np.ones_like(gains), config)
    assert (rounded.codes[gains == 0] == 0).all()
    assert np.abs(rounded.codes).max() <= highest_gain(config)
    assert granularity == "channel" or len(set(rounded.scale)) == 1
    if gain == "none":
        assert set(rounded.codes[gains != 0]) == {1}
        return
    if gain == "power_of_two":
        sizes = np.abs(rounded.codes)
        assert ((sizes & (sizes - 1)) == 0).all()
        # A sign, and 0 or an exponent: what the bits have room for.
        assert len(set(sizes[sizes > 0])) <= 2 ** (bits - 1) - 1
    error = np.abs(rounded.dequantize() - gains).mean() / np.abs(gains).mean()
    # Between two powers of two, a sixth is lost on average, however many bits there are.
    assert (
        error
        < ({2: 0.8, 4: 0.25, 8: 0.2} if gain == "power_of_two" else {2: 0.8, 4: 0.2, 8: 0.03})[bits]
    )


def test_gains_that_count_decide_the_step():
    gains, counts = np.array([[1.0, 2.0, 100.0]]), np.array([[1.0, 1.0, 0.0]])
    rounded = quantize_gains(gains, counts, QuantConfig(codebook=CodebookConfig(gain_bits=4)))
    assert rounded.dequantize()[0, :2] == pytest.approx([1, 2], rel=0.15)
    assert rounded.codes[0, 2] == 7
