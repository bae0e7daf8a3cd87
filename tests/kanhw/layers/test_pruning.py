"""Taking edges out: by importance, and with everything that becomes useless."""

from itertools import pairwise

import numpy as np
import pytest

from kanhw.layers.pruning import EdgeRemoval


def full(*shape):
    return [np.ones((n_out, n_in), bool) for n_in, n_out in pairwise(shape)]


def useless(masks):
    """Units between layers that are only read or only fed."""
    return [
        (left.any(axis=1) != right.any(axis=0)).any()
        for left, right in pairwise(masks)
    ]


def test_least_important_edges_go_first():
    masks = full(2, 3)
    removal = EdgeRemoval(masks)
    assert removal.count == 6
    removal.remove_least([np.array([[5.0, 1.0], [2.0, 6.0], [4.0, 3.0]])], 3)
    assert removal.count == 3
    assert removal.masks[0].tolist() == [[True, False], [False, True], [True, False]]


def test_equals_go_in_order():
    removal = EdgeRemoval(full(2, 2))
    removal.remove_least([np.ones((2, 2))], 2)
    assert removal.masks[0].tolist() == [[False, False], [True, True]]


def test_an_output_that_nothing_reads_takes_its_inputs_along():
    removal = EdgeRemoval(full(3, 2, 1))
    importance = [np.full((2, 3), 9.0), np.array([[1.0, 2.0]])]
    removal.remove_least(importance, 7)
    assert removal.masks[1].tolist() == [[False, True]]
    assert removal.masks[0].tolist() == [[False] * 3, [True] * 3]
    assert removal.count == 4  # fewer than asked for


def test_an_output_that_nothing_feeds_takes_its_readers_along():
    removal = EdgeRemoval(full(2, 2, 2, 1))
    importance = [np.array([[0.0, 0.1], [9.0, 9.0]]), np.full((2, 2), 5.0), np.full((1, 2), 7.0)]
    removal.remove_least(importance, 8)
    assert removal.masks[0].tolist() == [[False, False], [True, True]]
    assert removal.masks[1].tolist() == [[False, True], [False, True]]
    assert removal.masks[2].all() and removal.count == 6


def test_constant_inputs():
    removal = EdgeRemoval(full(3, 2, 1))
    removal.remove_constant([np.array([True, False, True]), np.array([False, False])])
    assert removal.masks[0].tolist() == [[False, True, False]] * 2
    assert removal.count == 4
    removal.remove_constant([np.array([True, True, True]), np.array([False, False])])
    assert removal.count == 0 and not any(mask.any() for mask in removal.masks)


def test_edges_that_are_useless_from_the_start():
    first, second = full(2, 2, 2)
    first[0] = False
    removal = EdgeRemoval([first, second])
    assert removal.masks[1].tolist() == [[False, True]] * 2
    assert removal.count == 4


def test_nothing_to_do():
    removal = EdgeRemoval(full(2, 2))
    removal.remove_least([np.ones((2, 2))], 4)
    assert removal.count == 4
    removal.remove_least([np.ones((2, 2))], 0)
    assert removal.count == 0


@pytest.mark.parametrize("seed", range(8))
def test_no_useless_edge_is_ever_left(seed):
    generator = np.random.default_rng(seed)
    masks = full(5, 4, 3, 2)
    removal = EdgeRemoval(masks)
    for target in (30, 20, 12, 6, 3):
        before = [mask.copy() for mask in removal.masks]
        removal.remove_least([generator.random(mask.shape) for mask in masks], target)
        assert removal.count <= target
        assert removal.count == sum(int(mask.sum()) for mask in removal.masks)
        assert not any(useless(removal.masks))
        assert not any((now & ~then).any() for now, then in zip(removal.masks, before, strict=True))
