"""Draw docs/picture.svg from a folder that 'kanhw demo' made.

    kanhw demo --out demo
    python -m benchmarks.demo.picture demo docs/picture.svg

Every figure in it is read from the files of the demonstration.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import kanhw
from kanhw.estimation import ResourceEstimate
from kanhw.reports import network_curves, readme_picture, summarise

TARGETS = ("xcup", "ecp5", "ice40")


def main() -> None:
    """Read the demonstration's files and write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("demo", type=Path, help="the folder of 'kanhw demo'")
    parser.add_argument("out", type=Path, help="the SVG file to write")
    options = parser.parse_args()
    folder: Path = options.demo

    def document(name: str):
        return json.loads((folder / name).read_text(encoding="utf-8"))

    design = kanhw.load_design(folder / "design")
    model = kanhw.load(folder / "model.pt")
    with np.load(folder / "test.npz") as test, np.load(folder / "outputs.npz") as outputs:
        summary = summarise(
            design,
            model=model,
            data=(test["x"], test["labels"]),
            checks=[document("simulation-cocotb.json"), document("simulation-fast.json")],
            estimates=[
                ResourceEstimate.from_json(document(f"estimate-{target}.json"))
                for target in TARGETS
            ],
            hardware_outputs=outputs["y"],
            title=document("summary.json")["title"],
        )
    picture = readme_picture(summary, network_curves(design.load_program(), model))
    options.out.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
