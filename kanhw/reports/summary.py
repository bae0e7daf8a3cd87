"""Everything that a report says about a design, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Design, Port
from kanhw.design.quantities import Quantity, quantities_of
from kanhw.entries import Entry, Reader, typed
from kanhw.errors import InputError
from kanhw.estimation.resources import ResourceEstimate
from kanhw.model.network import KanModel
from kanhw.reports.layer_facts import LayerFacts, program_facts
from kanhw.reports.scores import Score, measure
from kanhw.schedule.schedule import Schedule

__all__ = ["SUMMARY_FORMAT", "Summary", "plain_check", "summarise"]

SUMMARY_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A design, what it was measured to do and what it takes.

    Parameters
    ----------
    title, source, date
        Heading, where the network came from, and when the report was made (text of the caller:
        nothing here reads a clock, so the same inputs give the same report).
    layers
        The Program's layers in numbers.
    input, output
        The payloads of the hardware.
    argmax
        Whether the output is a class index.
    schedule, latency_cycles, initiation_interval
        How the design was generated, and its timing in clock cycles.
    scores
        Accuracies or errors of every stage that was measured.
    checks
        Equivalence reports as JSON objects (``EquivalenceReport.to_json``); empty if none was run.
    resources
        Resource estimates; empty if none was made.
    tools
        Versions by tool.
    inputs, outputs
        What the codes at the ports stand for.
    """

    title: str
    source: str = ""
    date: str = ""
    layers: tuple[LayerFacts, ...]
    input: Port
    output: Port
    argmax: bool
    schedule: Schedule
    latency_cycles: int
    initiation_interval: int
    scores: tuple[Score, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    resources: tuple[ResourceEstimate, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Quantity, ...] = ()
    outputs: tuple[Quantity, ...] = ()

    @property
    def active_edges(self) -> int:
        """Edges of the whole network that are not zero everywhere."""
        return sum(layer.active_edges for layer in self.layers)

    @property
    def parameter_bits(self) -> int:
        """Bits of all tables, coefficients and weights."""
        return sum(layer.parameter_bits for layer in self.layers)

    @property
    def stations(self) -> tuple[LayerFacts, ...]:
        """The layers that make new values: no norms, and no activation at the end."""
        last = len(self.layers) - 1
        return tuple(
            layer
            for index, layer in enumerate(self.layers)
            if layer.kind != "layer_norm" and not (index == last and layer.name == "activation")
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Layer sizes: inputs, hidden layers, outputs."""
        return (self.layers[0].n_in, *(layer.n_out for layer in self.stations))

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        return {
            "format": SUMMARY_FORMAT,
            "title": self.title,
            "source": self.source,
            "date": self.date,
            "layers": [layer.to_json() for layer in self.layers],
            "input": self.input.to_json(),
            "output": self.output.to_json(),
            "argmax": self.argmax,
            "schedule": self.schedule.to_json(),
            "latency_cycles": self.latency_cycles,
            "initiation_interval": self.initiation_interval,
            "scores": [score.to_json() for score in self.scores],
            "checks": [dict(check) for check in self.checks],
            "resources": [estimate.to_json() for estimate in self.resources],
            "tools": dict(self.tools),
            "inputs": [own.to_json() for own in self.inputs],
            "outputs": [own.to_json() for own in self.outputs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Summary:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If it is not a summary, or one of a newer kanhw.
        """
        try:
            if data["format"] > SUMMARY_FORMAT:
                raise InputError(
                    f"This summary has format {data['format']}; this version of kanhw reads up to "
                    f"format {SUMMARY_FORMAT}: upgrade kanhw"
                )
            fields = {key: value for key, value in data.items() if key != "format"}
            fields["layers"] = tuple(LayerFacts.from_json(v) for v in data["layers"])
            for end in ("inputs", "outputs"):
                fields[end] = tuple(Quantity.from_json(v) for v in data.get(end, ()))
            fields["input"] = Port.from_json(data["input"])
            fields["output"] = Port.from_json(data["output"])
            fields["schedule"] = Schedule.from_json(data["schedule"])
            fields["scores"] = tuple(Score.from_json(v) for v in data["scores"])
            fields["checks"] = tuple(plain_check(v) for v in data["checks"])
            fields["resources"] = tuple(ResourceEstimate.from_json(v) for v in data["resources"])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"This is not a summary of this version ({error!r}): make it again with "
                "'kanhw report'"
            ) from error


def summarise(
    design: Design,
    *,
    model: KanModel | None = None,
    data: tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
    checks: Iterable[Any] = (),
    estimates: Iterable[ResourceEstimate] = (),
    hardware_outputs: npt.ArrayLike | None = None,
    title: str | None = None,
    date: str = "",
    tools: Mapping[str, str] | None = None,
) -> Summary:
    """Collect what is known of a design; whatever is missing stays missing.

    Parameters
    ----------
    design
        The generated design; its Program is read from its folder.
    model
        The float model, for its accuracy.
    data
        ``(x, labels)``: features ``[N, n_in]`` or images ``[N, C, H, W]`` (integer codes if the
        Program holds no input scale), and classes ``[N]`` or target values ``[N, n_out]``. Labels
        None compares with the model.
    checks
        Equivalence reports, or their JSON objects.
    estimates
        Resource estimates.
    hardware_outputs
        Integers ``[M, n_out]`` that the simulated Verilog gave for the first M samples.
    title
        Heading of the report; None takes the first part of the Program's source, or the name of the
        design's folder.
    date
        When, as text.
    tools
        Further tool versions; kanhw's own and those named by checks and estimates are added.

    Raises
    ------
    InputError
        If the data, the labels, the hardware's outputs or a check do not fit the design.
    """
    program = design.load_program()
    if data is None and hardware_outputs is not None:
        raise InputError("hardware_outputs can only be scored with the data that led to them")
    plain_checks = tuple(plain_check(check) for check in checks)
    resources = tuple(estimates)
    inputs, outputs = quantities_of(program)
    return Summary(
        title=title or program.source.partition(";")[0] or design.path.name,
        source=program.source,
        date=date,
        layers=program_facts(program),
        input=design.input,
        output=design.output,
        argmax=program.argmax,
        schedule=design.schedule,
        latency_cycles=design.latency_cycles,
        initiation_interval=design.initiation_interval,
        scores=() if data is None else measure(program, model, data, hardware_outputs),
        checks=plain_checks,
        resources=resources,
        tools=_tools(plain_checks, resources, tools or {}),
        inputs=inputs,
        outputs=outputs,
    )


# What a report reads of a check; whatever else is in it is carried along.
_NEEDED: dict[str, Reader] = {
    "engine": Entry.text,
    "vectors": Entry.integer,
    "mismatches": Entry.integer,
}
_CHECK: dict[str, Reader] = {
    **_NEEDED,
    "simulator": Entry.text,
    "simulator_version": Entry.text,
    "stalls": Entry.boolean,
    "seed": Entry.integer,
    "reset_midstream": Entry.boolean,
    "problems": Entry.texts,
    "expected_mismatches": Entry.integer,
    "latency_cycles": Entry.integer,
    "declared_latency": Entry.integer,
    "cycles_per_inference": Entry.number,
    "inferences_per_second": Entry.number,
    "accuracy": Entry.number,
    "max_error": Entry.number,
    "error_of_range": Entry.number,
    "netlist": Entry.text,
    "passed": Entry.boolean,
}


def plain_check(check: Any, place: str = "the check") -> dict[str, Any]:
    """A check as JSON would hand it back, so that it survives a round trip unchanged.

    Parameters
    ----------
    check
        An equivalence report, or its JSON object.
    place
        Where it is from, for messages.

    Raises
    ------
    InputError
        If a field that a report reads is missing or of another type; it names the place and field.
    """
    document = check.to_json() if hasattr(check, "to_json") else check
    if not isinstance(document, Mapping):
        raise TypeError(f"A check must be an equivalence report or its JSON object, not {check!r}")
    missing = [key for key in _NEEDED if document.get(key) is None]
    if missing:
        raise InputError(
            f"A check must name its {', '.join(missing)}, which {place} does not: pass what "
            "'kanhw simulate --out' wrote"
        )
    plain: dict[str, Any] = json.loads(json.dumps(dict(document), default=_plain_number))
    typed(Entry(plain, place), _CHECK)
    return plain


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be stored as JSON")


def _tools(
    checks: tuple[Mapping[str, Any], ...],
    resources: tuple[ResourceEstimate, ...],
    further: Mapping[str, str],
) -> dict[str, str]:
    from kanhw import __version__

    tools = {"kanhw": __version__, **further}
    for check in checks:
        if check.get("simulator_version"):
            tools[str(check.get("simulator"))] = str(check["simulator_version"])
    for estimate in resources:
        tools["synthesis"] = estimate.tool
    return tools
