"""The layers of a Program, a file for each kind."""
