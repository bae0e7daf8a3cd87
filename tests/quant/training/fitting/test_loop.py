"""The training loop: what it tells, what it keeps, and when it stops."""

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.layers import KAN
from kanhw.quant import QuantConfig, prepare, train


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = KAN([3, 4, 1]).to_model()
    return prepare(model, data()[0], QuantConfig(activation_bits=6, realisation="basis_table"))


def data(seed=0, count=96):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 3))
    return x, x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2])


def test_one_output_may_have_flat_targets(network):
    x, y = data()
    start = {name: value.clone() for name, value in network.state_dict().items()}
    flat = train(network, x, y, epochs=2, learning_rate=0.01)
    network.load_state_dict(start)
    column = train(network, x, y[:, None], epochs=2, learning_rate=0.01)
    # Broadcast to [N, N] they would pull every output towards the mean.
    assert flat.losses == column.losses
    assert (flat.task, flat.loss, flat.metric) == ("regression", "mean squared error", "R2")


def test_bits_are_classes_of_one_output(network):
    x, y = data()
    result = train(network, x, y > 0, epochs=1)
    assert result.task == "binary"
    assert result.loss == "binary cross entropy of the output as a logit"


def test_the_best_epoch_is_kept(network):
    x, y = data()
    validation = data(1)
    result = train(
        network, x, y, epochs=8, learning_rate=0.05, validation=validation, seed=1, patience=3
    )
    losses = [measured.loss for measured in result.validation]
    assert len(losses) == len(result.losses) + 1
    assert result.kept_epoch == int(np.argmin(losses)) > 0
    with torch.no_grad():
        outputs = network(torch.tensor(validation[0], dtype=torch.float32)).numpy()[:, 0]
    assert np.square(outputs - validation[1]).mean() == pytest.approx(result.kept.loss, rel=1e-4)
    assert result.kept.metric == pytest.approx(
        1 - np.square(outputs - validation[1]).mean() / validation[1].var(), rel=1e-4
    )
    assert result.to_json()["validation"][0].keys() == {"loss", "metric"}


def test_it_stops_where_nothing_is_gained(network):
    x, y = data()
    # The validation part wants the opposite: every epoch makes it worse.
    result = train(network, x, y, epochs=50, validation=(x, -10 * y), patience=2)
    assert result.kept_epoch == 0
    assert result.stopped_early
    assert len(result.losses) == 2


def test_the_last_epoch_is_kept_without_a_validation_part(network):
    x, y = data()
    result = train(network, x, y, epochs=2)
    assert (result.kept_epoch, result.validation, result.kept) == (2, (), None)
    assert not result.stopped_early


def test_what_does_not_fit(network):
    x, y = data()
    for wrong, message in (
        ({"patience": 0, "validation": (x, y)}, "patience must be None or at least 1"),
        ({"patience": 2}, r"patience needs validation=\(x, y\)"),
        ({"validation": (x, y[:5])}, "There are 96 validation samples but 5 targets"),
        ({"validation": (x, np.zeros((96, 2)))}, r"validation part have shape \[96, 2\]"),
    ):
        with pytest.raises(InputError, match=message):
            train(network, x, y, epochs=1, **wrong)
    with pytest.raises(InputError, match=r"Features x must be \[N, 3\], not \[96, 2\]"):
        train(network, x[:, :2], y, epochs=1)
    with pytest.raises(TypeError, match="Features x must be numbers, not <U1"):
        train(network, [["a"]], y, epochs=1)
    with pytest.raises(TypeError, match=r"train takes the network that kanhw.prepare\(.* gives"):
        train(QuantConfig(), x, y, epochs=1)


def test_messages_hold_no_tensors(network):
    x, y = data()
    with pytest.raises(InputError, match=r"a torch.Tensor of shape \[3\], 64 and 0.001"):
        train(network, x, y, epochs=torch.ones(3))
