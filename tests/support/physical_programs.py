"""Networks of real features with scales, zero points and ranges of their own."""

from itertools import pairwise

import numpy as np

from kanhw.formats import CodeFormat
from kanhw.program import ConvolutionLayer, EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.windows import Window

CODE = CodeFormat(6, True)


def _edges(rng, n_in, n_out, code, target=None):
    tables = rng.integers(-99, 100, (n_out, n_in, code.count))
    shift = 0 if target is None else 4
    scale = rng.uniform(0.001, 0.02, n_out)
    join = Requantizer(np.ones((1, n_out), int), rng.integers(-9, 9, n_out), shift, target, scale)
    return EdgeTableLayer(tables, (join,), "edges")


def encoder(rng, code, n_in, channels=None):
    """Random scales, zero points and ranges; of an image one for every channel."""
    own = n_in if channels is None else channels
    lo, hi = np.sort(rng.integers(code.lo, code.hi + 1, (2, own)), axis=0)
    whole = rng.random(own) < 0.5
    fields = {
        "scale": 2.0 ** rng.uniform(-9, 3, own),
        "zero_point": rng.integers(code.lo, code.hi + 1, own),
        "lo": np.where(whole, code.lo, lo),
        "hi": np.where(whole, code.hi, hi),
    }
    spread = {name: values.repeat(n_in // own) for name, values in fields.items()}
    return InputEncoder(code, n_in, **spread)


def physical_program(seed=0, sizes=(5, 4, 3), code=CODE):
    """A network of edge tables whose outputs are sums with units."""
    rng = np.random.default_rng(seed)
    targets = [code] * (len(sizes) - 2) + [None]
    layers = [
        _edges(rng, *own, code, target)
        for own, target in zip(pairwise(sizes), targets, strict=True)
    ]
    return Program(tuple(layers), encoder(rng, code, sizes[0]))


def physical_image(seed=0):
    """A convolution over an image of two channels."""
    rng = np.random.default_rng(seed)
    window = Window((2, 3, 4), (2, 2))
    layer = ConvolutionLayer(_edges(rng, window.taps, 2, CODE), window)
    return Program((layer,), encoder(rng, CODE, 24, channels=2))
