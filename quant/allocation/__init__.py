"""Automatic bit allocation: which bits every branch of every layer gets within a budget."""

from kanhw.quant.allocation.allocation import Criterion, allocate
from kanhw.quant.allocation.budget import BitBudget
from kanhw.quant.allocation.integer_program import solve
from kanhw.quant.allocation.result import Allocation

__all__ = ["Allocation", "BitBudget", "Criterion", "allocate", "solve"]
