"""Normal random numbers from uniform ones."""

import hashlib

import numpy as np

from kanhw.numerics.random import standard_normal


def test_they_are_normal():
    x = standard_normal(np.random.default_rng(3), (200, 500))
    assert x.shape == (200, 500) and np.isfinite(x).all()
    # Each bound is five standard errors of 100,000 draws.
    assert abs(x.mean()) < 0.016 and abs(x.std() - 1) < 0.012
    assert abs((x**4).mean() - 3) < 0.16
    assert abs((np.abs(x) > 2).mean() - 0.0455) < 0.0033


def test_a_seed_gives_the_same_bytes_everywhere():
    x = standard_normal(np.random.default_rng(1), (1000,))
    digest = hashlib.sha256(x.astype("<f8").tobytes()).hexdigest()
    assert digest == "51de43c01bf63050570ec853a9132291d09b54c0643187bf4849dd2418a2b01f"
