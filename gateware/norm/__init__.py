"""LayerNorm in integers, a feature a clock."""
