"""What benchmarks share: reference networks, data, tables, plots."""
