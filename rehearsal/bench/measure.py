"""Measures the engine and the program: one command of the engine at zero latency, in its own process.

    python -m rehearsal.bench.measure FOLDER COMMAND

FOLDER is a folder from `prepare`. The figures are printed as JSON. The process runs both the program and the stand-in,
so its memory is an upper bound of the program's.
"""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor
from rehearsal.stack import ROOT, rehearsing

_PROGRAM: Final = (
    "Pulumi.yaml",
    "__main__.py",
    "apps.py",
    "regions.py",
    "changes",
    "settings",
    "components",
    "fleet_clusters",
    "manifests",
)
STACK: Final = "bench"
"""The name of the stack."""

LOCATIONS: Final = (
    *("eastus2", "westus2", "northeurope", "westeurope", "uksouth", "swedencentral", "francecentral", "italynorth"),
    *("norwayeast", "polandcentral", "switzerlandnorth", "canadacentral", "brazilsouth", "southafricanorth"),
    *("uaenorth", "centralindia", "southeastasia", "eastasia", "japaneast", "koreacentral", "australiaeast"),
)
"""Azure regions, in the order in which stacks use them (learn: reliability/regions-list)."""

SERVICES: Final = 5
"""The number of shared Services of each of several apps."""

_MANIFESTS: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: web, image: "registry.example.com/web:1", resources: {{requests: {{cpu: 10m}}}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: 80}}]
"""


@dataclass
class Cost:
    """The cost of one command of the engine.

    Attributes:
        seconds: the elapsed time.
        calls: the number of requests to the cloud.
        writes: the creations, updates and deletions: verb, type and logical name; one that is tried again counts once.
        program_mb: the peak memory of the program and the stand-in, in MB.
        engine_mb: the peak memory of the engine, in MB.
        state: the resources after the command.
    """

    seconds: float = 0.0
    calls: int = 0
    writes: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    program_mb: float = 0.0
    engine_mb: float = 0.0
    state: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def configuration(regions: int, nodes: int = 3, entries: int = 0, apps: int = 0) -> str:
    """Return a stack's file.

    Args:
        regions: the number of regions.
        nodes: the number of the last region's nodes.
        entries: the number of entry points behind a global address; 0 for one entry point without.
        apps: the number of apps, each with its entry points in one region; 0 for the program's own app.
    """
    each = [
        {
            "name": location,
            "location": location,
            "addressSpace": f"10.{number}.0.0/16",
            "nodeSubnet": f"10.{number}.0.0/22",
            "nodePool": {"vmSize": "Standard_D4ds_v5", "count": nodes if number == regions else 3},
        }
        for number, location in enumerate(LOCATIONS[:regions], 1)
    ]
    app = {"entryRegions": [*LOCATIONS[:entries]], "globalAddress": {"homeRegion": LOCATIONS[0]}} if entries else {}
    several = {
        f"app{number}": {
            "services": [f"web{number}-{service}" for service in range(SERVICES)],
            "entryRegions": [LOCATIONS[number % regions]],
        }
        for number in range(apps)
    }
    section = {"fleet-l4-lb:apps": several} if several else {"fleet-l4-lb:app": app}
    return yaml.safe_dump({"config": {"fleet-l4-lb:regions": each, **section}})


def prepare(root: Path) -> None:
    """Copy the program into a new folder."""
    root.mkdir()
    for name in _PROGRAM:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)


def configure(root: Path, regions: int, nodes: int = 3, entries: int = 0, apps: int = 0) -> None:
    """Write the stack's file, as `configuration` returns it, and the apps' manifests, in a folder from `prepare`."""
    (root / f"Pulumi.{STACK}.yaml").write_text(configuration(regions, nodes, entries, apps), encoding="utf-8")
    for number in range(apps):
        folder = root / "manifests" / f"app{number}"
        folder.mkdir(exist_ok=True)
        for service in range(SERVICES):
            name = f"web{number}-{service}"
            (folder / f"{name}.yaml").write_text(_MANIFESTS.format(name=name), encoding="utf-8")


def _measure(root: Path, command: str) -> Cost:
    cost = Cost()

    def note(operation: Operation) -> None:
        cost.calls += 1
        write = (operation.verb, operation.call.token, operation.call.name)
        if operation.verb in {"create", "update", "delete"} and write not in cost.writes:
            cost.writes.append(write)

    with rehearsing(STACK, root) as rehearsal:
        rehearsal.cloud.interceptors.append(Interceptor(before=note))
        with _watching_engine() as engine:
            start = time.perf_counter()
            getattr(rehearsal.stack, command)()
            cost.seconds = time.perf_counter() - start
        cost.program_mb, cost.engine_mb = _peak("self"), engine[0]
        cost.state = list(dict(rehearsal.stack.export_stack().deployment or {}).get("resources") or [])
    return cost


def _peak(process: str) -> float:
    """Return the peak memory of a process, in MB."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0  # it has ended and is about to be waited for


@contextmanager
def _watching_engine() -> Generator[list[float]]:
    """Yield the engine's peak memory, in MB, sampled ten times a second."""
    # The kernel's own figure for children includes our memory, which a child shares until its `exec`.
    most, over, here = [0.0], threading.Event(), str(os.getpid())

    def look() -> None:
        while not over.wait(0.1):
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError):
                    command, _, rest = stat.read_text(encoding="utf-8").rpartition(")")
                    if rest.split()[1] == here and command.endswith("(pulumi"):
                        most[0] = max(most[0], _peak(stat.parent.name))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure(Path(sys.argv[1]), sys.argv[2]))))
