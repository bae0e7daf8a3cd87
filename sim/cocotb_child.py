"""The process that builds and runs a simulation: ``python -m kanhw.sim.cocotb_child ARGS.json``.

cocotb's runner reads and changes the environment of its process, so it gets one of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]

TIMESCALE = ("1ns", "1ps")


def main(path: Path) -> None:
    """Build what is not built yet, then run the testbench."""
    from cocotb_tools.runner import get_runner

    arguments: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    runner = get_runner(arguments["simulator"])
    build, work, top = Path(arguments["build"]), Path(arguments["work"]), arguments["top"]
    waves = arguments["waves"]
    if not arguments["built"]:
        runner.build(
            sources=arguments["sources"],
            build_args=arguments["build_args"],
            hdl_toplevel=top,
            build_dir=build,
            timescale=TIMESCALE,
            waves=waves,
            always=True,
        )
    runner.test(
        test_module="kanhw.sim.cocotb_bench",
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        build_dir=build,
        test_dir=work,
        plusargs=arguments["plusargs"],
        test_args=arguments["test_args"],
        results_xml=str(work / "results.xml"),
        timescale=TIMESCALE,
        seed=arguments["seed"],
        waves=waves,
    )


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except RuntimeError as error:
        # A build that failed has said why; a traceback would push that out of the last lines.
        sys.exit(str(error))
