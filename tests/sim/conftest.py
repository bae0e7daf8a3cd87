"""A tiny design with planted faults, a Program that tells what it should compute, simulators."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Array, Cat, Const, Module, ResetSignal, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.design.design import Design, Port, load_design
from kanhw.design.manifest import manifest_bytes
from kanhw.errors import ToolNotFound
from kanhw.formats import CodeFormat, IntArray
from kanhw.schedule.schedule import Schedule
from kanhw.sim import Simulator, find_simulator

LATENCY = 3
INPUT = Port(3, CodeFormat(5, True))
OUTPUT = Port(2, CodeFormat(7, True))
TABLE = [(7 * a * a + 3 * a) % 64 - 32 for a in range(32)]

# A vector whose feature 0 is one of these triggers a fault; 0 and below never does.
FAULTS = {
    "stale_after_reset": 10,
    "valid_dropped": 11,
    "payload_changed": 12,
    "duplicated": 13,
    "lost": 14,
    "wrong_table_bit": 15,
}


def reference(codes: IntArray) -> IntArray:
    """What the tiny design computes when no fault is triggered."""
    table = np.array(TABLE)
    first, second, third = codes.T
    return np.stack([table[first + 16] + second, third - second], axis=1)


class TinyProgram:
    """Looks like a Program; features are integer codes."""

    n_in, n_out = 3, 2
    layers = (SimpleNamespace(requantizers=(SimpleNamespace(scale=None),)),)
    labels = SimpleNamespace(inputs=(), outputs=())
    input = SimpleNamespace(format=INPUT.format, scale=None, offset=None, clamp=np.asarray)
    conversion = None

    def __call__(self, codes: IntArray) -> IntArray:
        """Outputs of codes."""
        return reference(codes)


def _compute(m: Module, payload: Any, tag: Any) -> Any:
    codes = data.View(data.ArrayLayout(signed(5), 3), payload)
    table = Array(Const(value, signed(6)) for value in TABLE)
    first, second = Signal(signed(7)), Signal(signed(7))
    wrong = tag == FAULTS["wrong_table_bit"]
    m.d.comb += [
        first.eq((table[(codes[0] + 16)[:5]] + codes[1]) ^ wrong),
        second.eq(codes[2] - codes[1]),
    ]
    return Cat(first, second)


class TinyStream(Component):
    """Three registers with back-pressure at each."""

    i: In(stream.Signature(15))
    o: Out(stream.Signature(14))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid = [Signal(name=f"valid{k}", reset_less=k == 1) for k in range(3)]
        tag = [Signal(signed(5), name=f"tag{k}", reset_less=True) for k in range(3)]
        word = [Signal(15 if k == 0 else 14, name=f"word{k}", reset_less=True) for k in range(3)]
        ready = [Signal(name=f"ready{k}") for k in range(4)]
        m.d.comb += self.i.ready.eq(ready[0])
        sources = [(self.i.valid, self.i.payload[:5].as_signed(), self.i.payload)]
        sources += [
            (valid[0] & (tag[0] != FAULTS["lost"]), tag[0], _compute(m, word[0], tag[0])),
            (valid[1], tag[1], word[1]),
        ]
        for k, (source_valid, source_tag, source_word) in enumerate(sources):
            with m.If(ready[k]):
                m.d.sync += [
                    valid[k].eq(source_valid),
                    tag[k].eq(source_tag),
                    word[k].eq(source_word),
                ]
            if k < 2:
                m.d.comb += ready[k].eq(~valid[k] | ready[k + 1])
        with m.If(ResetSignal() & (tag[1] != FAULTS["stale_after_reset"])):
            m.d.sync += valid[1].eq(0)
        self._output(m, valid[2], tag[2], word[2], ready[2])
        return m

    def _output(self, m: Module, valid: Signal, tag: Signal, word: Signal, ready: Signal) -> None:
        stalled, again = Signal(), Signal()
        hide = stalled & (tag == FAULTS["valid_dropped"])
        flip = stalled & (tag == FAULTS["payload_changed"])
        transfer = self.o.valid & self.o.ready
        repeat = (tag == FAULTS["duplicated"]) & ~again
        m.d.sync += stalled.eq(self.o.valid & ~self.o.ready)
        with m.If(transfer):
            m.d.sync += again.eq(repeat)
        m.d.comb += [
            self.o.valid.eq(valid & ~hide),
            self.o.payload.eq(word ^ flip),
            ready.eq(~valid | (transfer & ~repeat)),
        ]


class TinyBare(Component):
    """The same function, a vector at every clock."""

    i__payload: In(15)
    o__payload: Out(14)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, early = Signal(15, reset_less=True), Signal(14, reset_less=True)
        late = Signal(14, reset_less=True)
        m.d.sync += [
            word.eq(self.i__payload),
            early.eq(_compute(m, word, word[:5].as_signed())),
            late.eq(early),
        ]
        m.d.comb += self.o__payload.eq(late)
        return m


def write_design(folder: Path, *, handshake: bool = True, latency: int = LATENCY) -> Path:
    """Make a design folder of the tiny network."""
    folder.mkdir(parents=True, exist_ok=True)
    component = TinyStream() if handshake else TinyBare()
    text = verilog.convert(component, name="kan", strip_internal_attrs=True, emit_src=False)
    (folder / "kan.v").write_text(text, encoding="utf-8")
    (folder / "program.safetensors").write_bytes(b"a test makes its own Program")
    design = Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(handshake=handshake),
        latency_cycles=latency,
        initiation_interval=1,
        input=INPUT,
        output=OUTPUT,
    )
    files = {n: (folder / n).read_bytes() for n in ("kan.v", "program.safetensors")}
    (folder / "manifest.json").write_bytes(manifest_bytes(design.to_json(), files))
    assert load_design(folder) == design
    return folder


@dataclass(frozen=True)
class Tiny:
    """The tiny designs and what belongs to them."""

    stream: Path
    bare: Path
    late: Path
    builds: Path
    faults: dict[str, int]
    reference: Callable[[IntArray], IntArray]

    @staticmethod
    def codes(count: int, seed: int = 1, fault: int | None = None) -> IntArray:
        """Random vectors, of which a tenth trigger a fault if one is named."""
        generator = np.random.default_rng(seed)
        codes = generator.integers(-16, 16, (count, 3))
        codes[:, 0] = generator.integers(-16, 1, count)
        if fault is not None:
            codes[generator.random(count) < 0.1, 0] = fault
        return codes


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny designs")  # with a space, which make cannot take
    return Tiny(
        stream=write_design(folder / "stream"),
        bare=write_design(folder / "bare", handshake=False),
        late=write_design(folder / "late", latency=LATENCY + 1),
        builds=tmp_path_factory.mktemp("builds"),
        faults=FAULTS,
        reference=reference,
    )


@pytest.fixture(params=["icarus", "verilator"])
def simulator(request: pytest.FixtureRequest) -> Simulator:
    """Each simulator in turn."""
    try:
        return find_simulator(request.param)
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture
def quickest() -> Simulator:
    """The simulator that is found first: Icarus, which builds in no time, where it is installed."""
    try:
        return find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture
def tiny_program(monkeypatch: pytest.MonkeyPatch) -> TinyProgram:
    """Give every design the tiny Program, whose golden model is plain numpy."""
    program = TinyProgram()
    monkeypatch.setattr(Design, "load_program", lambda self: program)
    # It has no layers from which a manifest could be derived.
    monkeypatch.setattr("kanhw.flow.verification.checked_program", lambda design: program)
    monkeypatch.setattr(
        "kanhw.sim.equivalence.golden_outputs", lambda program, codes, heads: program(codes)
    )
    return program
