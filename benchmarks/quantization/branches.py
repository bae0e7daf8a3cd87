"""Quantizers of their own for both branches (QuantKAN's rule) against one shared by them.

    python -m benchmarks.quantization.branches [--datasets digits dry_bean] [--seeds 0 1 2]

Shared: one step for base weights and coefficients of a layer, and one code for what both read.
"""

from __future__ import annotations

from benchmarks.common.comparison import compare

SETTINGS = {
    "shared": {"shared_quantizers": True},
    "branch-aware": {"shared_quantizers": False},
}

if __name__ == "__main__":
    compare("branches", SETTINGS, (__doc__ or "").partition("\n")[0])
