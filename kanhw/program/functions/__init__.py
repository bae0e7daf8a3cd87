"""The integer functions themselves, for numpy arrays and torch tensors alike."""
