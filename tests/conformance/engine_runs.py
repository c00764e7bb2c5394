"""What the real engine does with one of two Kubernetes providers, in a form in which both can be compared."""

import json
import re
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from pulumi import automation as auto

from rehearsal.command import EngineCommand
from rehearsal.engine import find_engine
from rehearsal.kubernetes.clusters import ApiServer
from rehearsal.kubernetes.diffing import prune
from rehearsal.kubernetes.login import SERVER_ID
from rehearsal.model import Properties
from rehearsal.real.provider import Provider
from rehearsal.real.world import World as RealWorld
from rehearsal.stack import rehearsing

CLUSTER: Final = "/managedClusters/held"
_SERVER: Final = "https://held"
_NOBODY: Final = "https://127.0.0.1:1"  # where nothing answers
_PARALLEL: Final = 32  # operations at once, so that waits are waited for side by side

# The last step of the engine's that a resource takes part in says all of these.
_STEP: Final = ("op", "keys", "diffs", "detailed_diff", "logical")
_STATE: Final = ("type", "id", "parent", "delete", "protect", "inputs", "outputs", "init_errors")
_RESOURCE: Final = (
    *("type", "id", "inputs", "outputs", "initErrors", "pendingReplacement", "delete", "external"),
    *("dependencies", "additionalSecretOutputs", "customTimeouts"),
)
# Written by the API server: when, in which order, and by whom.
_ARBITRARY: Final = frozenset(
    {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "lastTransitionTime", "lastUpdateTime"}
    | {"clusterIP", "clusterIPs", "__fieldManager"}
)
_TEXTS: Final = (
    (re.compile(r"\x1b\[[0-9;]*m|<\{%.*?%\}>"), ""),
    (re.compile(r"(urn:pulumi:)[^:]+"), r"\1stack"),
    (re.compile(r"pulumi-kubernetes-[0-9a-f]{8}"), "pulumi-kubernetes-*"),
    (re.compile(r"-[0-9a-f]{8}\b"), "-*"),  # an automatic name
    (re.compile(r"dial tcp.*"), "dial tcp"),  # and why nobody answers there
)


@dataclass
class Run:
    """What one operation of the engine's did.

    Attributes:
        succeeded: whether the engine ended well.
        events: what it said of each resource, by the resource's logical name, in order; of none: "".
        state: what it keeps of each resource afterwards; of one that is being replaced more than once.
    """

    succeeded: bool = True
    events: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    state: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def of(self, concerns: Callable[[str], bool]) -> "Run":
        """Return the part that concerns some of the resources."""
        kept = ({name: value for name, value in each.items() if concerns(name)} for each in (self.events, self.state))
        return Run(self.succeeded, *kept)


