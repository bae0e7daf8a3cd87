"""Rules for activations: what they compute is what they freeze, and gradients are the papers'."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.errors import TrainingDiverged
from kanhw.formats import CodeFormat
from kanhw.quant import QuantConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.quant.training.rules.activation_quantizers import activation_rule

RULES = ["lsq", "lsq+", "pact", "qil", "dorefa", "dsq"]
# Ranges of 3 bits: -1.5 to 2 with a zero point, and 0 to 3.5 without.
SIGNED = ActivationQuantizer(CodeFormat(3, False), np.array([0.5]), np.array([3]))
UNSIGNED = ActivationQuantizer(CodeFormat(3, False), np.array([0.5]), np.array([0]))


@pytest.fixture(autouse=True, scope="module")
def float64():
    """Exact enough that a rule and its frozen quantizer round alike."""
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(kind)
    torch.set_num_threads(threads)


def started(name, values, bits, granularity="tensor", *, symmetric=False):
    config = QuantConfig(activation_granularity=granularity, symmetric_activations=symmetric)
    return activation_rule(name, activation_quantizer(values, bits, config), values)


def moved(rule, rng):
    """As if it had been trained for a while."""
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter *= torch.tensor(rng.uniform(0.5, 2.0, parameter.shape))
            parameter += torch.tensor(rng.normal(0, 0.1, parameter.shape))
    return rule


def assert_deployed(rule, x):
    """The forward pass, compared with the frozen quantizer; gives the codes."""
    addresses, real = rule(torch.tensor(x))
    frozen = rule.frozen()
    codes = addresses.numpy() + frozen.format.lo
    np.testing.assert_array_equal(codes, frozen.quantize(x))
    np.testing.assert_array_equal(real.detach().numpy(), frozen.dequantize(codes))
    assert (frozen.scale > 0).all()
    assert frozen.zero_point.dtype == np.int64
    return codes


def gradients(rule, x):
    """Derivatives of what one value stands for: to it, and to every parameter."""
    rule.zero_grad()
    point = torch.tensor([[float(x)]], requires_grad=True)
    rule(point)[1].sum().backward()
    return point.grad.item(), {name: p.grad.item() for name, p in rule.named_parameters()}


@pytest.mark.some(2)
@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(1, 8),
    granularity=st.sampled_from(["tensor", "channel"]),
    symmetric=st.booleans(),
    positive=st.booleans(),
    trained=st.booleans(),
    progress=st.floats(0, 1),
)
def test_what_trains_is_what_is_frozen(
    name, seed, bits, granularity, symmetric, positive, trained, progress
):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), 1, (50, 3)) * 10.0 ** rng.uniform(-3, 3, 3)
    values = np.abs(values) if positive else values
    rule = started(name, values, bits, granularity, symmetric=symmetric)
    assert rule.per_feature == (granularity == "channel")
    if trained:
        moved(rule, rng)
    if name == "dsq":
        rule.sharpen(progress)
    x = np.concatenate([values, 10 * values, np.zeros((1, 3))])
    codes = assert_deployed(rule, x)
    assert len(np.unique(codes)) <= 2**bits
    if not trained:
        assert len(np.unique(codes)) > 1

    inputs = torch.tensor(x, requires_grad=True)
    (rule(inputs)[1] * torch.tensor(rng.normal(size=x.shape))).sum().backward()
    assert torch.isfinite(inputs.grad).all()
    for parameter in rule.parameters():
        assert torch.isfinite(parameter.grad).all()
        # A range that training has made so wide that nothing leaves it may stay where it is.
        assert trained or parameter.grad.any()


@pytest.mark.some(24)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize("bits", [1, 2, 8])
@pytest.mark.parametrize("name", RULES)
def test_values_that_do_not_vary(name, bits, granularity, symmetric):
    varied = np.random.default_rng(0).normal(size=20)
    kinds = {
        "zero": np.zeros((20, 2)),
        "constant": np.full((20, 2), 3.5),
        "negative": np.full((20, 2), -1e-9),
        "one zero column": np.stack([varied, np.zeros(20)], axis=1),
    }
    for values in kinds.values():
        with np.errstate(all="raise"):
            rule = started(name, values, bits, granularity, symmetric=symmetric)
            assert_deployed(rule, values)
        inputs = torch.tensor(values, requires_grad=True)
        rule(inputs)[1].sum().backward()
        assert torch.isfinite(inputs.grad).all()
        assert all(torch.isfinite(p.grad).all() for p in rule.parameters())


@pytest.mark.parametrize("name", RULES)
def test_float32_trains_the_same_codes(name):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 4)).astype(np.float32)
    torch.set_default_dtype(torch.float32)
    try:
        rule = started(name, values.astype(np.float64), 6)
        addresses, real = rule(torch.tensor(values))
        frozen = rule.frozen()
    finally:
        torch.set_default_dtype(torch.float64)
    codes = addresses.numpy() + frozen.format.lo
    assert np.mean(codes != frozen.quantize(values.astype(np.float64))) < 0.01
    np.testing.assert_allclose(real.detach().numpy(), frozen.dequantize(codes), rtol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_nan_is_refused(name):
    rule = started(name, np.array([[-1.0], [1.0]]), 3)
    with pytest.raises(TrainingDiverged, match="is NaN"):
        rule(torch.tensor([[0.5], [float("nan")]]))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [1, 3, 7])
def test_sums_between_two_codes_are_rounded_up(kind, shift):
    # As the hardware does with integers: sums of edge tables are often exactly there.
    torch.set_default_dtype(kind)
    try:
        for scale in np.random.default_rng(9).uniform(0.01, 3, 20):
            start = ActivationQuantizer(CodeFormat(8, False), np.array([scale]), np.array([100]))
            rule = activation_rule("dorefa", start, np.array([[-1.0], [1.0]]))
            integers = np.arange(-100 << shift, 155 << shift)
            sums = torch.tensor(integers, dtype=kind) * (rule.step / 2**shift)
            addresses, _ = rule(sums[:, None])
            expected = ((integers + (1 << (shift - 1))) >> shift) + 100
            np.testing.assert_array_equal(addresses[:, 0].numpy(), expected)
    finally:
        torch.set_default_dtype(torch.float64)


@pytest.mark.parametrize("name", RULES)
def test_starts_at_the_calibrated_range(name):
    values = np.random.default_rng(1).normal(0.3, 1, (500, 2))
    start = activation_quantizer(values, 4, QuantConfig())
    frozen = activation_rule(name, start, values).frozen()
    if name == "lsq":
        # The paper's start has no offset.
        assert frozen.format == CodeFormat(4, True)
        expected = 2 * np.abs(values).mean() / math.sqrt(7)
        np.testing.assert_allclose(frozen.scale, expected, rtol=1e-12)
        assert not frozen.zero_point.any()
        return
    assert frozen.format == start.format
    np.testing.assert_allclose(frozen.scale, start.scale, rtol=1e-12)
    np.testing.assert_array_equal(frozen.zero_point, start.zero_point)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", RULES)
def test_zero_points_stay_0_where_calibration_has_none(name, symmetric):
    # Products of codes know no zero points: an offset must not be learned there.
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(size=(50, 2)), np.zeros((1, 2))])
    values = values if symmetric else np.abs(values)
    config = QuantConfig(symmetric_activations=symmetric, activation_calibration="max_abs")
    rule = activation_rule(name, activation_quantizer(values, 5, config), values)
    rule = moved(rule, rng)
    assert rule.format.signed == symmetric
    assert not rule.frozen().zero_point.any()
    assert_deployed(rule, 5 * values)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_one_symmetric_bit_keeps_the_larger_side(name, sign):
    values = sign * np.random.default_rng(4).normal(1, 1, (300, 1))
    rule = started(name, values, 1, symmetric=True)
    codes = assert_deployed(rule, values)
    assert rule.format == CodeFormat(1, sign < 0)
    assert 0.2 < np.abs(codes).mean() < 0.95


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_negative_inputs_survive(name, bits, symmetric):
    values = np.random.default_rng(5).normal(size=(400, 1))
    rule = started(name, values, bits, symmetric=symmetric)
    negative = np.linspace(-1.5, -1.0, 50)[:, None]
    codes = assert_deployed(rule, negative)
    real = rule.frozen().dequantize(codes)
    assert (real < 0).all()
    assert np.abs(real - negative).max() < 1


def test_learned_step_size():
    # LSQ, equation 3: round(x / s) - x / s inside, -Q_n and Q_p outside, times 1 / sqrt(N Q_p).
    values = np.array([[-1.0], [1.0]])
    rule = activation_rule("lsq", SIGNED, values)
    step = 2 / math.sqrt(3)
    assert rule.step.item() == pytest.approx(step)
    scale = 1 / math.sqrt(3)
    for relative, expected, passed in [
        (0.3, -0.3, 1),
        (0.7, 0.3, 1),
        (-1.2, 0.2, 1),
        (2.9, 0.1, 1),
        (3.4, 3, 0),
        (9.0, 3, 0),
        (-3.9, -0.1, 1),
        (-4.2, -4, 0),
        (-9.0, -4, 0),
    ]:
        to_x, learned = gradients(rule, relative * step)
        assert to_x == passed
        assert learned == {"step": pytest.approx(expected * scale)}


def test_the_step_gradient_is_scaled_by_the_number_of_values():
    rule = activation_rule("lsq", SIGNED, np.array([[-1.0], [1.0]]))
    x = torch.full((25, 1), 0.3 * rule.step.item())
    rule(x)[1].sum().backward()
    assert rule.step.grad.item() == pytest.approx(25 * -0.3 / math.sqrt(25 * 3))


@pytest.mark.parametrize(
    ("x", "to_step", "to_offset"),
    [(0.1, -0.2, 0), (-1.05, 0.1, 0), (1.9, 0.2, 0), (2.1, 7, 1), (9, 7, 1), (-1.6, 0, 1)],
)
def test_learned_step_and_offset(x, to_step, to_offset):
    # LSQ+, equations 5 and 6, for codes 0 to 7 of (x + 1.5) / 0.5.
    rule = activation_rule("lsq+", SIGNED, np.array([[-1.5], [2.0]]))
    to_x, learned = gradients(rule, x)
    assert to_x == 1 - to_offset
    scale = 1 / math.sqrt(7)
    assert learned == {
        "step": pytest.approx(to_step * scale, abs=1e-12),
        "offset": pytest.approx(to_offset * scale, abs=1e-12),
    }


@pytest.mark.parametrize(
    ("x", "expected"),
    [(-9, (0, 1, 0)), (-1.6, (0, 1, 0)), (-1, (1, 0, 0)), (1.9, (1, 0, 0)), (2.1, (0, 0, 1))],
)
def test_pact_learns_from_what_is_clipped(x, expected):
    # PACT, equation 3, at both ends.
    rule = activation_rule("pact", SIGNED, np.array([[-1.5], [2.0]]))
    to_x, learned = gradients(rule, x)
    assert (to_x, learned["low"], learned["high"]) == pytest.approx(expected)


def test_pact_is_the_paper_s_where_nothing_is_negative():
    rule = activation_rule("pact", UNSIGNED, np.array([[0.0], [3.5]]))
    for x, expected in [(-1, (0, 0)), (1, (1, 0)), (3.4, (1, 0)), (3.6, (0, 1))]:
        to_x, learned = gradients(rule, x)
        assert to_x == pytest.approx(expected[0])
        assert learned == {"high": pytest.approx(expected[1])}


@pytest.mark.parametrize("x", [-4, -1.6, -1.1, -0.2, 0.6, 1.9, 2.3, 7])
def test_qil_learns_centre_and_half_width(x):
    # c - d + 2 d Q(t) with t = clip((x - c) / (2 d) + 1/2, 0, 1), differentiated by hand.
    rule = activation_rule("qil", SIGNED, np.array([[-1.5], [2.0]]))
    centre, half, steps = 0.25, 1.75, 7
    assert (rule.centre.item(), rule.half_width.item()) == (centre, half)
    share = (x - centre) / (2 * half) + 0.5
    if 0 < share < 1:
        expected = (1, 0, 2 * (math.floor(share * steps + 0.5) / steps - share))
    else:
        expected = (0, 1, 1 if share > 1 else -1)
    to_x, learned = gradients(rule, x)
    scale = 1 / math.sqrt(7)
    assert to_x == expected[0]
    assert learned["centre"] == pytest.approx(expected[1] * scale, abs=1e-12)
    assert learned["half_width"] == pytest.approx(expected[2] * scale, abs=1e-12)


def test_dorefa_learns_nothing():
    rule = activation_rule("dorefa", SIGNED, np.array([[-1.5], [2.0]]))
    for x, expected in [(-1.6, 0), (-1.4, 1), (1.9, 1), (2.1, 0)]:
        assert gradients(rule, x) == (expected, {})


def slope(position, alpha):
    """The derivative of DSQ's soft staircase, in codes (DSQ, equations 4 to 7)."""
    steepness = math.log(2 / alpha - 1)
    inner = steepness * (position - math.floor(position) - 0.5)
    return 0.5 * steepness / ((1 - alpha) * math.cosh(inner) ** 2)


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("x", [-2.0, -1.3, -0.74, 0.26, 1.1, 1.76, 2.6])
def test_dsq_has_the_slope_of_the_staircase(x, progress):
    rule = activation_rule("dsq", SIGNED, np.array([[-1.5], [2.0]]))
    rule.sharpen(progress)
    alpha = 0.4 * (0.05 / 0.4) ** progress
    low, step, steps = -1.5, 0.5, 7
    position = (x - low) / step
    if 0 < position < steps:
        to_x = slope(position, alpha)
        to_step = math.floor(position + 0.5) - position * to_x
    else:
        to_x, to_step = 0, (0 if position < 0 else steps)
    expected = {"low": 1 - to_x - to_step / steps, "high": to_step / steps}
    ours, learned = gradients(rule, x)
    assert ours == pytest.approx(to_x)
    assert learned == {name: pytest.approx(value, abs=1e-12) for name, value in expected.items()}


