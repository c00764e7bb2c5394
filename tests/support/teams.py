"""Stacks of other programs beside a rehearsed stack, in the same cloud and with the same backend."""

import shutil
from pathlib import Path

import yaml

from rehearsal.engine.command import EngineCommand
from rehearsal.engine.handle import FolderWorkspace, Handle
from rehearsal.engine.program import Program
from rehearsal.stack import Rehearsal
from tests.support.program import ROOT
from tests.support.stack import Stack

EXAMPLE = ROOT / "examples" / "team-app"


def team_stack(platform: Stack, name: str, entry_region: str) -> Stack:
    """Return the stack of a team, a copy of the example, beside the platform's."""
    root = platform.root.parent / name
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    config = {"platform": "organization/fleet-l4-lb/dev", "name": name, "entryRegion": entry_region}
    file = root / f"Pulumi.{name}.yaml"
    file.write_text(yaml.safe_dump({"config": {f"team-app:{key}": value for key, value in config.items()}}))
    engine_before = platform.rehearsal._engine  # pyright: ignore[reportPrivateUsage] - one engine for both stacks
    before, folder = platform.rehearsal, platform.root / ".rehearsal" / "dev"
    engine = EngineCommand(
        Path(engine_before.command),
        before.environment | {"PULUMI_OPTION_CONFIG_FILE": str(file), "PULUMI_STACK": name},
        engine_before._lock,  # pyright: ignore[reportPrivateUsage]
        folder / f"updating-{name}",
    )
    workspace = FolderWorkspace(
        folder / "backend",
        work_dir=str(root),
        secrets_provider="passphrase",
        program=Program(root, before.cluster_environment),
        pulumi_command=engine,
    )
    handle = Handle(name, workspace)
    return Stack(
        root,
        Rehearsal(
            handle, before.cloud, engine, root, cluster_environment=before.cluster_environment, gateway=before.gateway
        ),
    )
