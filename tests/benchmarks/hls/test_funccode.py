"""FuncCode's nine designs: within what is claimed of the model."""

import pytest

from benchmarks.hls.funccode import left_out, modelled
from benchmarks.hls.funccode_designs import DESIGNS, WITHOUT, Facts
from kanhw.hls.model.design_model import LUT_BAND

NAMES = [design.name for design in DESIGNS]


@pytest.mark.parametrize("design", DESIGNS, ids=NAMES)
def test_a_design_is_modelled_within_the_claimed_errors(design):
    found = modelled(design.make(Facts()))
    clocks = 0.15 if design.name.endswith("1") else 0.01
    assert found["cycles"] == pytest.approx(design.cycles, rel=clocks)
    assert found["bram18"] == pytest.approx(design.bram18, rel=0.10)
    assert found["lut"] == pytest.approx(design.lut, rel=0.35)
    assert found["dsp"] == pytest.approx(design.dsp, rel=0.12)
    # Its family left out.
    others = [own for own in DESIGNS if own.name[0] != design.name[0]]
    facts = WITHOUT[design.name[0]]
    # Which is the range that manifests name.
    assert 1 / LUT_BAND < left_out(design, others, facts) / design.lut < LUT_BAND
    assert design.make(facts).clocks == pytest.approx(design.cycles, rel=clocks)


def test_what_is_left_out_matters():
    # A factor that other designs give is not 1.
    design = DESIGNS[1]
    own = design.make(Facts()).taken().lut
    assert left_out(design, [DESIGNS[0]], Facts()) != own
