"""What maps reals to codes: ranges, steps, and the one rounding rule."""
