"""A tiny network and data that it learns in a moment."""

from __future__ import annotations

import pytest
import torch
from fabric_networks import data_of, rings

from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data():
    return data_of(*rings())


@pytest.fixture
def small():
    """Settings of a training that takes some tenths of a second."""
    return FabricSettings(
        fabric="ultrascale+", seeds=(0, 1), starts=2, epochs=40, batch_size=32, learning_rate=0.05
    )


@pytest.fixture
def training(data, small):
    return FabricTraining((2, 2, 2), data, small)
