"""Loading a bitstream into a board that is plugged in."""
