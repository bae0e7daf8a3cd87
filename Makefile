# Two commands set everything up: 'make demo' runs the main job, 'make test' the tests.
# pip's own environment variables (PIP_*) choose where packages come from.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
ARGS ?=
# Of the random examples of 'make fuzz'.
SEED ?= $(shell $(PYTHON) -c 'import random; print(random.SystemRandom().randrange(2**32))')

python := $(VENV)/bin/python

.PHONY: help check demo test fuzz lint clean distclean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo       train, quantize, generate, simulate, estimate and report: demo-output/"
	@echo "make test       the tests; make test ARGS='-k table' for some, ARGS=\"-m ''\" for all there are"
	@echo "make fuzz       the property tests with random examples; SEED=N repeats a run"
	@echo "make lint       ruff and mypy"
	@echo "make check      is all there that pip cannot install?"
	@echo "make clean      remove what was built; make distclean removes $(VENV) too"
	@echo "PYTHON=python3.12 names the Python that $(VENV) is made with"

demo: $(VENV)/.demo-ready | check
	$(VENV)/bin/kanhw demo --out demo-output

# Tests start many processes, which would each compile kanhw again where no bytecode is written.
test fuzz: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.test-ready | check
	$(python) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# The seed is in what is run, so that make prints it; a failing example is printed to be pinned.
fuzz: SEED := $(SEED)
fuzz: $(VENV)/.test-ready | check
	$(python) -m pytest -n $(JOBS) --dist worksteal -m "hypothesis and not slow" \
		--hypothesis-profile fuzz --hypothesis-seed $(SEED) $(ARGS)

lint: $(VENV)/.dev-ready
	$(python) -m ruff check --ignore-noqa .
	$(python) -m mypy

clean:
	rm -rf demo-output build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find kanhw boards quant gateware sim tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

# What an extra installs includes what these others would.
covers.demo := demo
covers.test := test demo
covers.dev := dev test demo

$(VENV)/.%-ready: pyproject.toml constraints.txt $(VENV)/.made
	$(python) -m pip install -c constraints.txt -e '.[$*]'
	@touch $(covers.$*:%=$(VENV)/.%-ready)

$(VENV)/.made: | check
	$(PYTHON) -m venv $(VENV)
	@touch $@

check:
	@command -v "$(PYTHON)" >/dev/null || { echo "kanhw needs Python 3.11 or later, and there is no '$(PYTHON)': name one with PYTHON=" >&2; exit 1; }
	@"$(PYTHON)" -c "$$CHECK"

# Old Pythons must be able to read this far, so it is written without f-strings.
define CHECK
import os, sys
version = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    sys.exit("kanhw needs Python 3.11 or later, and $(PYTHON) is %s: name another with PYTHON=python3.12" % version)

import ctypes, importlib.util, shutil, sysconfig

missing = []
if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
    missing.append("$(PYTHON) cannot make a venv: install python%s-venv (Debian, Ubuntu), or name a Python from uv, pyenv or conda with PYTHON=" % version)

def loads(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True

# cocotb runs Python inside the simulator, from the shared library (these are the places where it looks).
var = sysconfig.get_config_var
names = [var("INSTSONAME"), var("LDLIBRARY"), "libpython%s.so" % version, "libpython%s.dylib" % version]
names = [name for name in names if name and not name.endswith(".a")]
folders = [var("LIBPL"), var("LIBDIR"), var("PYTHONFRAMEWORKPREFIX"), os.path.join(sys.base_prefix, "lib")]
paths = [os.path.join(folder, name) for folder in folders if folder for name in names]
if not (any(map(os.path.isfile, paths)) or any(map(loads, names))):
    missing.append("$(PYTHON) has no shared libpython%s, which cocotb needs: install libpython%s (Debian, Ubuntu), rebuild with PYTHON_CONFIGURE_OPTS=--enable-shared (pyenv), or name a Python from uv or conda with PYTHON=" % (version, version))

tools = []
if not shutil.which("perl"):
    tools.append("no perl on PATH, which Verilator needs: install perl")
compilers = [os.environ.get("CXX", "c++").split(" ")[0], "c++", "g++", "clang++"]
if not any(map(shutil.which, compilers)):
    tools.append("no C++ compiler on PATH, which Verilator needs: install g++ (Debian, Ubuntu) or the Xcode command line tools (macOS)")
if shutil.which("iverilog"):
    for tool in tools:
        sys.stderr.write("note: " + tool + " (Icarus Verilog is here, so only the fast simulation is lost)\n")
else:
    missing += [tool + ", or install Icarus Verilog (iverilog)" for tool in tools]

for line in missing:
    sys.stderr.write(line + "\n")
sys.exit(1 if missing else 0)
endef
export CHECK
