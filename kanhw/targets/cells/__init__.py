"""What the cells of the families compute."""
