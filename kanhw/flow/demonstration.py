"""The demonstration: a KAN trained on handwritten digits, all the way to verified Verilog."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.files import write_arrays, write_json
from kanhw.flow.generation import generate, quantize
from kanhw.flow.verification import Verification, simulate
from kanhw.model.network import KanModel
from kanhw.places import write_whole
from kanhw.program import save_program
from kanhw.progress import Progress
from kanhw.targets.table import DEMONSTRATED

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.layers import KAN
    from kanhw.reports import Summary

__all__ = [
    "DemoSize",
    "Demonstration",
    "Digits",
    "load_digits",
    "run_demonstration",
    "trained_network",
]

# Five-bit codes, and edge tables of one bit more than the codes that they add up to.
BITS: dict[str, Any] = {"activation_bits": 5, "table_bits": 6, "realisation": "edge_table"}
_HIGHEST_SEED = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True)
class DemoSize:
    """How much work the demonstration is.

    Parameters
    ----------
    hidden
        Units of the hidden layer.
    epochs
        Of training before anything is pruned.
    pruning
        How many edges each step leaves, and the epochs after it.
    images
        How many are simulated under cocotb at most; the test part comes first.
    targets
        What is synthesised for.
    duration
        How long that takes, in words.
    """

    hidden: int = 16
    epochs: int = 15
    pruning: tuple[tuple[int, int], ...] = ((700, 10), (500, 10), (400, 10), (320, 10), (250, 30))
    images: int = 1797
    targets: tuple[str, ...] = DEMONSTRATED
    duration: str = "some three minutes on two cores"


@dataclass(frozen=True, eq=False)
class Digits:
    """scikit-learn's digits, pixels / 16: float64 features ``[N, 64]`` and labels ``[N]``."""

    train_x: npt.NDArray[np.float64]
    train_labels: npt.NDArray[np.int64]
    test_x: npt.NDArray[np.float64]
    test_labels: npt.NDArray[np.int64]

    @property
    def all_x(self) -> npt.NDArray[np.float64]:
        """Every image, the test part first."""
        return np.concatenate([self.test_x, self.train_x])


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demonstration made and measured.

    Parameters
    ----------
    folder
        Where everything lies.
    design
        The Verilog.
    checks
        The simulation under cocotb and, where there is a Verilator, the fast one of the test part.
    estimates
        One per target.
    summary
        What the report says, with the accuracies of every stage on the test part.
    """

    folder: Path
    design: Design
    checks: tuple[Verification, ...]
    estimates: tuple[ResourceEstimate, ...]
    summary: Summary

    @property
    def passed(self) -> bool:
        """Whether every simulated output equals the Program's."""
        return all(check.passed for check in self.checks)

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; accuracies are 0 to 1."""
        return {
            "folder": str(self.folder),
            "report": str(self.report),
            **{f"{score.stage}_accuracy": score.value for score in self.summary.scores},
            "latency_cycles": self.design.latency_cycles,
            "checks": [check.to_json() for check in self.checks],
            "estimates": [estimate.to_json() for estimate in self.estimates],
            "passed": self.passed,
        }


def run_demonstration(
    out: str | Path, *, seed: int = 0, quiet: bool = False, size: DemoSize | None = None
) -> Demonstration:
    """Train, prune, quantize, generate, simulate, estimate and report, into a new folder.

    Parameters
    ----------
    out
        The folder to make; it must be empty or absent.
    seed
        Of the training, 0 to 2**32 - 1.
    quiet
        Whether to show no progress (on standard error otherwise).
    size
        How much work it is; None is all of it.

    Raises
    ------
    InputError
        If the folder holds something already, or cannot be made.
    ToolNotFound
        If torch, scikit-learn, a simulator or Yosys is missing; then there is no folder yet.
    ToolFailed
        If a tool fails. The message names the folder, where the files of finished steps stay.
    """
    size = size or DemoSize()
    if not 0 <= seed <= _HIGHEST_SEED:
        raise InputError(f"The seed of the demo must be 0 to {_HIGHEST_SEED}, not {seed}")
    _check_tools()
    folder = _new_folder(out)
    with _naming(folder), Progress(quiet=quiet) as progress:
        progress.say(f"The demo takes {size.duration}.")
        digits = load_digits(seed)
        model = trained_network(digits, folder, seed, size, progress)
        with progress.step("quantize to 5-bit codes"):
            program = quantize(model, digits.train_x, **BITS)
            save_program(program, folder / "program.safetensors")
        with progress.step(f"write {program.active_edges} edges as Verilog"):
            design = generate(program, folder / "design")
        checks = _simulate(design, digits, folder, size, progress)
        estimates = _estimate(design, folder, size, progress)
        with progress.step("write the report"):
            summary = _report(folder, design, model, digits, checks, estimates)
    return Demonstration(folder, design, checks, estimates, summary)


def _check_tools() -> None:
    """See that everything is installed before minutes are spent."""
    from kanhw.estimation import yosys_version
    from kanhw.sim import find_simulator

    for package, name in (("torch", "PyTorch"), ("sklearn", "scikit-learn")):
        if importlib.util.find_spec(package) is None:
            raise ToolNotFound(f"The demo needs {name}: pip install 'kanhw[demo]'")
    find_simulator()
    yosys_version()


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Say in a tool's error where the files of the finished steps are."""
    try:
        yield
    except (ToolFailed, ToolNotFound, InputError) as error:
        raise type(error)(
            f"{error} (the demo stopped; what it had finished is in {folder}, which you can remove)"
        ) from error


