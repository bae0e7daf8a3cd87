"""Training with learned widths, measured through gateware."""
