"""The example with nothing public."""

from pathlib import Path
from typing import Any

import yaml

from tests.support.program import PROJECT, ROOT
from tests.support.stack import copy_program

EXAMPLE = ROOT / "examples" / "private"


def private_config() -> dict[str, Any]:
    """Return the configuration of the example's stack, its keys without the namespace."""
    content = yaml.safe_load((EXAMPLE / "Pulumi.private.yaml").read_text())
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content["config"].items()}


def copy_example(folder: Path) -> Path:
    """Put the program and the example into a folder; return the example's."""
    example = copy_program(folder) / "examples" / "private"
    example.mkdir(parents=True)
    for file in EXAMPLE.glob("*.yaml"):
        (example / file.name).write_text(file.read_text())
    return example
