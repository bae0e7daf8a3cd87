"""Every vector is answered once and rightly, over a wire that loses and garbles bytes."""

import numpy as np
import pytest
from board_model import LossyWire, ModelBoard

from kanhw.boards.built import load_built
from kanhw.boards.host import link
from kanhw.boards.host.connect import connect_wire
from kanhw.errors import InputError, ToolFailed
from kanhw.schedule.schedule import Schedule


@pytest.fixture
def short_patience(monkeypatch):
    monkeypatch.setattr(link, "_PATIENCE", 0.002)
    monkeypatch.setattr(link, "_ATTEMPTS", 12)


def codes_of(program, count, seed=1):
    form = program.input.format
    return np.random.default_rng(seed).integers(form.lo, form.hi + 1, (count, program.n_in))


@pytest.mark.some(2)
@pytest.mark.parametrize(("rate", "count"), [(0.0, 600), (0.003, 300), (0.01, 60)])
def test_every_vector_once_and_in_order(program, build, rate, count, monkeypatch):
    monkeypatch.setattr(link, "_PATIENCE", 0.002 if rate else 10.0)
    monkeypatch.setattr(link, "_ATTEMPTS", 12)
    # What the model is sent beyond its window would be lost; repetitions may exceed it.
    board = ModelBoard(program, Schedule(), window=8)
    monkeypatch.setattr(board, "window", 1000)
    codes = codes_of(program, count)
    told = []
    with connect_wire(LossyWire(board, 3, 0.0), load_built(build)) as device:
        device._link._wire.rate = rate
        outputs = device.outputs(codes, advance=lambda: told.append(1))
        assert (outputs == program(codes)).all()
        assert len(told) == len(codes)
        # More is sent again than is lost, but not everything; nothing on a good wire.
        assert (device.sent_again > 0) == (rate > 0)
        # Sequence numbers went around twice; an answer of the first round is no other's.
        assert (device.outputs(codes[::-1]) == program(codes[::-1])).all()
    assert device._link._wire.closed


def test_no_more_than_the_window_is_under_way(program, build):
    board = ModelBoard(program, Schedule(), window=2)
    with connect_wire(LossyWire(board, 1, 0.0), load_built(build)) as device:
        codes = codes_of(program, 50)
        assert (device.outputs(codes) == program(codes)).all()


def test_an_interruption_leaves_no_answer_to_the_next(program, build):
    board = ModelBoard(program, Schedule(), window=8)
    with connect_wire(LossyWire(board, 1, 0.0), load_built(build)) as device:
        first, second = codes_of(program, 20, 1), codes_of(program, 20, 2)

        def interrupt():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            device.outputs(first, advance=interrupt)
        board.window = 100
        assert (device.outputs(second) == program(second)).all()


def test_predictions_are_real_outputs_or_classes(program, build, build_of):
    x = np.random.default_rng(2).uniform(-2, 2, (30, 3))
    golden = program(program.input.encode(x))
    with connect_wire(
        LossyWire(ModelBoard(program, Schedule()), 1, 0.0), load_built(build)
    ) as device:
        assert (device.predict(x) == program.decode_output(golden)).all()
        with pytest.raises(InputError, match="shape"):
            device.predict(x[:, :2])
        assert device.latency(3) > 0
    classes = program.with_argmax()
    board = ModelBoard(classes, Schedule())
    with connect_wire(LossyWire(board, 1, 0.0), load_built(build_of(classes))) as device:
        assert (device.predict(x) == golden.argmax(axis=1)).all()


def test_a_self_test_has_as_many_clocks_as_the_board_counts(program, build):
    wire = LossyWire(ModelBoard(program, Schedule()), 1, 0.0)
    with connect_wire(wire, load_built(build)) as device:
        for count, told in ((0, "positive number"), (1 << 32, "2147483647 vectors or fewer")):
            with pytest.raises(InputError, match=told):
                device.self_test(count)


def test_another_design_is_refused_and_the_wire_let_go(program, build):
    wire = LossyWire(ModelBoard(program, Schedule(), identity=bytes(16)), 1, 0.0)
    with pytest.raises(InputError, match=f"another design .* {'00' * 16}.*kanhw program"):
        connect_wire(wire, load_built(build))
    assert wire.closed
    wire = LossyWire(ModelBoard(program, Schedule(), identity=bytes(16)), 1, 0.0)
    with pytest.raises(InputError, match=r"not built .*--build DIR"):
        connect_wire(wire)
    assert wire.closed


def test_silence_and_noise_are_told_apart(program, build, short_patience):
    class Silent(LossyWire):
        said = b""

        def read(self, timeout):
            return self.said

    wire = Silent(ModelBoard(program, Schedule()), 1, 0.0)
    with pytest.raises(ToolFailed, match="is silent"):
        connect_wire(wire, load_built(build))
    wire.said = b"\x55\xaa\xc0"
    with pytest.raises(ToolFailed, match="no answer of a kanhw design"):
        connect_wire(wire, load_built(build))
    assert wire.closed
