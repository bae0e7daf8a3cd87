"""From a plan and rounded weights to the integers of every step."""
