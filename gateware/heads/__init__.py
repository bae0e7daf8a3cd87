"""Task heads that share codebooks: banks of memories, switched per vector, written at run time."""
