"""Training with learned widths, under the cost of the fabric that the network will take."""
