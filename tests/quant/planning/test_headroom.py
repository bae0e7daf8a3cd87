"""Room beside the calibrated ranges."""

import numpy as np
import pytest
import torch
from reported_kinds import NETWORKS

from kanhw.layers import KAN
from kanhw.quant import QuantConfig
from kanhw.quant.planning.headroom import with_headroom
from kanhw.quant.planning.plan import make_plan


def test_features_of_a_group_go_on_sharing_a_scale():
    torch.manual_seed(1)
    model = KAN([4, 3, 1]).to_model()
    x = np.random.default_rng(2).uniform(-1, 1, (40, 4)) * [1.0, 0.1, 0.6, 0.09]
    plan = make_plan(model, x, QuantConfig(input_granularity="group"))
    before, after = (p.consumers[0].streams[0] for p in (plan, with_headroom(plan)))
    assert (after.scale != before.scale).any()
    assert after.scale[0] == after.scale[2] and after.scale[1] == after.scale[3]
    assert after.zero_point[0] == after.zero_point[2]
    assert after.zero_point[1] == after.zero_point[3]


@pytest.mark.parametrize("name", ["fast_kan", "images", "py_kan"])
def test_ranges_that_are_centred_stay_so(name):
    model, x = NETWORKS[name]()
    plan = make_plan(model, x[:20], QuantConfig(symmetric_activations=True))
    wider = with_headroom(plan)
    moved = 0
    for before, after in zip(plan.consumers, wider.consumers, strict=True):
        for own, other in zip(before.streams, after.streams, strict=True):
            moved += int((own.scale != other.scale).any())
            # Normalised values have no centre; everything else goes on having it.
            assert own.symmetric == other.symmetric
            if own.symmetric:
                assert not own.zero_point.any() and not other.zero_point.any()
    assert moved
