"""What synthesis makes of sums and tables, counted."""
