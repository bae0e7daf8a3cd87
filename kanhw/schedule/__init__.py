"""The schedule, which changes no number: unrolled or folded, registers, the order of steps."""
