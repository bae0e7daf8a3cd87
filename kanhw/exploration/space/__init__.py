"""What is tried: axes with their values, the points that they span, and who chooses among them."""
