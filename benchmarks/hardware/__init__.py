"""Designs against their Programs and their rivals: LUTs, clocks, accuracy."""
