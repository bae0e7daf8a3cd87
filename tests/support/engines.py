"""The engine of tests that are not about engines."""

from kanhw.errors import ToolNotFound
from kanhw.tools.simulators import find_verilator


def quick_engine():
    """The fast one, which runs in no time once it is built, where there is a Verilator."""
    try:
        find_verilator()
    except ToolNotFound:
        return "cocotb"
    return "fast"
