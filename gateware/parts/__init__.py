"""Parts that every room uses: adders, tables, saturation, multipliers, memories, their costs."""
