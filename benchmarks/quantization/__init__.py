"""What quantization costs, method by method."""
