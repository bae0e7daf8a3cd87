"""Numbers and facts in words, the same in the terminal, the HTML report and the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.design.quantities import Quantity
from kanhw.formats import CodeFormat
from kanhw.reports.kinds.words import lsb
from kanhw.reports.scores import STAGES, Score
from kanhw.reports.summary import Summary
from kanhw.schedule.schedule import Schedule

__all__ = [
    "NOTHING_ESTIMATED",
    "NOTHING_SCORED",
    "NOTHING_VERIFIED",
    "bits",
    "check_passed",
    "check_sentence",
    "code_text",
    "count",
    "figure",
    "format_list",
    "lsb",
    "metric_name",
    "missing_stages",
    "quantity_text",
    "real",
    "schedule_text",
    "sentence",
    "stage_name",
    "throughput_text",
    "verification_failed",
    "verified_text",
    "verified_vectors",
]

NOTHING_VERIFIED = (
    "Nothing was verified: this report holds no comparison of the Verilog with its Program."
)
NOTHING_SCORED = "No accuracy was measured: this report was made without data."
NOTHING_ESTIMATED = "No resources were estimated."

_SERIAL = ("layer_norm", "convolution", "pooling")
_METRICS = {
    "accuracy": "accuracy",
    "rmse": "RMS error",
    "max_error": "largest error",
    "rmse_of_deviation": "RMS error, of the deviation",
    "max_error_of_deviation": "largest error, of the deviation",
}
_ENGINES = {
    "cocotb": "the cocotb testbench (every stream rule checked)",
    "fast": "the compiled test-set harness",
}


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def real(value: float) -> str:
    """A real number to three significant digits, without an exponent where it is readable."""
    if 1e-3 <= abs(value) < 1e4:
        text = f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
    elif value == 0:
        text = "0"
    else:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return text.replace("-", "−")


def bits(value: int) -> str:
    """A number of bits, in kbit (1000 bits) beyond 10,000 and Mbit beyond a million."""
    if value < 10_000:
        return f"{count(value)} bit"
    return f"{value / 1e3:.1f} kbit" if value < 1_000_000 else f"{value / 1e6:,.2f} Mbit"


def quantity_text(own: Quantity) -> str:
    """An input or output in a line: name, unit, range, codes and formula."""
    unit = f" {own.unit}" if own.unit else ""
    codes = f"codes {own.lo} to {own.hi}"
    if own.ends is None:
        return f"{own.title}: {codes}{unit}"
    low, high = map(real, own.ends)
    return f"{own.title}: {low} to {high}{unit}, {codes}, value {own.formula}"


def figure(score: Score) -> str:
    """The value of a score: a percentage for an accuracy."""
    if score.metric == "accuracy" or score.metric.endswith("_of_deviation"):
        return f"{100 * score.value:.2f}%"
    return real(score.value)


def metric_name(score: Score) -> str:
    """The metric in words, with what it was measured against where that is not the labels."""
    name = _METRICS.get(score.metric, score.metric)
    return name if score.reference == "labels" else f"{name} against the {score.reference}"


def stage_name(score: Score) -> str:
    """The stage in words."""
    return STAGES.get(score.stage, score.stage)


def missing_stages(summary: Summary) -> str:
    """A sentence on the stages that were not scored; empty when all were, or none."""
    there = {score.stage for score in summary.scores}
    missing = [name.lower() for stage, name in STAGES.items() if stage not in there]
    # Measured against the float model, that model has no figure of its own.
    if any(score.reference == "float model" for score in summary.scores):
        missing = [name for name in missing if name != STAGES["float"].lower()]
    if not there or not missing:
        return ""
    return f"Not measured: {', '.join(missing).replace('verilog', 'Verilog')}."


def sentence(words: str) -> str:
    """The words with a capital at the start; the rest is left alone (RMS, LUT)."""
    return words[:1].upper() + words[1:]


def code_text(format: CodeFormat) -> str:
    """A format in a table cell: ``s6`` is signed and 6 bits wide, ``u4`` unsigned and 4."""
    return f"{'s' if format.signed else 'u'}{format.width}"


def format_list(formats: Mapping[str, CodeFormat] | tuple[CodeFormat, ...]) -> str:
    """Several formats in a cell; branches are named where there is more than one."""
    if isinstance(formats, Mapping):
        if len(formats) == 1:
            return code_text(next(iter(formats.values())))
        return ", ".join(f"{branch} {code_text(f)}" for branch, f in formats.items())
    return ", ".join(code_text(f) for f in formats)


def schedule_text(summary: Summary) -> str:
    """The schedule in a few words."""
    schedule = summary.schedule
    levels = schedule.adder_levels
    if levels:
        between = "adder level" if levels == 1 else f"{levels} adder levels"
        registers = f"a register after every {between}"
    else:
        registers = "no registers inside the adder trees"
    tables = _tables_text(schedule)
    ports = "valid/ready streams" if schedule.handshake else "bare core without handshake"
    if schedule.folded:
        inputs = _parallel_text(schedule.parallel_inputs)
        outputs = _parallel_text(schedule.parallel_outputs)
        return f"folded, {inputs} inputs by {outputs} outputs at a time, {registers}, {ports}"
    # Norms and windows take their values one after the other.
    serial = any(layer.kind in _SERIAL for layer in summary.layers)
    return f"{'tables ' if serial else ''}unrolled, {registers}, {tables}, {ports}"


def _tables_text(schedule: Schedule) -> str:
    """Which tables have registers behind them, and whether some are merged."""
    without = [name for name in schedule.registered if not schedule.of_layer(name).table_registers]
    merged = f", merged for {schedule.merge_tables}" if schedule.merge_tables else ""
    if without:
        return f"table outputs registered but for {', '.join(without)}{merged}"
    return f"table outputs {'' if schedule.table_registers else 'not '}registered{merged}"


def _parallel_text(parallel: int | Mapping[str, int]) -> str:
    """One number, or every layer's."""
    if isinstance(parallel, int):
        return str(parallel)
    return ", ".join(f"{number} ({layer})" for layer, number in parallel.items())


