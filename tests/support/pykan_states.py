"""PyKAN's state_dicts, and what PyKAN computes with them."""

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

SILU = "silu"
FUNCTIONS = {
    "x^2": lambda x: x * x,
    "sin": np.sin,
    "gaussian": lambda x: np.exp(-x * x),
    "0": lambda x: 0 * x,
    "abs": np.abs,
}


# An independent evaluation -----------------------------------------------------------------------


def splines(x, knots, order):
    """pykan's B_batch, line by line: nan_to_num of the sum at every degree."""
    x, t = x[:, :, None], knots[None]
    value = ((x >= t[..., :-1]) & (x < t[..., 1:])).astype(float)
    with np.errstate(all="ignore"):
        for k in range(1, order + 1):
            left = (x - t[..., : -(k + 1)]) / (t[..., k:-1] - t[..., : -(k + 1)])
            right = (t[..., k + 1 :] - x) / (t[..., k + 1 :] - t[..., 1:-k])
            value = np.nan_to_num(left * value[..., :-1] + right * value[..., 1:])
    return value


def base(name, x):
    with np.errstate(over="ignore"):
        return {"silu": x / (1 + np.exp(-x)), "identity": x, "zero": 0 * x}[name]


def forward(state, x, *, activation=SILU, arities=2, names=None, enabled=True):
    for layer in range(sum(key.endswith(".coef") for key in state)):
        act = {key: state[f"act_fun.{layer}.{key}"] for key in ("grid", "coef", "mask")}
        a, s = state[f"act_fun.{layer}.scale_base"], state[f"act_fun.{layer}.scale_sp"]
        order = act["grid"].shape[1] - act["coef"].shape[2] - 1
        curve = np.einsum("nik,iok->nio", splines(x, act["grid"], order), act["coef"])
        u = (act["mask"] * (a * base(activation, x)[:, :, None] + s * curve)).sum(1)
        if enabled and names is not None:
            mask, affine = (state[f"symbolic_fun.{layer}.{key}"] for key in ("mask", "affine"))
            for j, i in np.argwhere(mask != 0):
                b = affine[j, i]
                inner = FUNCTIONS[names[layer][j][i]](b[0] * x[:, i] + b[1])
                u[:, j] += mask[j, i] * (b[2] * inner + b[3])
        u = state[f"subnode_scale_{layer}"] * u + state[f"subnode_bias_{layer}"]
        nodes = len(state[f"node_bias_{layer}"])
        groups = arities[layer + 1] if isinstance(arities, list) else None
        if groups is None:
            groups = [arities] * ((u.shape[1] - nodes) // (arities - 1))
        start = nodes - len(groups)
        v = [u[:, n] for n in range(start)]
        for arity in groups:
            v.append(np.prod(u[:, start : start + arity], axis=1))
            start += arity
        x = state[f"node_scale_{layer}"] * np.stack(v, 1) + state[f"node_bias_{layer}"]
    return x


def extended(inner, order):
    h = (inner[:, -1:] - inner[:, :1]) / (inner.shape[1] - 1)
    for _ in range(order):
        inner = np.concatenate([inner[:, :1] - h, inner, inner[:, -1:] + h], axis=1)
    return inner


def make_state(rng, width, arities=2, cells=3, order=3, *, repeat=False):
    """A random state_dict; width as pykan's, with [sums, products]."""
    state = {}
    for layer, (before, after) in enumerate(pairwise(width)):
        n_in, nodes = sum(before), sum(after)
        groups = arities[layer + 1] if isinstance(arities, list) else [arities] * after[1]
        sums = after[0] + sum(groups)
        inner = np.sort(rng.normal(0, 1, (n_in, cells + 1)), axis=1)
        if repeat:
            inner[:, 1] = inner[:, 2]
        knots = extended(inner, order)
        act = {
            "grid": knots,
            "coef": rng.normal(0, 1, (n_in, sums, cells + order)),
            "mask": rng.choice([0.0, 1.0, 0.3], (n_in, sums)),
            "scale_base": rng.normal(0, 1, (n_in, sums)),
            "scale_sp": rng.normal(0, 1, (n_in, sums)),
        }
        state |= {f"act_fun.{layer}.{name}": value for name, value in act.items()}
        state[f"symbolic_fun.{layer}.mask"] = np.zeros((sums, n_in))
        state[f"symbolic_fun.{layer}.affine"] = rng.normal(0, 1, (sums, n_in, 4))
        for name, size in (("node", nodes), ("subnode", sums)):
            state[f"{name}_scale_{layer}"] = rng.normal(1, 0.3, size)
            state[f"{name}_bias_{layer}"] = rng.normal(0, 0.3, size)
    return state


def inputs(rng, state, rows=40):
    """Inside, far outside, and exactly on knots."""
    knots = state["act_fun.0.grid"]
    x = rng.normal(0, 1.5, (rows, len(knots)))
    x[:5] *= 20
    hits = rng.integers(0, knots.shape[1], (8, len(knots)))
    return np.concatenate([x, knots[np.arange(len(knots)), hits]])


def assert_close(actual, expected):
    scale = max(float(np.ptp(expected)), 1e-3)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10 * scale + 1e-12)


WIDTH = [[3, 0], [2, 0], [2, 0]]
