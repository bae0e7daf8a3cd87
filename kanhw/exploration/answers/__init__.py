"""What came out: the Pareto front, tables, plots and a page."""
