"""The errors that a user can cause, each with one line that says how to mend it."""

from kanhw.values import shown

__all__ = ["InputError", "ToolFailed", "ToolNotFound", "TrainingDiverged"]


class InputError(ValueError):
    """Something that the user passed is wrong.

    The message is one line: what is wrong, where, what is allowed and how to mend it. The command
    line prints it as it is and exits with status 2. What it quotes from outside is made printable
    and short.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shown(str(message)))


class ToolNotFound(RuntimeError):
    """A tool or package that this step needs is not installed; the message says how to get it."""


class ToolFailed(RuntimeError):
    """A program that we ran ended with an error; the message names it and quotes its last lines."""


class TrainingDiverged(RuntimeError):
    """A network's loss is not finite, or has grown too far; the message says what to change."""
