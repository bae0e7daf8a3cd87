"""What stands between the steps of a network, before anything is rounded."""
