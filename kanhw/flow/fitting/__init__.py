"""What `kanhw train` does with a user's data: split it, train, convert, compare."""
