"""The QuantModel: a network whose float64 arithmetic is exact integers."""
