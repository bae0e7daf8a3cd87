"""Hardware of networks whose channels have widths of their own equals the Program."""

import numpy as np
import pytest
from fabric_networks import data_of, scattered

from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.learned.lowering import lowered
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining
from kanhw.schedule.schedule import Schedule

LARGEST, AVERAGE = "2x5x6-2@3x2p1-max2x2-3", "2x5x6-2@2x2-avg2x5-3"
FOLDED = Schedule(kind="folded", parallel_inputs=3, parallel_outputs=2)


@pytest.mark.parametrize(
    ("shape", "schedule"),
    [(LARGEST, Schedule(adder_levels=2)), (AVERAGE, Schedule()), (LARGEST, FOLDED)],
    ids=["largest", "average", "folded"],
)
def test_networks_of_windows(shape, schedule, check_images):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(30, 60)), np.arange(30) % 3
    training = FabricTraining(shape, data_of(x, labels, 10), FabricSettings())
    row = freeze(training.networks, scattered(training, 1)).rows[0]
    program = lowered(training.networks, row, training.task)
    assert len(np.unique(program(program.input.encode(x)))) > 6
    # Folded outputs would come one after the other.
    check_images(program.with_argmax() if schedule.folded else program, schedule, rng)
