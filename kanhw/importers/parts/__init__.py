"""What importers share: reading tensors and options, finding layers, putting modules together."""
