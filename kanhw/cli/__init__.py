"""The command line, one file a command; nothing but arguments and printing."""

from kanhw.cli.start import main

__all__ = ["main"]
