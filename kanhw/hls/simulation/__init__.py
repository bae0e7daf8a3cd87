"""Running the C++ of a design with a plain compiler."""
