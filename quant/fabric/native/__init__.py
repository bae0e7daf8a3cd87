"""The steps of training as native code, compiled when they are first wanted."""
