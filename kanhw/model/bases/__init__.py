"""Basis functions: B-splines, Gaussians, polynomials; a file each."""
