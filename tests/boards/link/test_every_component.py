"""No part of the link is without a proof of its streams, or in nothing that is simulated whole."""

import importlib
import inspect
import pkgutil
from pathlib import Path

from amaranth.hdl import Fragment
from amaranth.lib import stream
from amaranth.lib.wiring import Component

import kanhw.boards.link
from kanhw.boards.link.answer_writer import AnswerWriter
from kanhw.boards.link.assembled import linked_network
from kanhw.boards.link.frame_receiver import FrameReceiver
from kanhw.boards.link.frame_sender import FrameSender
from kanhw.boards.link.request_reader import RequestReader
from kanhw.boards.link.self_test import SelfTest
from kanhw.boards.link.uart import UartTransmitter
from kanhw.schedule.schedule import Schedule

# The tests that prove those with a handshake.
PROVED = {
    AnswerWriter: "test_answers_proof.test_answers",
    FrameReceiver: "test_receiver_proof.test_receiver",
    FrameSender: "test_sender_proof.test_sender",
    RequestReader: "test_answers_proof.test_answers",
    SelfTest: "test_self_test_proof.test_self_test",
    UartTransmitter: "test_line_proof.test_line",
}


def components():
    """All classes of components that the link defines."""
    found = set()
    for module in pkgutil.iter_modules(kanhw.boards.link.__path__, "kanhw.boards.link."):
        members = vars(importlib.import_module(module.name)).values()
        found |= {
            each
            for each in members
            if inspect.isclass(each)
            and issubclass(each, Component)
            and each.__module__ == module.name
        }
    return found


def parts(fragment):
    """Components of an elaborated design, with the fragments that they are."""
    for origin in fragment.origins or ():
        if isinstance(origin, Component):
            yield origin
    for part, _, _ in fragment.subfragments:
        yield from parts(part)


def with_streams(units):
    return {
        type(unit)
        for unit in units
        if any(
            member.is_signature and isinstance(member.signature, stream.Signature)
            for member in unit.signature.members.values()
        )
    }


def test_every_component_of_the_link_is_proved(small):
    linked = linked_network(small, Schedule(), clock_hz=12_000_000, baud=1_000_000)
    there, units = components(), list(parts(Fragment.get(linked.top, None)))
    assert len(there) >= 9
    assert there <= {type(unit) for unit in units}, "these are in no top"
    assert with_streams(units) & there == set(PROVED)
    for name in PROVED.values():
        module, _, test = name.partition(".")
        text = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
        assert f"\ndef {test}(" in text, f"there is no {name}"