@dataclass(frozen=True)
class Bench:
    """One cluster, with an engine that has one of the two providers.

    Attributes:
        server: the cluster's API server.
        provider: the real provider; None for the played one.
        grant: says whether the deploying identity, whom `deployer` stands for, may use the cluster.
    """

    server: ApiServer
    provider: Provider | None
    grant: Callable[[bool], None]
    _cluster: Properties
    _token: str
    _folder: Path
    _environment: Mapping[str, str]

    def kubeconfig(self, who: str) -> str:
        """Return a kubeconfig: of the `administrator`, the `deployer`, or one that leads to `nobody`."""
        login = ["get-token", "--login", "azurecli", "--server-id", SERVER_ID]
        user: Properties = (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": login}}
            | {}
            if who == "deployer"
            else {"token": self._token}
        )
        if who == "deployer":
            user["exec"]["interactiveMode"] = "Never"
        cluster = {"server": _NOBODY} if who == "nobody" else self._cluster
        if who == "elsewhere":  # another entry for the same cluster
            cluster = {**cluster, "disable-compression": True}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "held", "cluster": cluster}],
                "contexts": [{"name": "held", "context": {"cluster": "held", "user": who}}],
                "current-context": "held",
                "users": [{"name": who, "user": user}],
            }
        )

    @contextmanager
    def stack(self, name: str, program: Callable[[], None]) -> Generator["Stack"]:
        """Have a stack of a program; several may be at work at once."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text("name: held\nruntime: python\n")
        (folder / f"Pulumi.{name}.yaml").write_text("config: {}\n")
        environment = {key: value for key, value in self._environment.items() if key != "PULUMI_OPTION_CONFIG_FILE"}
        with (folder / "lock").open("w") as lock:
            command = EngineCommand(
                find_engine(), environment | {"PULUMI_STACK": name}, lock.fileno(), folder / "updating"
            )
            workspace = auto.LocalWorkspace(
                work_dir=str(folder), secrets_provider="passphrase", program=program, pulumi_command=command
            )
            yield Stack(auto.Stack.create_or_select(name, workspace), self)

    def plain(self, value: Any) -> Any:  # noqa: ANN401 - JSON, and what the SDK makes of it
        """Return a value without what is another one in every run."""
        match value:
            case Enum():
                return value.value
            case dict():
                items = cast("Properties", value).items()
                return {
                    key: "*" if key in _ARBITRARY and each not in (None, "None") else self.plain(each)
                    for key, each in items
                    if key != "managedFields"
                }
            case list():
                return [self.plain(each) for each in cast("list[Any]", value)]
            case str():
                return self._text(value)
            case float() if value.is_integer():
                return int(value)
            case _:
                return self.plain(vars(value)) if hasattr(value, "__dict__") else value

    def _text(self, text: str) -> str:
        if text[:1] in ("{", "[") and (parsed := _json(text)) is not None:
            return json.dumps(self.plain(parsed), sort_keys=True)
        for part, name in (
            (self._cluster["server"], _SERVER),
            (self._cluster.get("certificate-authority-data", ""), ""),
            (self._token, "token"),
        ):
            text = text.replace(part, name) if part else text
        for pattern, instead in _TEXTS:
            text = pattern.sub(instead, text)
        return text.strip()


class Stack:
    """A stack with its engine."""

    def __init__(self, stack: auto.Stack, bench: Bench) -> None:
        self._stack = stack
        self._bench = bench

    def preview(self) -> Run:
        """Show what `up` would do."""
        return self._run(self._stack.preview)

    def up(self) -> Run:
        """Do what can be done."""
        return self._run(partial(self._stack.up, continue_on_error=True, parallel=_PARALLEL))

    def refresh(self) -> Run:
        """Read everything back."""
        return self._run(partial(self._stack.refresh, parallel=_PARALLEL))

    def destroy(self) -> Run:
        """Delete what can be deleted."""
        return self._run(partial(self._stack.destroy, continue_on_error=True, parallel=_PARALLEL))

    def _run(self, operation: Callable[..., object]) -> Run:
        run, lock = Run(), threading.Lock()

        def note(event: auto.EngineEvent) -> None:
            for urn, what in self._told(event):
                with lock:
                    run.events.setdefault(urn.rpartition("::")[2], []).append(what)

        try:
            operation(on_event=note)
        except auto.CommandError:
            run.succeeded = False
        deployment = dict(self._stack.export_stack().deployment or {})
        for resource in cast("list[Properties]", deployment.get("resources", [])):
            kept = self._own({key: self._bench.plain(resource.get(key)) for key in _RESOURCE})
            run.state.setdefault(resource["urn"].rpartition("::")[2], []).append(kept)
        return run

    @staticmethod
    def _own(state: Properties) -> Properties:
        """Leave out of an object what API servers add to it: that is compared elsewhere (`test_same_as_in_memory`)."""
        outputs: Properties = state["outputs"] or {}
        if "spec" in (inputs := outputs.get("__inputs") or {}):
            outputs["spec"] = prune(outputs["spec"], inputs["spec"])
        outputs.pop("status", None)
        return state

    def _told(self, event: auto.EngineEvent) -> Generator[tuple[str, Any]]:
        plain = self._bench.plain
        steps = {
            "before": event.resource_pre_event,
            "after": event.res_outputs_event,
            "failed": event.res_op_failed_event,
        }
        for when, step in steps.items():
            if step is not None:
                metadata = step.metadata
                told = {key: plain(getattr(metadata, key)) for key in _STEP}
                for side in ("old", "new"):
                    state = getattr(metadata, side)
                    told[side] = state and self._own({key: plain(getattr(state, key)) for key in _STATE})
                yield metadata.urn, {when: told}
        # Those for debugging come from the program's SDK; the others that pass are shown while something is waited for.
        if (said := event.diagnostic_event) and not said.ephemeral and said.severity != "debug":
            yield said.urn or "", {said.severity: plain(said.message)}


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        return None


@contextmanager
def bench(root: Path, *, real: bool) -> Generator[Bench]:
    """Start a cluster, and have an engine for it with the real provider, or with the played one."""
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: held\nruntime: python\n")
    (root / "Pulumi.dev.yaml").write_text("config: {}\n")
    with rehearsing("dev", root, real_fleet=real) as rehearsal:
        cloud, may_access = rehearsal.cloud, {CLUSTER: False}
        cloud.azure.may_access = may_access.__getitem__
        world = cloud.world
        world.add_network("/networks/held", ["10.1.0.0/16"])
        world.add_cluster(
            CLUSTER,
            _SERVER,
            location="eastus2",
            network="/networks/held",
            pods="10.1.0.0/24",
            flat=True,
            nodes=2,
            services="10.101.0.0/16",
        )
        server = world.get(CLUSTER)
        assert server
        cluster: Properties = {"server": _SERVER}
        token, provider = "token", None
        if isinstance(world, RealWorld):
            access = world.access(CLUSTER)
            cluster = {"server": access.server, "certificate-authority-data": access.certificate_authority}
            token, provider = access.token, world.provider
        yield Bench(
            server,
            provider,
            lambda granted: may_access.update({CLUSTER: granted}),
            cluster,
            token,
            root,
            rehearsal.environment,
        )