def test_dsq_hardens_but_keeps_its_gradients():
    rule = activation_rule("dsq", SIGNED, np.array([[-1.5], [2.0]]))
    # One cell, from a code to the next.
    x = torch.linspace(0, 0.5, 1001)[:-1, None]
    spreads = []
    for progress in (0.0, 0.25, 0.5, 0.75, 1.0):
        rule.sharpen(progress)
        point = x.clone().requires_grad_()
        addresses, real = rule(point)
        real.sum().backward()
        slopes = point.grad
        assert slopes.min() > 0.18 and slopes.max() < 1.95
        assert slopes.mean() == pytest.approx(1, abs=1e-3)
        spreads.append(float(slopes.max() - slopes.min()))
        # What is deployed is hard from the first step on.
        assert set(addresses.unique().tolist()) == {3, 4}
    assert spreads == sorted(spreads)
    assert spreads[0] == pytest.approx(1.155 - 0.739, abs=0.01)


@pytest.mark.parametrize("name", ["lsq", "lsq+", "pact", "qil", "dsq"])
def test_a_range_cannot_collapse(name):
    values = np.random.default_rng(6).normal(size=(100, 2))
    rule = started(name, values, 4)
    before = rule.frozen().scale
    with torch.no_grad():
        for parameter in rule.parameters():
            parameter.fill_(-1.0)
    after = rule.frozen().scale
    np.testing.assert_allclose(after, before * 1e-3, rtol=1e-9)
    assert_deployed(rule, values)
    # Nor does it stay small: clipped values still pull at it.
    (rule(torch.tensor(values))[1] * torch.tensor(np.sign(values))).sum().backward()
    assert all(parameter.grad.any() for parameter in rule.parameters())
