"""What a design takes, estimated: resources, energy, and the share of basis functions."""