def throughput_text(summary: Summary) -> str:
    """The initiation interval in words."""
    interval = summary.initiation_interval
    return "1 inference per clock" if interval == 1 else f"1 inference per {interval} clocks"


def check_passed(check: Mapping[str, Any]) -> bool:
    """Whether a check compared something and found nothing wrong."""
    return bool(check["vectors"] > 0 and check["mismatches"] == 0 and not check.get("problems"))


def check_sentence(check: Mapping[str, Any]) -> str:
    """What one check did and found."""
    if not check["vectors"]:
        return "FAILED: nothing was compared, because there were no input vectors."
    engine = _ENGINES.get(str(check["engine"]), f"the engine {check['engine']}")
    simulator = str(check.get("simulator", "an unnamed simulator")).capitalize()
    version = f" {check['simulator_version']}" if check.get("simulator_version") else ""
    stalls = "random stalls" if check.get("stalls") else "no stalls"
    seed = f", seed {check['seed']}" if check.get("seed") is not None else ""
    reset = ", a reset in mid-stream" if check.get("reset_midstream") else ""
    lead = "" if check_passed(check) else "FAILED: "
    return (
        f"{lead}{count(check['vectors'])} input vectors through {engine} in {simulator}{version}, "
        f"{stalls}{seed}{reset}: {_finding(check)}{_timing(check)}"
    )


def _finding(check: Mapping[str, Any]) -> str:
    number = check["mismatches"]
    found = (
        "every output code equals the Program's (0 mismatches)."
        if not number
        else f"{count(number)} output codes differ from the Program's."
    )
    expected = check.get("expected_mismatches")
    if expected is not None:
        found += (
            " The Program reproduces every expected output."
            if not expected
            else f" {count(expected)} outputs of the Program differ from the expected ones."
        )
    # The mismatches have been told; what else went wrong has not.
    rest = [problem for problem in check.get("problems") or () if "differ" not in problem]
    return found + "".join(f" {sentence(problem)}." for problem in rest)


def _timing(check: Mapping[str, Any]) -> str:
    parts = []
    if check.get("latency_cycles") is not None:
        parts.append(f"latency {check['latency_cycles']} cycles")
    if check.get("cycles_per_inference") is not None:
        clocks = check["cycles_per_inference"]
        parts.append(f"{clocks:g} clock{'' if clocks == 1 else 's'} per inference")
    if check.get("inferences_per_second"):
        parts.append(f"{count(round(check['inferences_per_second']))} simulated inferences/s")
    return f" Measured: {', '.join(parts)}." if parts else ""


def verification_failed(summary: Summary) -> bool:
    """Whether a check failed, or the hardware's outputs that were scored are not the Program's."""
    disagrees = any(score.differences for score in summary.scores)
    return disagrees or not all(map(check_passed, summary.checks))


def verified_vectors(summary: Summary) -> int:
    """Vectors of the largest check that passed: checks often share their vectors."""
    return max((check["vectors"] for check in summary.checks if check_passed(check)), default=0)


def verified_text(summary: Summary) -> str:
    """The state of verification in two or three words."""
    failed = sum(not check_passed(check) for check in summary.checks)
    if failed:
        return f"{failed} of {len(summary.checks)} checks FAILED"
    if verification_failed(summary):
        return "outputs differ from the Program"
    if not summary.checks:
        return "no simulation was run"
    return f"{count(verified_vectors(summary))} vectors, 0 mismatches"
