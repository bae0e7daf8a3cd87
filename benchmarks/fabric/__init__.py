"""Networks whose widths were chosen for the fabric: what their parts cost, and what they reach."""
