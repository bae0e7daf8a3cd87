"""What is installed is what is in the checkout, and importing it stays light."""

import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
PACKAGE_DIR = SETUPTOOLS["package-dir"]
# A sub-package is found through the link of the package that it is in.
LINKED = {name: folder for name, folder in PACKAGE_DIR.items() if name.count(".") == 1}
HEAVY = ["amaranth", "cocotb", "matplotlib", "scipy", "sklearn", "torch"]


def source_files() -> dict[str, list[Path]]:
    """The files of every package, by its import name, found through package-dir."""
    found: dict[str, list[Path]] = {}
    for name, folder in PACKAGE_DIR.items():
        for path, folders, files in os.walk(ROOT / folder):  # does not follow kanhw's links
            folders[:] = [each for each in folders if each != "__pycache__"]
            parts = Path(path).relative_to(ROOT / folder).parts
            if files:
                found[".".join([name, *parts])] = [Path(path) / file for file in files]
    return found


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in requirements}


def closure() -> list[Requirement]:
    """What kanhw and its extras need, and what the installed ones of those need in turn."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    todo = [Requirement(line) for group in groups for line in group]
    found: dict[str, Requirement] = {}
    while todo:
        requirement = todo.pop()
        if str(requirement) in found:
            continue
        found[str(requirement)] = requirement
        try:
            needs = distribution(requirement.name).requires or []
        except PackageNotFoundError:  # an extra that this venv was made without
            continue
        extras = ["", *requirement.extras]
        todo += [
            need
            for need in map(Requirement, needs)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras)
        ]
    return [need for need in found.values() if canonicalize_name(need.name) != "kanhw"]


def test_packages_lists_every_package_on_disk():
    files = source_files()
    on_disk = [name for name in files if any(path.name == "__init__.py" for path in files[name])]
    assert sorted(SETUPTOOLS["packages"]) == sorted(on_disk)


def test_every_folder_of_modules_is_a_package():
    for name, files in source_files().items():
        if any(path.suffix == ".py" for path in files):
            assert "__init__.py" in {path.name for path in files}, name


def test_package_data_covers_every_file_that_is_no_module():
    patterns = SETUPTOOLS["package-data"]["*"]
    data = [path for files in source_files().values() for path in files if path.suffix != ".py"]
    assert data, "py.typed at least"
    for path in data:
        assert any(fnmatch(path.name, pattern) for pattern in patterns), path
        assert (path.parent / "__init__.py").is_file(), f"{path} is in no package"


@pytest.mark.skipif(os.name == "nt", reason="a Windows checkout may hold the links as text")
@pytest.mark.parametrize(("name", "folder"), LINKED.items())
def test_links_make_the_checkout_importable(name: str, folder: str):
    link = ROOT / name.replace(".", "/")
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder


def test_every_source_folder_is_linked():
    links = {path.name for path in (ROOT / "kanhw").iterdir() if path.is_symlink()}
    assert links == set(LINKED.values())


def test_constraints_pin_exact_public_versions():
    for name, pin in pins().items():
        (specifier,) = pin.specifier
        assert specifier.operator == "==", name
        assert "*" not in specifier.version and "+" not in specifier.version, name
        assert pin.url is None and pin.marker is None, name


def test_constraints_pin_everything_that_is_needed():
    pinned = pins()
    for need in closure():
        name = canonicalize_name(need.name)
        assert name in pinned, f"{need} is not in constraints.txt"
        (pin,) = pinned[name].specifier
        assert need.specifier.contains(pin.version, prereleases=True), f"{need}: {pin}"


@pytest.mark.parametrize(
    "code",
    ["import kanhw", "from kanhw.cli import main; sys.argv = ['kanhw', '--help']; main()"],
    ids=["import", "help"],
)
def test_nothing_heavy_is_imported_early(code: str):
    script = f"""
import atexit, sys
atexit.register(lambda: print('heavy:', sorted(set(sys.modules) & set({HEAVY!r}))))
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"
