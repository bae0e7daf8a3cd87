"""B-splines and activations by arithmetic, and what that takes."""
