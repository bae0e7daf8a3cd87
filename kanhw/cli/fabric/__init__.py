"""``kanhw train`` with learned widths."""
