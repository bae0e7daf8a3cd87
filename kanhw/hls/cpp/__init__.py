"""What C++ is written with: declared types, arrays of constants, and the parts of a design."""
