"""Random designs: every kind of layer, the same for the same number, each of them counted."""

from benchmarks.estimates.random_programs import KINDS, draw
from benchmarks.estimates.resource_model import can_be_made, costs_of
from kanhw.schedule.layout import lay_out


def test_kinds_come_in_turn_and_all_are_counted():
    drawn = [draw(number) for number in range(2 * len(KINDS))]
    assert [each.kind for each in drawn] == [*KINDS, *KINDS]
    assert {each.schedule.folded for each in drawn if each.kind == "pooling"} == {False, True}
    for each in drawn:
        assert costs_of(each).register_bits > 0
        # A number says all there is to a design.
        assert costs_of(draw(each.number)) == costs_of(each)


def test_pooled_images_come_whole_and_in_parts():
    stages = {
        stage.kind
        for number in range(9, 300, 10)
        for stage in lay_out(draw(number).program, draw(number).schedule).stages
    }
    assert {"pooling", "global_pooling", "folded_pooling"} <= stages


def test_what_is_kept_in_written_luts_cannot_be_made_without():
    made = {kind: can_be_made(draw(KINDS.index(kind)), "ice40") for kind in KINDS}
    assert not made.pop("layer_norm")
    assert all(made.values())
    # Totals of pooling that takes parts of pixels.
    folded = draw(next(n for n in range(9, 300, 10) if "folded_pooling" in _kinds(n)))
    assert can_be_made(folded, "xcup")
    assert not can_be_made(folded, "ice40")


def _kinds(number):
    drawn = draw(number)
    return [stage.kind for stage in lay_out(drawn.program, drawn.schedule).stages]
