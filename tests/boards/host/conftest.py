"""A small network, and the folder of a build of it that needs no tools."""


import numpy as np
import pytest

from kanhw.boards.built import BUILD_FORMAT
from kanhw.boards.link.assembled import identity_of
from kanhw.design.design import Port
from kanhw.design.manifest import sealed_bytes, sha256_of_bytes
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, program_bytes
from kanhw.schedule.schedule import Schedule


@pytest.fixture(scope="session")
def program():
    """Three real features, two real outputs."""
    tables = np.random.default_rng(5).integers(-9, 10, (2, 3, 16))
    requantizer = Requantizer(
        np.ones((1, 2), int), np.zeros(2, int), 0, CodeFormat(5, True), np.array([0.5, 0.5])
    )
    layer = EdgeTableLayer(tables, (requantizer,))
    return Program((layer,), InputEncoder(CodeFormat(4, True), 3, np.full(3, 0.25)))


@pytest.fixture(scope="session")
def build_of(tmp_path_factory):
    """The folder that a build of a Program leaves, as far as a host reads it."""

    def make(program, name="build"):
        folder = tmp_path_factory.mktemp(name)
        content = program_bytes(program)
        (folder / "program.safetensors").write_bytes(content)
        manifest = {
            "build_format": BUILD_FORMAT,
            "board": "icebreaker",
            "device": "a device",
            "identity": identity_of(program, Schedule()).hex(),
            "clock_mhz": 12.0,
            "fmax_mhz": None,
            "bitstream": None,
            "utilisation": {},
            "link": {"kind": "uart", "baud": 1_000_000, "divisor": 12},
            "schedule": Schedule().to_json(),
            "latency_cycles": 4,
            "initiation_interval": 1,
            "input": Port.input_of(program).to_json(),
            "output": Port.output_of(program).to_json(),
            "files": {"program.safetensors": sha256_of_bytes(content)},
        }
        (folder / "manifest.json").write_bytes(sealed_bytes(manifest))
        return folder

    return make


@pytest.fixture(scope="session")
def build(build_of, program):
    return build_of(program)
