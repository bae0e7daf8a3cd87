"""What is true of one family of FPGAs: cells, recipes, block RAMs, costs."""
