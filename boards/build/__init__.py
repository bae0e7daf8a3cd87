"""From a design to a folder with a bitstream."""
