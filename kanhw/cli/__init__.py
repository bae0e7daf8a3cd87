"""The command line, one file a command; nothing but arguments and printing."""

from kanhw.cli.command import main

__all__ = ["main"]
