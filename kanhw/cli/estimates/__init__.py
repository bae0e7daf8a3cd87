"""``kanhw estimate``: the command, and its tables."""
