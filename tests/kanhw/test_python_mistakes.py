"""Wrong things given in Python, and what the error says to do."""

import numpy as np
import pytest
import torch

import kanhw
from kanhw.layers import KAN
from kanhw.quant import QuantConfig, lower

X = np.random.default_rng(0).uniform(-1, 1, (60, 3))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Everything that stands between a module and a design."""
    torch.manual_seed(0)
    module = KAN([3, 2, 2])
    model = module.to_model()
    program = kanhw.quantize(model, X, activation_bits=4)
    design = kanhw.generate(program, tmp_path_factory.mktemp("made") / "design")
    network = kanhw.prepare(model, X, activation_bits=4)
    return {
        "module": module,
        "model": model,
        "program": program,
        "design": design,
        "network": network,
        "folder": tmp_path_factory.mktemp("out"),
    }


MISTAKES = {
    # The wrong thing for the step.
    "quantize(module, X)": r"kanhw\.load, which takes a checkpoint, a state_dict or a module.*KAN",
    "quantize(program, X)": r"quantized already: generate takes a Program as it is",
    "quantize('model.pt', X)": r"needs a KanModel \(see kanhw\.load.*not str",
    "quantize(model, None)": r"no calibration data: give real features",
    "generate(model, folder / 'a')": r"quantize",
    "generate(network, folder / 'a')": r"convert|quantize",
    "simulate(program, X)": r"generate",
    "prepare(program, X)": r"quantized already|quantize",
    "convert(model)": r"convert takes the network that prepare\(model, x, config\) gives",
    "convert(program)": r"convert takes the network that prepare",
    "train(model, X, X[:, :2], epochs=1)": r"prepare",
    "lower(model)": r"quantize it first",
    "lower(network)": r"convert it first",
    "quality(program, model, X)": r"needs the float KanModel first",
    "load(3)": r"path|checkpoint",
    "load({})": r"state_dict|tensors|no",
    # Data.
    "quantize(model, X.T)": r"\[N, 3\] .*transposed\? give x\.T",
    "quantize(model, X[0])": r"must have shape \[N, 3\]",
    "quantize(model, X.astype(str))": r"must be numbers",
    "quantize(model, X.astype(object))": r"must be numbers, not object",
    "quantize(model, X * np.nan)": r"first in row 0, column 0\): remove or fill",
    "quantize(model, X[:0])": r"at least one sample",
    "train(network, X, X, epochs=1)": r"\[60, 3\]: for 2 outputs there must be",
    "train(network, X, X[:5, :2], epochs=1)": r"60|5",
    "quality(model, program, X, y=X)": r"y must have shape \[60, 2\], not \[60, 3\]",
    "quality(model, program, X, labels=np.ones((60, 2), int))": r"argmax\(axis=1\)",
    "program.input.encode(X.T)": r"shape|features",
    "simulate(design, X.T)": r"shape \[N, 3\], not \(3, 60\)",
    # Options.
    "quantize(model, X, bits=4)": r"takes no option 'bits'.*there are base_bits",
    "quantize(model, X, spline_bit=4)": r"no option 'spline_bit'; did you mean 'spline_bits'\?",
    "quantize(model, X, method='gtpq')": r"did you mean 'gptq'\?",
    "quantize(model, X, realisation='edge')": r"must be one of auto, edge_table",
    "quantize(model, X, activation_bits='8')": r"activation_bits must be an integer, not '8'",
    "quantize(model, X, activation_bits=4.0)": r"activation_bits must be an integer, not 4\.0",
    "quantize(model, X, {'spline_bits': 4})": r"config must be a kanhw\.QuantConfig, not dict",
    "quantize(model, X, codebook_size=4)": r"give codebook=CodebookConfig\(size=\.\.\.\)",
    "quantize(model, X, layers={'layer.0': {}})": r"no layer 'layer\.0'.*did you mean 'layers\.0'",
    "QuantConfig(percentile=0.99)": r"it is in percent",
    "prepare(model, X, activation_bits=12)": r"must be 1 to 8 in training, not 12",
    "prepare(model, X, quantizer='lsqplus')": r"one of lsq, lsq\+, pact",
    "train(network, X, X[:, :2], epochs=0)": r"epochs and batch_size of at least 1",
    "generate(program, folder / 'a', name='2kan')": r"letters, digits and underscores",
    "generate(program, folder / 'a', interface='axi-stream')": r"did you mean 'axi4-stream'\?",
    "generate(program, folder / 'a', input_format='8.8')": r"no format of codes: write qM\.N",
    "generate(program, folder / 'a', schedule='folded')": r"Schedule",
    "explore(program, {'x': X}, folder / 'a')": r"needs a float KanModel, not Program",
    "explore(model, X, folder / 'a')": r"data must map names to arrays, x among them",
    "explore(model, {'x': X}, folder / 'a', space={'quantize': {'input_bit': 4}})": r"did you mean",
    "explore(model, {'x': X}, folder / 'a', objectives=['luts'])": r"did you mean 'lut'\?",
    "estimate(design, 'ECP5')": r"did you mean 'ecp5'\?",
    "generate(program, folder / 'a', input_format='u8:0..255=250..320')": r"in the units of the",
}


@pytest.mark.some(17)
@pytest.mark.parametrize("call", MISTAKES)
def test_mistake(call, made):
    names = {name: getattr(kanhw, name) for name in kanhw.__all__ if name not in made}
    names |= {**made, "X": X, "np": np, "lower": lower, "QuantConfig": QuantConfig}
    with pytest.raises((ValueError, TypeError), match=MISTAKES[call]) as caught:
        eval(call, names)
    assert "\n" not in str(caught.value)
    assert not any(made["folder"].iterdir())
