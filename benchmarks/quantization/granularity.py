"""One scale per tensor against one per channel, for weights and for activations.

python -m benchmarks.quantization.granularity [--datasets digits dry_bean] [--seeds 0 1 2]
"""

from __future__ import annotations

from benchmarks.common.comparison import compare

SETTINGS = {
    "per tensor": {"weight_granularity": "tensor", "activation_granularity": "tensor"},
    "weights per channel": {"weight_granularity": "channel", "activation_granularity": "tensor"},
    "activations per channel": {
        "weight_granularity": "tensor",
        "activation_granularity": "channel",
    },
}

if __name__ == "__main__":
    compare("granularity", SETTINGS, (__doc__ or "").partition("\n")[0])
