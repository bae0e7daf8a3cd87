"""How every kind of layer is written in C++: what its edges add, and how sums become codes."""
