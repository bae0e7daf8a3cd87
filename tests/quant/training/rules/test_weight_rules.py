"""Rules for weights: integers times a step, as deployed, with the papers' gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kanhw.quant.training.rules.weight_quantizers import weight_rule

RULES = ["lsq", "lsq+", "pact", "qil", "dorefa", "dsq"]
# Rules whose grid has an odd number of steps, so that zero is not on it.
WITHOUT_ZERO = ["pact", "dorefa", "dsq"]


@pytest.fixture(autouse=True, scope="module")
def float64():
    """Exact enough that a rule and what it freezes to are the same numbers."""
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(kind)
    torch.set_num_threads(threads)


def limits(name, bits):
    """The lowest and the highest integer."""
    if bits == 1:
        return -1, 1
    if name in WITHOUT_ZERO:
        return 1 - 2**bits, 2**bits - 1
    return (1 if name == "qil" else 0) - 2 ** (bits - 1), 2 ** (bits - 1) - 1


def moved(rule, rng):
    """As if it had been trained for a while."""
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter *= torch.tensor(rng.uniform(0.5, 1.5, parameter.shape))
    return rule


def assert_deployed(rule, weights):
    """The forward pass, compared with the frozen integers; gives these."""
    real = rule(torch.tensor(weights)).detach().numpy()
    frozen = rule.frozen(torch.tensor(weights))
    assert frozen.codes.dtype == np.int64
    assert frozen.scale.shape == (len(weights),)
    assert (frozen.scale > 0).all()
    np.testing.assert_array_equal(real, frozen.dequantize())
    return frozen


def gradients(rule, w):
    """Derivatives of one quantized weight: to it, and to every parameter."""
    rule.zero_grad()
    weight = torch.tensor([[float(w)]], requires_grad=True)
    rule(weight).sum().backward()
    return weight.grad.item(), {name: p.grad.item() for name, p in rule.named_parameters()}


@pytest.mark.some(2)
@pytest.mark.parametrize("name", RULES)
@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(1, 8),
    per_channel=st.booleans(),
    trained=st.booleans(),
    progress=st.floats(0, 1),
)
# Learned intervals that no weight was in left one bit of QIL without any gradient.
@example(seed=103910, bits=1, per_channel=False, trained=True, progress=0.0)
def test_what_trains_is_what_is_frozen(name, seed, bits, per_channel, trained, progress):
    rng = np.random.default_rng(seed)
    weights = rng.normal(rng.normal(0, 0.3), 1, (3, 4, 5)) * 10.0 ** rng.uniform(-3, 1, (3, 1, 1))
    weights[rng.random(weights.shape) < 0.3] = 0
    rule = weight_rule(name, weights.reshape(3, -1), bits, per_channel=per_channel)
    if trained:
        moved(rule, rng)
        weights *= rng.uniform(0.5, 2, weights.shape)
    if name == "dsq":
        rule.sharpen(progress)
    frozen = assert_deployed(rule, weights)
    lo, hi = limits(name, bits)
    assert lo <= frozen.codes.min() and frozen.codes.max() <= hi
    assert (frozen.codes[weights == 0] == 0).all()
    used = np.unique(frozen.codes[weights != 0])
    assert len(used) <= 2**bits
    if bits == 1:
        np.testing.assert_array_equal(frozen.codes, np.sign(weights))
    elif name in WITHOUT_ZERO:
        assert (used % 2 == 1).all()
    # A sign never turns round.
    assert (frozen.codes * np.sign(weights) >= 0).all()
    if not per_channel:
        assert len(np.unique(frozen.scale)) == 1

    real = torch.tensor(weights, requires_grad=True)
    (rule(real) * torch.tensor(rng.normal(size=weights.shape))).sum().backward()
    assert torch.isfinite(real.grad).all()
    assert real.grad.any()
    assert real.grad.abs().max() < 1e4
    for parameter in rule.parameters():
        assert torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 8])
@pytest.mark.parametrize("name", RULES)
def test_nothing_to_measure(name, bits, per_channel):
    one_row = np.random.default_rng(0).normal(size=(3, 4))
    one_row[1:] = 0
    kinds = [
        np.zeros((3, 4)),
        np.zeros((3, 0)),
        np.full((3, 4), -0.7),
        one_row,
        np.eye(3, 4),
        np.full((3, 4), 1e-300),
    ]
    for weights in kinds:
        with np.errstate(all="raise", under="ignore"):
            rule = weight_rule(name, weights, bits, per_channel=per_channel)
            frozen = assert_deployed(rule, weights)
        assert (frozen.codes[weights == 0] == 0).all()
        real = torch.tensor(weights, requires_grad=True)
        rule(real).sum().backward()
        assert torch.isfinite(real.grad).all()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in rule.parameters())


@pytest.mark.parametrize("name", RULES)
def test_a_layer_without_bases_has_one_function_that_is_zero(name):
    # It is made from no coefficients, and trains with one that is 0.
    rule = weight_rule(name, np.zeros((2, 0)), 4, per_channel=True)
    assert not assert_deployed(rule, np.zeros((2, 3, 1))).codes.any()
    assert assert_deployed(rule, np.zeros((2, 3, 0))).codes.shape == (2, 3, 0)


@pytest.mark.parametrize("name", RULES)
def test_float32_trains_the_same_integers(name):
    weights = np.random.default_rng(1).normal(size=(4, 50)).astype(np.float32)
    torch.set_default_dtype(torch.float32)
    try:
        rule = weight_rule(name, weights.astype(np.float64), 8, per_channel=True)
        real = rule(torch.tensor(weights)).detach().numpy()
        frozen = rule.frozen(torch.tensor(weights))
    finally:
        torch.set_default_dtype(torch.float64)
    np.testing.assert_allclose(real, frozen.dequantize(), rtol=1e-6)


@pytest.mark.parametrize("name", ["lsq", "lsq+", "qil", "dsq"])
def test_eight_bits_lose_little(name):
    weights = np.random.default_rng(2).normal(0, 3, (4, 60))
    rule = weight_rule(name, weights, 8, per_channel=True)
    error = assert_deployed(rule, weights).dequantize() - weights
    # Steps of LSQ start wide, and what is beyond the spread of DSQ is clipped.
    assert np.sqrt(np.square(error).mean()) < (0.02 if name in ("lsq+", "qil") else 0.1) * 3


def test_learned_step_size():
    # LSQ, equation 3, with Q_n = 4 and Q_p = 3; one value shares the step.
    rule = weight_rule("lsq", np.array([[-1.0, 1.0, 0.0]]), 3, per_channel=False)
    step = 2 / math.sqrt(3)
    assert rule.step.item() == pytest.approx(step)
    for relative, expected, passed in [
        (0.3, -0.3, 1),
        (1.6, 0.4, 1),
        (2.9, 0.1, 1),
        (3.4, 3, 0),
        (-3.6, -0.4, 1),
        (-4.4, -4, 0),
    ]:
        to_weight, learned = gradients(rule, relative * step)
        assert to_weight == passed
        assert learned["step"] == pytest.approx(expected / math.sqrt(3))


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_step_gradient_is_scaled_by_the_number_of_weights(per_channel):
    weights = np.full((4, 25), 0.5)
    rule = weight_rule("lsq", weights, 4, per_channel=per_channel)
    relative = 0.5 / rule.step.detach()
    rule(torch.tensor(weights)).sum().backward()
    shared = 25 if per_channel else 100
    expected = shared * (torch.floor(relative + 0.5) - relative) / math.sqrt(shared * 7)
    torch.testing.assert_close(rule.step.grad, expected)


@pytest.mark.parametrize(("w", "to_step"), [(0.5, 0.5), (-0.5, -0.5), (3, 1), (-3, -1)])
@pytest.mark.parametrize("name", ["lsq", "lsq+"])
def test_one_bit_of_a_learned_step(name, w, to_step):
    rule = weight_rule(name, np.array([[-2.0, 0.5, 0.0, 0.5]]), 1, per_channel=False)
    assert rule.step.item() == pytest.approx(1)
    to_weight, learned = gradients(rule, w)
    assert to_weight == (abs(w) < 1)
    assert learned["step"] == pytest.approx(to_step)


def test_one_bit_is_zero_only_for_zero():
    weights = np.array([[1.0, -1e-300, 1e-300, 0.0, -3.0]])
    for name in RULES:
        rule = weight_rule(name, weights, 1, per_channel=False)
        assert assert_deployed(rule, weights).codes.tolist() == [[1, -1, 1, 0, -1]], name
        used = weights[weights != 0]
        assert rule.frozen(torch.tensor(weights)).scale[0] == pytest.approx(np.abs(used).mean())


def test_lsq_plus_starts_at_the_spread():
    weights = np.random.default_rng(3).normal(-0.2, 1, (2, 100))
    rule = weight_rule("lsq+", weights, 4, per_channel=True)
    mean, spread = weights.mean(axis=1), 3 * weights.std(axis=1)
    expected = np.maximum(np.abs(mean - spread), np.abs(mean + spread)) / 8
    np.testing.assert_allclose(rule.step.detach().numpy()[:, 0], expected)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("name", ["pact", "dorefa"])
def test_dorefa(name, bits, per_channel):
    # DoReFa, equation 9, with the factor that the paper leaves out.
    weights = np.random.default_rng(4).normal(size=(3, 20))
    rule = weight_rule(name, weights, bits, per_channel=per_channel)
    squashed = np.tanh(weights)
    largest = np.abs(squashed).max(axis=1 if per_channel else None, keepdims=True)
    steps = 2**bits - 1
    level = np.floor(steps * (squashed / (2 * largest) + 0.5) + 0.5)
    frozen = assert_deployed(rule, weights)
    np.testing.assert_array_equal(frozen.codes, 2 * level - steps)
    np.testing.assert_allclose(frozen.dequantize(), largest * (2 * level / steps - 1))
    assert not list(rule.parameters())

    real = torch.tensor(weights, requires_grad=True)
    rule(real).sum().backward()
    np.testing.assert_allclose(real.grad.numpy(), 1 - squashed**2)


def test_dorefa_of_one_bit():
    weights = torch.tensor([[0.5, -1.0, 0.0, 3.0]], requires_grad=True)
    rule = weight_rule("dorefa", weights.detach().numpy(), 1, per_channel=False)
    quantized = rule(weights)
    assert quantized.tolist() == [[1.5, -1.5, 0, 1.5]]
    quantized.sum().backward()
    assert weights.grad.tolist() == [[1, 1, 1, 1]]


def soft_interval(w, centre, half, exponent, top, level):
    """(c + d) Q(t**gamma) with ``level`` standing in for rounding (QIL, equations 1 to 4)."""
    share = torch.clamp(0.5 / half * w.abs() - 0.5 * centre / half + 0.5, 0, 1)
    soft = share**exponent
    return (centre + half) * torch.sign(w) * (soft + (level / top - soft).detach())


@pytest.mark.parametrize("w", [0.08, 0.3, -0.3, 0.62, -1.1, 1.45, 1.7, -4])
@pytest.mark.parametrize(("centre", "half", "exponent"), [(0.9, 0.7, 1), (0.8, 0.75, 1.6)])
def test_qil_learns_an_interval(w, centre, half, exponent):
    rule = weight_rule("qil", np.array([[-1.5, 1.5]]), 4, per_channel=False)
    with torch.no_grad():
        rule.centre.fill_(centre)
        rule.half_width.fill_(half)
        rule.exponent.fill_(exponent)
    to_weight, learned = gradients(rule, w)

    share = min(max((abs(w) - centre + half) / (2 * half), 0), 1)
    level = math.floor(7 * share**exponent + 0.5)
    frozen = rule.frozen(torch.tensor([[float(w)]]))
    assert frozen.codes.item() == math.copysign(level, w)
    assert frozen.scale.item() == pytest.approx((centre + half) / 7)
    if abs(w) < centre - half:
        assert frozen.codes.item() == 0

    leaves = [torch.tensor(float(v), requires_grad=True) for v in (w, centre, half, exponent)]
    soft_interval(*leaves, 7, level).backward()
    expected = [leaf.grad.item() for leaf in leaves]
    # The gradients of centre and half-width have the scale of LSQ: one weight, top code 7.
    ours = [to_weight, learned["centre"], learned["half_width"], learned["exponent"]]
    scales = [1, 1 / math.sqrt(7), 1 / math.sqrt(7), 1]
    assert ours == pytest.approx([e * s for e, s in zip(expected, scales, strict=True)], rel=1e-9)


@pytest.mark.parametrize("exponent", [-3.0, 0.1, 1.0, 20.0])
def test_qil_stays_finite_at_the_lower_end(exponent):
    rule = weight_rule("qil", np.array([[-1.0, 1.0]]), 4, per_channel=False)
    with torch.no_grad():
        rule.exponent.fill_(exponent)
    weights = torch.tensor([[0, 1e-12, 1e-5, 1e-3, 0.5, 1, 2.0]], requires_grad=True)
    rule(weights).sum().backward()
    assert torch.isfinite(weights.grad).all()
    assert weights.grad.abs().max() < 200
    assert all(torch.isfinite(p.grad).all() for p in rule.parameters())


def slope(position, alpha):
    """The derivative of DSQ's soft staircase, in codes (DSQ, equations 4 to 7)."""
    steepness = math.log(2 / alpha - 1)
    inner = steepness * (position - math.floor(position) - 0.5)
    return 0.5 * steepness / ((1 - alpha) * math.cosh(inner) ** 2)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("relative", [-1.3, -0.9, -0.3, 0.01, 0.4, 0.77, 1.2])
