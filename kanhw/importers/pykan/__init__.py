"""PyKAN: checkpoints of every version, symbolic edges, multiplication nodes, its saved batch."""
