"""The demonstration: a KAN trained on handwritten digits, all the way to verified Verilog."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanhw.design import Design
from kanhw.errors import InputError, ToolNotFound
from kanhw.files import write_arrays, write_json
from kanhw.flow import generate, quantize
from kanhw.model import KanModel
from kanhw.program import Program, save_program
from kanhw.progress import Progress
from kanhw.reporting import report
from kanhw.verification import Verification, simulate

if TYPE_CHECKING:
    from kanhw.estimation import ResourceEstimate
    from kanhw.layers import KAN

__all__ = ["Demonstration", "run_demonstration"]

TARGETS = ("xcup", "ecp5", "ice40")
EDGES = 250
# Five-bit codes, and edge tables of one bit more than the codes that they add up to.
BITS: dict[str, Any] = {"activation_bits": 5, "table_bits": 6, "realisation": "edge_table"}
# How many edges are left after each step of pruning, and how long is trained after it.
_STEPS = ((700, 10), (500, 10), (400, 10), (320, 10), (EDGES, 30))


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
    float_accuracy, quantized_accuracy
        Of the float model and the Program on the test part, 0 to 1.
    checks
        The simulation under cocotb, and the fast one of the test part.
    estimates
        One per target.
    summary
        The terminal table, as text.
    """

    folder: Path
    design: Design
    float_accuracy: float
    quantized_accuracy: float
    checks: tuple[Verification, ...]
    estimates: tuple[ResourceEstimate, ...]
    summary: str = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether every simulated output equals the Program's."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "folder": str(self.folder),
            "report": str(self.folder / "report.html"),
            "float_accuracy": self.float_accuracy,
            "quantized_accuracy": self.quantized_accuracy,
            "hardware_accuracy": self.checks[-1].accuracy,
            "latency_cycles": self.design.latency_cycles,
            "checks": [check.to_json() for check in self.checks],
            "estimates": [estimate.to_json() for estimate in self.estimates],
            "passed": self.passed,
        }

    def text(self) -> str:
        """The terminal table and where the report is."""
        return f"{self.summary}\nreport: {self.folder / 'report.html'}"


def run_demonstration(out: str | Path, *, seed: int = 0, quiet: bool = False) -> Demonstration:
    """Train, prune, quantize, generate, simulate, estimate and report, into a new folder.

    Parameters
    ----------
    out
        The folder to make; it must be empty or absent.
    seed
        Of the training.
    quiet
        Whether to show no progress (on standard error otherwise).

    Raises
    ------
    InputError
        If the folder holds something already, or cannot be made.
    ToolNotFound
        If torch, scikit-learn, a simulator or Yosys is missing.
    """
    folder = _new_folder(out)
    with Progress(quiet=quiet) as progress:
        with progress.step("load the digits"):
            digits = load_digits(seed)
            write_arrays(folder / "train.npz", x=digits.train_x, labels=digits.train_labels)
            write_arrays(folder / "test.npz", x=digits.test_x, labels=digits.test_labels)
        model = _train(digits, folder, seed, progress)
        with progress.step("quantize to 5-bit codes"):
            program = quantize(model, digits.train_x, **BITS)
            save_program(program, folder / "program.safetensors")
        with progress.step(f"write {program.active_edges} edges as Verilog"):
            design = generate(program, folder / "design")
        checks = _simulate(design, digits, folder, progress)
        estimates = _estimate(design, folder, progress)
        with progress.step("write the report"):
            summary = _report(folder, design, model, digits, checks, estimates)
    return Demonstration(
        folder=folder,
        design=design,
        float_accuracy=_accuracy(model(digits.test_x), digits),
        quantized_accuracy=_program_accuracy(program, digits),
        checks=checks,
        estimates=estimates,
        summary=summary,
    )


def _new_folder(out: str | Path) -> Path:
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror})") from error
    if present:
        raise InputError(
            f"{folder} already holds something ({', '.join(present[:4])}): remove it, or name "
            "another folder with --out"
        )
    return folder


def load_digits(seed: int) -> Digits:
    """Split scikit-learn's digits into three quarters for training and one for testing."""
    try:
        from sklearn.datasets import load_digits as load_data
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ToolNotFound("The demo needs scikit-learn: pip install 'kanhw[demo]'") from error
    x, labels = load_data(return_X_y=True)
    train_x, test_x, train_labels, test_labels = train_test_split(
        x / 16, labels.astype(np.int64), test_size=0.25, random_state=seed, stratify=labels
    )
    return Digits(train_x, train_labels, test_x, test_labels)


def _train(digits: Digits, folder: Path, seed: int, progress: Progress) -> KanModel:
    try:
        import torch

        from kanhw.layers import KAN
    except ImportError as error:
        raise ToolNotFound("The demo needs torch: pip install 'kanhw[demo]'") from error
    torch.manual_seed(seed)
    network = KAN([64, 16, 10])
    x = torch.tensor(digits.train_x, dtype=torch.float32)
    labels = torch.tensor(digits.train_labels)
    with progress.step("train a 64-16-10 KAN", of=15 + sum(epochs for _, epochs in _STEPS)) as step:
        _fit(network, x, labels, epochs=15, rate=1e-2, tick=step)
        for edges, epochs in _STEPS:
            network.prune_to(edges, x)
            _fit(network, x, labels, epochs=epochs, rate=5e-3, tick=step)
    torch.save(network.state_dict(), folder / "model.pt")
    return network.to_model()


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
    design: Design, digits: Digits, folder: Path, progress: Progress
) -> tuple[Verification, ...]:
    with progress.step(f"simulate {len(digits.all_x)} images under cocotb, with stalls"):
        cocotb = simulate(design, digits.all_x)
        write_json(folder / "simulation-cocotb.json", cocotb.to_json())
    with progress.step("simulate the test part at full speed"):
        fast = simulate(
            design, digits.test_x, labels=digits.test_labels, engine="fast", stalls=False
        )
        write_json(folder / "simulation-fast.json", fast.to_json())
        write_arrays(folder / "outputs.npz", y=fast.outputs)
    return cocotb, fast


def _estimate(
    design: Design, folder: Path, progress: Progress
) -> tuple[ResourceEstimate, ...]:
    from kanhw.estimation import estimate_many

    with progress.step(f"synthesise for {', '.join(TARGETS)}", of=len(TARGETS)) as tick:
        estimates = estimate_many(
            design.verilog_path, design.top, TARGETS, on_done=lambda _: tick()
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
) -> str:
    from kanhw.reports.summary import summarise
    from kanhw.reports.terminal import summary_text

    title = "64-16-10 KAN on handwritten digits"
    data, outputs = (digits.test_x, digits.test_labels), checks[-1].outputs
    report(
        design,
        folder / "report.html",
        model=model,
        data=data,
        outputs=outputs,
        simulations=checks,
        estimates=estimates,
        title=title,
    )
    summary = summarise(
        design,
        model=model,
        data=data,
        checks=checks,
        estimates=estimates,
        hardware_outputs=outputs,
        title=title,
    )
    write_json(folder / "summary.json", json.loads(json.dumps(summary.to_json())))
    return summary_text(summary)


def _program_accuracy(program: Program, digits: Digits) -> float:
    return _accuracy(program(program.input.encode(digits.test_x)), digits)


def _accuracy(outputs: npt.NDArray[Any], digits: Digits) -> float:
    return float((outputs.argmax(axis=1) == digits.test_labels).mean())