def test_dsq_has_the_slope_of_the_staircase(relative, bits, progress):
    # Mean 0, standard deviation 1: the range starts at +-1, or at the mean magnitude 1.
    rule = weight_rule("dsq", np.array([[-1.0, 1.0]]), bits, per_channel=False)
    assert rule.end.item() == 1
    rule.sharpen(progress)
    alpha = 0.4 * (0.05 / 0.4) ** progress
    steps = 2**bits - 1
    position = (relative + 1) / 2 * steps
    to_weight, learned = gradients(rule, relative)
    if 0 < position < steps:
        expected = slope(position, alpha)
        level = math.floor(position + 0.5)
        assert to_weight == pytest.approx(expected)
        to_end = (2 * level / steps - 1) - relative * expected
    else:
        assert to_weight == 0
        to_end = math.copysign(1, relative)
    assert learned["end"] == pytest.approx(to_end)


def test_dsq_starts_within_the_weights():
    weights = np.random.default_rng(5).normal(0.1, 1, (2, 2000))
    weights[1] = np.sign(weights[1])
    rule = weight_rule("dsq", weights, 4, per_channel=True)
    expected = abs(weights[0].mean()) + 2.6 * weights[0].std()
    np.testing.assert_allclose(rule.end.detach().numpy()[:, 0], [expected, 1])


def test_dsq_hardens_but_keeps_its_gradients():
    rule = weight_rule("dsq", np.array([[-1.0, 1.0]]), 3, per_channel=False)
    # From the middle of the range to the code after the next.
    weights = torch.linspace(1 / 7, 3 / 7, 1001)[None, :-1]
    spreads = []
    for progress in (0.0, 0.25, 0.5, 0.75, 1.0):
        rule.sharpen(progress)
        point = weights.clone().requires_grad_()
        rule(point).sum().backward()
        slopes = point.grad
        assert slopes.min() > 0.18 and slopes.max() < 1.95
        assert slopes.mean() == pytest.approx(1, abs=1e-3)
        spreads.append(float(slopes.max() - slopes.min()))
    assert spreads == sorted(spreads)


@pytest.mark.parametrize("name", ["lsq", "lsq+", "qil", "dsq"])
def test_a_step_cannot_collapse(name):
    weights = np.random.default_rng(6).normal(size=(3, 9))
    rule = weight_rule(name, weights, 4, per_channel=True)
    before = rule.frozen(torch.tensor(weights)).scale
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter.fill_(-1.0)
    frozen = assert_deployed(rule, weights)
    np.testing.assert_allclose(frozen.scale, before * 1e-3)
