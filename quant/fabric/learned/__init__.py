"""Networks whose widths are learned, many at once, and the Programs that they become."""
