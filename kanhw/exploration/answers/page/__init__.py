"""One page with every point: drawn by a small script of its own, with nothing from elsewhere."""
