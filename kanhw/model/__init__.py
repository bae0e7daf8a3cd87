"""The float64 record of a network, whatever library it came from."""
