"""A network to report on, and everything that can be said of it."""


import numpy as np
import pytest
from reported_designs import CHECK, ESTIMATE, design_of, edge_table_network

from kanhw.reports import (
    summarise,
)


@pytest.fixture(scope="module")
def network():
    return edge_table_network()


@pytest.fixture
def full_summary(network, tmp_path):
    model, program = network
    x = np.random.default_rng(0).uniform(-1, 1, (300, 4))
    labels = model(x).argmax(axis=1)
    return summarise(
        design_of(program, tmp_path),
        model=model,
        data=(x, labels),
        checks=[CHECK],
        estimates=[ESTIMATE],
        hardware_outputs=program(program.input.encode(x))[:200],
        title="A <b>title</b> & [red]more",
        date="2026-01-02",
        tools={"torch": "2.13.0"},
    )
