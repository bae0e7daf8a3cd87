"""HGQ2's learned widths and alkaid's RTL beside ours: python -m benchmarks.fabric.hgq."""
