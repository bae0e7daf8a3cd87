"""Convolution and pooling, unrolled and folded: line buffers, windows, rows of pixels."""
