"""The command that explores."""