def _new_folder(out: str | Path) -> Path:
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made ({error.strerror}): name another folder with --out"
        ) from error
    if present:
        raise InputError(
            f"{folder} already holds something ({', '.join(present[:4])}): remove it, or name "
            "another folder with --out"
        )
    return folder


def load_digits(seed: int) -> Digits:
    """Split scikit-learn's digits into three quarters for training and one for testing."""
    from sklearn.datasets import load_digits as load_data
    from sklearn.model_selection import train_test_split

    x, labels = load_data(return_X_y=True)
    train_x, test_x, train_labels, test_labels = train_test_split(
        x / 16, labels.astype(np.int64), test_size=0.25, random_state=seed, stratify=labels
    )
    return Digits(train_x, train_labels, test_x, test_labels)


def trained_network(
    digits: Digits, folder: Path, seed: int, size: DemoSize, progress: Progress
) -> KanModel:
    """The demonstration's float network, trained and pruned; its files go into a folder.

    Parameters
    ----------
    digits
        Whose training part is learned.
    folder
        An existing one, for ``train.npz``, ``test.npz`` and ``model.pt``.
    seed
        Of the training.
    size
        How much work it is.
    progress
        Is told the epochs.
    """
    import torch

    from kanhw.layers import KAN

    write_arrays(folder / "train.npz", x=digits.train_x, labels=digits.train_labels)
    write_arrays(folder / "test.npz", x=digits.test_x, labels=digits.test_labels)
    x = torch.tensor(digits.train_x, dtype=torch.float32)
    labels = torch.tensor(digits.train_labels)
    epochs = size.epochs + sum(epochs for _, epochs in size.pruning)
    name = f"train a 64-{size.hidden}-10 KAN"
    with _one_thread(), progress.step(name, of=epochs) as tick:
        torch.manual_seed(seed)
        network = KAN([64, size.hidden, 10])
        _fit(network, x, labels, epochs=size.epochs, rate=1e-2, tick=tick)
        for edges, epochs in size.pruning:
            network.prune_to(edges, x)
            _fit(network, x, labels, epochs=epochs, rate=5e-3, tick=tick)
        buffer = io.BytesIO()
        torch.save(network.state_dict(), buffer)
        write_whole(folder / "model.pt", buffer.getvalue())
        return network.to_model()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch from sharing out small batches: 5 s instead of 65 s on two busy cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fit(
    network: KAN, x: Any, labels: Any, *, epochs: int, rate: float, tick: Callable[[], None]
) -> None:
    import torch

    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        order: Any = torch.randperm(len(x))
        for batch in order.split(64):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(x[batch]), labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
        tick()


def _simulate(
    design: Design, digits: Digits, folder: Path, size: DemoSize, progress: Progress
) -> tuple[Verification, ...]:
    from kanhw.tools.simulators import find_verilator

    images = digits.all_x[: size.images]
    with progress.step(f"simulate {len(images)} images under cocotb, with stalls"):
        cocotb = simulate(design, images, engine="cocotb")
        write_json(folder / "simulation-cocotb.json", cocotb.to_json())
    try:
        find_verilator()
    except ToolNotFound as error:
        progress.say(f"left out the simulation at full speed: {error}")
        return (cocotb,)
    with progress.step("simulate the test part at full speed"):
        labels = digits.test_labels
        fast = simulate(design, digits.test_x, labels=labels, engine="fast", stalls=False)
        write_json(folder / "simulation-fast.json", fast.to_json())
    return cocotb, fast


def _estimate(
    design: Design, folder: Path, size: DemoSize, progress: Progress
) -> tuple[ResourceEstimate, ...]:
    from kanhw.estimation import estimate_many

    name = f"synthesise for {', '.join(size.targets)}"
    with progress.step(name, of=len(size.targets)) as tick:
        estimates = estimate_many(
            design.verilog_path, design.top, size.targets, on_done=lambda _: tick()
        )
    for estimate in estimates:
        write_json(folder / f"estimate-{estimate.target}.json", estimate.to_json())
    return tuple(estimates)


def _report(
    folder: Path,
    design: Design,
    model: KanModel,
    digits: Digits,
    checks: tuple[Verification, ...],
    estimates: tuple[ResourceEstimate, ...],
) -> Summary:
    from kanhw.reports import network_curves, summarise, write_html

    outputs = checks[-1].outputs[: len(digits.test_x)]
    write_arrays(folder / "outputs.npz", y=outputs)
    summary = summarise(
        design,
        model=model,
        data=(digits.test_x, digits.test_labels),
        checks=checks,
        estimates=estimates,
        hardware_outputs=outputs if len(outputs) else None,
        title=f"64-{model.layers[0].n_out}-10 KAN on handwritten digits",
    )
    write_html(summary, network_curves(design.load_program(), model), folder / "report.html")
    write_json(folder / "summary.json", summary.to_json())
    return summary
