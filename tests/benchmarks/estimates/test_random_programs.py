"""Random designs: every kind of layer, the same for the same number, each of them counted."""

from itertools import count

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


def test_a_tuned_fabric_is_made_for_its_own_family_alone():
    tuned = next(own for n in count(200) if (own := draw(n)).schedule.fabric != "portable")
    assert can_be_made(tuned, "xcup") and not can_be_made(tuned, "ice40")
    for kind, portable in enumerate(map(draw, range(len(KINDS)))):
        assert portable.kind == KINDS[kind] and can_be_made(portable, "ice40")
