"""Rules of quantization in training: what maps weights and activations to codes, a file each."""
