"""Quality: figures that can be worked out by hand, and a warning for each thing that goes wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

import kanhw
from kanhw.errors import InputError
from kanhw.measures.text import quality_lines
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel

RNG = np.random.default_rng(0)


def network(n_in=2, n_out=1, *, grid=1.0, seed=0):
    """A layer of cubic splines on five cells of -grid to grid, with a base branch."""
    rng = np.random.default_rng(seed)
    knots = np.tile(np.arange(-3.0, 9.0) / 2.5 - 1, (n_in, 1)) * grid
    layer = KanLayer(
        BSplineBasis(knots, 3),
        rng.normal(size=(n_out, n_in, 8)),
        rng.normal(size=(n_out, n_in)),
        Activation("silu"),
        np.zeros(n_out),
        "layers.0",
    )
    return KanModel((layer,))


def measured(x, model=None, quantized_on=None, **options):
    model = model or network(x.shape[1])
    program = kanhw.quantize(model, x if quantized_on is None else quantized_on, **options)
    return kanhw.quality(model, program, x), program, model


def uniform(count=400, n_in=2):
    return RNG.uniform(-0.99, 0.99, (count, n_in))


def test_errors_are_those_of_the_outputs_in_their_units():
    x = uniform()
    model = network(2, 3)
    found, program, _ = measured(x, model, activation_bits=5)
    exact = model(x)
    error = program.decode_output(program(program.input.encode(x))) - exact
    for j, own in enumerate(found.errors):
        assert own.output == j
        assert own.rms == pytest.approx(np.sqrt(np.mean(error[:, j] ** 2)))
        assert own.largest == pytest.approx(np.abs(error[:, j]).max())
        assert own.rms_of_range == pytest.approx(own.rms / np.ptp(exact[:, j]))
        assert own.rms_of_deviation == pytest.approx(own.rms / exact[:, j].std())


def test_a_good_network_has_no_warnings():
    assert measured(uniform())[0].warnings == ()


def test_targets_and_labels():
    x, model = uniform(), network(2, 3)
    _, program, _ = measured(x, model)
    exact = model(x)
    y = exact + 1.0
    found = kanhw.quality(model, program, x, y=y, labels=exact.argmax(axis=1))
    assert found.target_errors[1].float_rms == pytest.approx(1.0)
    assert found.target_errors[1].rms == pytest.approx(1.0, abs=0.05)
    assert found.float_accuracy == 1.0
    quantized = program.decode_output(program(program.input.encode(x)))
    assert found.accuracy == (quantized.argmax(axis=1) == exact.argmax(axis=1)).mean()
    # The same of a network that hands out classes.
    other = kanhw.quality(model, program.with_argmax(), x, y=y)
    assert other.target_errors == found.target_errors


def test_codes_in_use_and_clipped():
    x = uniform()
    x[:, 1] = np.round(x[:, 1])
    found, program, model = measured(x)
    assert found.features[1].codes == 3
    assert found.features[1].available == 1024
    assert found.features[0].codes == len(np.unique(program.input.encode(x)[:, 0])) > 50
    assert found.clipped < 0.01
    wide = kanhw.quality(model, program, x * [[1.0, 3.0]])
    assert wide.features[1].clipped == pytest.approx((np.abs(x[:, 1]) == 1).mean())
    assert wide.features[0].clipped < 0.01


def test_few_values_are_no_fault_but_lost_ones_are():
    x = uniform()
    x[:, 1] = np.round(x[:, 1])
    assert not any("few codes" in line for line in measured(x)[0].warnings)
    # One outlier takes nearly all codes of the feature.
    x = uniform()
    x[0, 1] = 500.0
    found, _, _ = measured(x, activation_calibration="max_abs")
    (line,) = [line for line in found.warnings if "few codes" in line]
    assert line.startswith("feature 1 uses few codes (feature 1: ")
    assert "outliers" in line and "input_bits" in line
    # At four bits there are no more than 16.
    found, _, _ = measured(uniform(), input_bits=4)
    assert not any("few codes" in line for line in found.warnings)


def test_constant_features():
    x = uniform()
    x[:, 0] = 0.25
    found, _, model = measured(x)
    (line,) = [line for line in found.warnings if "never changes" in line]
    assert line.startswith("feature 0 never changes in the data: give data in which")
    assert found.features[0].constant and found.features[0].codes == 1
    # What no edge reads may be what it wants.
    layer = model.layers[0]
    coefficients, weights = layer.coefficients.copy(), layer.base_weights.copy()
    coefficients[:, 0], weights[:, 0] = 0, 0
    pruned = KanModel((replace(layer, coefficients=coefficients, base_weights=weights),))
    assert measured(x, pruned)[0].warnings == ()


def test_few_samples():
    found, _, _ = measured(uniform(99))
    assert found.warnings[0].startswith("only 99 samples: ")
    assert "at least 100" in found.warnings[0]
    assert measured(uniform(100))[0].warnings == ()


def test_inputs_outside_of_the_grid():
    x = uniform()
    x[:8, 1] = 1.5  # 1 % of all
    assert measured(x)[0].outside == pytest.approx(0.01)
    assert not any("grid" in line for line in measured(x)[0].warnings)
    x[8, 1] = 1.5
    found, _, _ = measured(x)
    assert found.features[1].outside == pytest.approx(9 / 400)
    (line,) = [line for line in found.warnings if "grid" in line]
    assert "of feature 1 (2.2 %)" in line and "scale features as for the training" in line


def test_large_errors():
    found, _, _ = measured(uniform(), network(2, 3), activation_bits=2, spline_bits=2)
    (line,) = found.warnings
    assert line.startswith("outputs 0, 1, 2 have an RMS error above 5 %")
    assert "raise input_bits first" in line


def re_named(line):
    return line.startswith(("outputs 0, 1, 2 have an RMS error above 5 %",))


def test_text_is_short_and_worst_first():
    x = uniform(400, 20)
    model = network(20, 30)
    found, _, _ = measured(x, model, activation_bits=4)
    lines = quality_lines(found, "calibration data")
    assert lines[0] == "error against the float model on 400 samples (calibration data):"
    assert len(lines) < 25
    assert "  … and 22 more" in lines and "  … and 12 more" in lines
    worst = max(found.errors, key=lambda error: error.rms_of_deviation)
    assert lines[2].split()[0] == str(worst.output)
    assert lines[-1].startswith("warning: ")


def test_json_is_plain():
    found, _, _ = measured(uniform())
    document = json.loads(json.dumps(found.to_json()))
    assert document["samples"] == 400
    assert document["errors"][0]["rms"] == found.errors[0].rms
    assert document["features"][1]["codes"] == found.features[1].codes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.zeros((5, 1))}, r"^y must have shape \[400, 1\], not \[5, 1\]$"),
        ({"y": np.full(400, np.nan)}, r"^y holds NaN or infinity: "),
        ({"labels": np.full(400, 0.5)}, r"^labels must be class indices, .* not float64$"),
        ({"labels": np.full(400, 2)}, r"^labels must be 0 to 1 for 1 outputs, not 2 to 2$"),
        ({"labels": np.zeros(3, int)}, r"^labels must have shape \[400\], not \[3\]$"),
        ({"x": np.zeros((0, 2))}, r"^x has no rows: "),
        ({"x": np.full((9, 2), np.nan)}, r"^The model needs finite inputs "),
        ({"model": network(3)}, r"^The model has 3 inputs and 1 outputs, but the Program 2 and 1"),
    ],
)
def test_what_does_not_fit(changes, message):
    x, model = uniform(), network()
    given = {"model": model, "program": kanhw.quantize(model, x), "x": x, **changes}
    with pytest.raises(InputError, match=message):
        kanhw.quality(**given)


def test_class_indices_are_no_targets():
    x, model = uniform(), network(2, 3)
    program = kanhw.quantize(model, x)
    with pytest.raises(InputError, match=r"class indices are given as labels$"):
        kanhw.quality(model, program, x, y=np.zeros(400, int))


def test_images_against_the_grid_of_their_channel():
    from kanhw.model.convolution import ConvLayer
    from kanhw.windows import Window

    window = Window((2, 3, 3), (2, 2))
    taps = network(8, 1).layers[0]
    knots = taps.basis.knots.copy()
    knots[4:] *= 0.5  # the second channel has half the grid
    layer = ConvLayer(replace(taps, basis=BSplineBasis(knots, 3)), window)
    model = KanModel((layer,), shape=(2, 3, 3))
    x = RNG.uniform(-0.49, 0.49, (200, 2, 3, 3))
    x[:, :, 1, 1] = 0.9
    found, _, _ = measured(x, model)
    assert [use.outside for use in found.features] == [0.0] * 13 + [1.0] + [0.0] * 4
    # Some pixels of an image may well be constant.
    assert not any("never change" in line for line in found.warnings)
