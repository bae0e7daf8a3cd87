"""What is measured: model and data, and the figures of a point."""
