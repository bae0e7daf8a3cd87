"""What does not change numbers: unrolled or folded, registers, which step reads what."""
