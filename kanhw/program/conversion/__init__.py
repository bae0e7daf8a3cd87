"""From the codes of an ADC or of fixed point to a network's codes, and from its sums to such."""
