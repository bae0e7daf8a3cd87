"""How every planned stage is written in C++: a function from a stream of beats to another."""
