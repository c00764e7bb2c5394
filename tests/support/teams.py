"""Stacks of other programs beside a rehearsed stack, in the same cloud and with the same backend."""

import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from rehearsal.cluster.kinds import KINDS, split_api_version
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Operation
from rehearsal.engine.command import EngineCommand
from rehearsal.engine.handle import FolderWorkspace, Handle
from rehearsal.engine.program import Program
from rehearsal.interception import Interceptor
from rehearsal.stack import Rehearsal
from rehearsal.tests.objects import in_memory
from tests.support.program import ROOT
from tests.support.stack import Stack

EXAMPLE = ROOT / "examples" / "team-app"
_PATH: Final = re.compile(
    "kubernetes:/apis?/(?:(?P<group>[^/]+)/)?v[^/]+(?:/namespaces/(?P<space>[^/]+))?/(?P<plural>[^/]+)(?P<one>/.*)?"
)
_VERBS: Final = {"create": "create", "update": "patch", "read": "get", "delete": "delete"}


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


@contextmanager
def as_team(platform: Stack, principal: str) -> Generator[list[str]]:
    """Let clusters allow what Roles allow to a team, and nothing else; yield what they deny.

    A Role counts on all clusters: requests do not say which one they are for.
    """
    clusters, denied = in_memory(platform.cloud), list[str]()
    rules: dict[str, list[Mapping[str, Any]]] = {}
    for cluster in [*clusters.hubs(), *map(clusters.cluster, platform.outputs()["clusterIds"].value.values())]:
        for binding in cluster.objects("RoleBinding.rbac.authorization.k8s.io"):
            if any(each["name"] == principal for each in binding["subjects"]):
                space = binding["metadata"]["namespace"]
                role = cluster.get("rbac.authorization.k8s.io/v1", "Role", binding["roleRef"]["name"], space)
                rules.setdefault(space, []).extend(role["rules"])

    def denies(verb: str, space: str, group: str, plural: str) -> bool:
        if any(
            group in rule["apiGroups"] and plural in rule["resources"] and {verb, "*"} & {*rule["verbs"]}
            for rule in rules.get(space, ())
        ):
            return False
        denied.append(f"{verb} {plural} {space}".strip())
        return True

    def forbids(request: Operation) -> bool:
        found = _PATH.fullmatch(request.call.token)
        assert found, request.call.token
        verb = "get" if found["one"] else "list"
        return denies(verb, found["space"] or "", found["group"] or "", found["plural"])

    def before(operation: Operation) -> None:
        package, version, kind = operation.call.token.split(":")
        if package != "kubernetes" or operation.verb not in _VERBS:
            return
        group, _ = split_api_version(version.removeprefix("core/"))
        plural = next(each.plural for each in KINDS.values() if (each.group, each.name) == (group, kind))
        space = operation.inputs.get("metadata", {}).get("namespace") or operation.resource_id.rpartition("/")[0]
        if denies(_VERBS[operation.verb], space, group, plural):
            raise RefusedError(f"{plural} is forbidden: a team may not {operation.verb} it in {space}")

    with platform.cloud.intercepted(Interceptor(before=before, forbids=forbids)):
        yield denied
