"""Every kind of layer has a record in the reports."""

from dataclasses import replace

import pytest
from reported_kinds import quantized

from kanhw import InputError
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.quant.planning.steps import STEP_KINDS
from kanhw.reports import network_curves
from kanhw.reports.kinds.kinds import LAYER_REPORTS
from kanhw.reports.layer_facts import program_facts


def test_every_kind_has_a_record():
    assert set(LAYER_REPORTS) == {*LAYER_KINDS, "convolution"}


@pytest.mark.parametrize("reader", [program_facts, network_curves])
def test_a_kind_that_reports_do_not_know_is_an_error(monkeypatch, reader):
    _, _, program = quantized("fast_kan")
    monkeypatch.delitem(LAYER_REPORTS, "layer_norm")
    with pytest.raises(InputError, match=r"no report of layers of kind 'layer_norm', only of edge"):
        reader(program)


def test_facts_of_an_unknown_kind_say_nothing_of_edges():
    _, _, program = quantized("py_kan")
    strange = replace(program_facts(program)[0], kind="strange")
    with pytest.raises(InputError, match="no report of layers of kind 'strange'"):
        _ = strange.edges


def test_step_kinds_differ():
    assert len(set(STEP_KINDS)) == len(STEP_KINDS)
