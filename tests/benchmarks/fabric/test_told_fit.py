"""A fit of the weights of networks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.fabric.told_fit import GUESSES, fitted_weights, structure_of_weights
from kanhw.estimation.resource_model import luts_of
from kanhw.targets.table import network_model_of


def networks(weights, count=40):
    """Of made-up parts, with the LUTs that weights give them."""
    rng, made = np.random.default_rng(3), []
    names = ["adder_bits", "compressor_bits", "table_bits 3", "table_bits 4", "reset_signals"]
    names += ["narrow_chains 4"] if weights.narrow_chains else ["adders"]
    for _ in range(count):
        parts = Counter({name: int(rng.integers(0, 200)) for name in names})
        made.append((parts, round(luts_of(parts, weights))))
    return made


@pytest.mark.parametrize("target", GUESSES)
def test_weights_are_found_again(target):
    known = network_model_of(target).weights
    found = fitted_weights(networks(known), target)
    for parts, luts in networks(known):
        assert luts_of(parts, found) == pytest.approx(luts, rel=0.02)


@pytest.mark.parametrize("target", GUESSES)
def test_what_no_network_has_is_as_structure_says(target):
    structure = structure_of_weights(target)
    found = fitted_weights(networks(structure), target)
    assert found.table_bits[2] == pytest.approx(structure.table_bits[2], abs=0.01)
    assert found.table_pieces == pytest.approx(structure.table_pieces, abs=0.01)


def test_luts_that_are_counted_exactly_are_no_error_of_weights():
    known = network_model_of("xcup").weights
    plain = networks(known)
    exact = [(parts + Counter(cells=500), luts + 500) for parts, luts in plain]
    found = fitted_weights(exact, "xcup")
    assert luts_of(exact[0][0], found) == pytest.approx(exact[0][1], rel=0.02)
