"""Proofs of networks, whole designs and parts, by name."""

import inspect
import sys
from pathlib import Path

import pytest

from kanhw.errors import ToolNotFound
from kanhw.gateware.top.chain import stages_of
from kanhw.sim.proofs.stream_proofs import find_abc, prove

# What is proved is listed in modules beside.
sys.path.append(str(Path(__file__).parent))

from formal_networks import DESIGNS, NETWORKS
from formal_parts import PARTS, design_part, resident_part, small_head_stream, stage_part

# A quick one of each kind; the others take longer than the whole suite may.
SECONDS = 60.0
QUICK = {
    "unrolled edge tables",
    "folded edge tables",
    "CodeBuffer",
    "LineBuffer",
    "OutputSerializer",
}


def pytest_generate_tests(metafunc):
    """Tests of every network, whole design and part, by name."""
    for fixture, names in (("network", NETWORKS), ("design", DESIGNS), ("part", PARTS)):
        if fixture in metafunc.fixturenames:
            quick = QUICK if fixture != "design" else set()
            marked = [
                pytest.param(name, marks=() if name in quick else pytest.mark.slow)
                for name in names
            ]
            metafunc.parametrize(fixture, marked)


def _assert_proved(harness, clocks=60, seconds=SECONDS):
    proof = prove(harness, clocks=clocks, seconds=seconds)
    what = type(harness.unit).__name__
    assert proof.passed, f"{what}: {proof}"
    assert proof.clocks is None or proof.clocks >= 20, f"{what}: {proof}"


def _planted(kind, right, wrong):
    """A class with a fault in its text."""
    text = inspect.getsource(kind)
    assert text.count(right) == 1, f"{kind.__name__} has not once: {right}"
    names = dict(vars(sys.modules[kind.__module__]))
    exec("from __future__ import annotations\n" + text.replace(right, wrong), names)
    return names[kind.__name__]


@pytest.fixture(autouse=True, scope="session")
def _tools():
    try:
        find_abc()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def assert_proved():
    return _assert_proved


@pytest.fixture(scope="session")
def planted():
    return _planted


@pytest.fixture(scope="session")
def breaks():
    """Whether a faulty component breaks a rule."""

    def look(harness, rule, clocks=16):
        return rule in prove(harness, clocks=clocks, seconds=SECONDS, only=rule).broken

    return look


@pytest.fixture(scope="session")
def head_stream():
    return lambda kind: small_head_stream(kind, writable=True)


@pytest.fixture(scope="session")
def resident_banks():
    """The banks that a stage with heads passes on."""
    return lambda kind: resident_part(passed=True, kind=kind).harness()


@pytest.fixture
def network_stages(network):
    return stages_of(*NETWORKS[network])


@pytest.fixture
def part_of():
    return stage_part


@pytest.fixture
def whole_design(design):
    return design_part(design)


@pytest.fixture
def proved_part(part):
    return PARTS[part]()


@pytest.fixture
def proved_units():
    """Every component that is proved, without what is put around it for that."""
    stages = [stage for made in NETWORKS.values() for stage in stages_of(*made)]
    parts = [make().unit for make in PARTS.values()]
    designs = [design_part(name).unit for name in DESIGNS]
    return stages + [getattr(unit, "unit", unit) for unit in parts] + designs
