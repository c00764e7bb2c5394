"""What the real engine does with one of two Kubernetes providers, in a form in which both can be compared."""

import json
import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi import automation as auto
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime.proto import events_pb2, events_pb2_grpc
from typing_extensions import override

from rehearsal.azure.login import SERVER_ID
from rehearsal.cluster.interface import ApiServer
from rehearsal.core.protocol import Properties
from rehearsal.engine.command import EngineCommand
from rehearsal.engine.install import find_engine
from rehearsal.engine.program import served
from rehearsal.providers.diffing import prune
from rehearsal.real.clusters import RealClusters
from rehearsal.real.provider import Provider
from rehearsal.stack import rehearsing

CLUSTER: Final = "/managedClusters/held"
_SERVER: Final = "https://held"
_NOBODY: Final = "https://127.0.0.1:1"  # where nothing answers
_PARALLEL: Final = 32  # operations at once, so that waits are waited for side by side

# The last step of the engine's that a resource takes part in says all of these.
_UNORDERED: Final = ("keys", "diffs")  # lists that come from maps of Go's
_STEP: Final = ("op", "keys", "diffs", "detailedDiff", "logical")
_STATE: Final = ("type", "id", "parent", "delete", "protect", "inputs", "outputs", "initErrors")
_RESOURCE: Final = (
    *("type", "id", "inputs", "outputs", "initErrors", "pendingReplacement", "delete", "external"),
    *("dependencies", "additionalSecretOutputs", "customTimeouts"),
)
# Written by the API server: when, in which order, and by whom.
_ARBITRARY: Final = frozenset(
    {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "lastTransitionTime", "lastUpdateTime"}
    | {"clusterIP", "clusterIPs", "__fieldManager"}
)
_CONFLICT: Final = r"server-side apply field conflict detected, see \1\2"
_TEXTS: Final = (
    (re.compile(r"\x1b\[[0-9;]*m|<\{%.*?%\}>"), ""),
    (re.compile(r"(urn:pulumi:)[^:]+"), r"\1stack"),
    (re.compile(r"pulumi-kubernetes-[0-9a-f]{8}"), "pulumi-kubernetes-*"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "*"),  # a provider's ID
    (re.compile(r"-[0-9a-f]{8}\b"), "-*"),  # an automatic name
    (re.compile(r"dial tcp.*"), "dial tcp"),  # and why nobody answers there
    # before 4.26 (pulumi-kubernetes pull request 4132)
    (re.compile(r"Server-Side Apply field conflict detected\. See (\S+)( for troubleshooting help)\."), _CONFLICT),
    (re.compile(r"(parsing \S+: ).*", re.DOTALL), r"\1*"),  # what two parsers of JSONPath say
    (re.compile(r"(, )?foregroundDeletion"), ""),  # a finalizer that the garbage collector removes when it gets to it
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
        provider: the real provider; None for the simulated one.
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
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": login}} | {}
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

    def stack(self, name: str, program: Callable[[], None]) -> "Stack":
        """Make a stack of a program; several may be at work at once."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text("name: held\nruntime: python\n")
        environment = {key: value for key, value in self._environment.items() if key != "PULUMI_OPTION_CONFIG_FILE"}
        lock = os.open(folder / "lock", os.O_CREAT)
        command = EngineCommand(find_engine(), environment | {"PULUMI_STACK": name}, lock, folder / "updating")
        command.run(["stack", "init", name, "--secrets-provider=passphrase"], str(folder), {})
        return Stack(command, folder, program, self)

    def plain(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a value without what is another one in every run."""
        match value:
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
                return value

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

    def __init__(self, command: EngineCommand, folder: Path, program: Callable[[], None], bench: Bench) -> None:
        self._command = command
        self._folder = folder
        self._program = program
        self._bench = bench

    def up(self) -> tuple[Run, Run]:
        """Show what would be done, then do what can be done."""
        # `preview` ends at the first resource that fails, and what it says of the others depends on chance; the preview
        # of `up` goes on after errors as `up` does. If it finds any, `up` ends with it.
        preview, *updates = self._run("up", "--yes", "--continue-on-error")
        (update,) = updates or self._run("up", "--yes", "--skip-preview", "--continue-on-error")
        return preview, update

    def refresh(self) -> Run:
        """Read everything back."""
        return self._run("refresh", "--yes", "--skip-preview")[0]

    def destroy(self) -> Run:
        """Delete what can be deleted."""
        return self._run("destroy", "--yes", "--skip-preview", "--continue-on-error")[0]

    def _run(self, *command: str) -> list[Run]:
        succeeded = True
        with served(self._program) as address, _received() as (log, operations):
            options = [f"--client={address}", f"--event-log={log}", f"--parallel={_PARALLEL}"]
            try:
                self._command.run([*command, *options], str(self._folder), {"PULUMI_DEBUG_COMMANDS": "true"})
            except auto.CommandError:
                succeeded = False
        runs: list[Run] = []
        for events in operations:
            run = Run(succeeded=succeeded or len(runs) + 1 < len(operations))
            for event in events:
                for urn, what in self._told(event):
                    run.events.setdefault(urn.rpartition("::")[2], []).append(what)
            runs.append(run)
        exported = self._command.run(["stack", "export", "--show-secrets"], str(self._folder), {}).stdout
        for resource in json.loads(exported)["deployment"].get("resources", []):
            kept = self._own({key: self._bench.plain(resource.get(key)) for key in _RESOURCE})
            runs[-1].state.setdefault(resource["urn"].rpartition("::")[2], []).append(kept)
        return runs

    @staticmethod
    def _own(state: Properties) -> Properties:
        """Leave out of an object what API servers add to it: that is compared elsewhere (`test_same_as_in_memory`)."""
        outputs: Properties = state["outputs"] or {}
        inputs: Properties = outputs.get("__inputs") or {}
        if "spec" in inputs:
            outputs["spec"] = prune(outputs["spec"], inputs["spec"])
        outputs.pop("status", None)
        return state

    def _told(self, event: Properties) -> Generator[tuple[str, Any]]:
        plain = self._bench.plain
        for when in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
            if when in event:
                metadata = event[when]["metadata"]
                told = {key: plain(metadata.get(key)) for key in _STEP}
                told |= {key: sorted(told[key] or ()) for key in _UNORDERED}
                for side in ("old", "new"):
                    state = metadata.get(side)
                    told[side] = state and self._own({key: plain(state.get(key)) for key in _STATE})
                yield metadata["urn"], {when: told}
        # Those for debugging come from the program's SDK; the others that pass are shown while something is waited for.
        said = event.get("diagnosticEvent")
        if said and not said.get("ephemeral") and said["severity"] != "debug":
            yield said.get("urn", ""), {said["severity"]: plain(said["message"])}


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        return None


class _Events(events_pb2_grpc.EventsServicer):
    def __init__(self) -> None:
        self.operations: list[list[Properties]] = []

    @override
    def StreamEvents(self, request_iterator: Iterable[events_pb2.EventRequest], context: Any) -> Empty:
        events: list[Properties] = []
        self.operations.append(events)
        events += (json.loads(request.event) for request in request_iterator)
        return Empty()


@contextmanager
def _received() -> Generator[tuple[str, list[list[Properties]]]]:
    """Receive an engine's events, whole and in order; yields the address for `--event-log`, and them by operation."""
    server, events = grpc.server(ThreadPoolExecutor(1), options=_GRPC_CHANNEL_OPTIONS), _Events()
    events_pb2_grpc.add_EventsServicer_to_server(events, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"tcp://127.0.0.1:{port}", events.operations
    finally:
        server.stop(grace=0).wait()


@contextmanager
def bench(root: Path, *, real: bool) -> Generator[Bench]:
    """Start a cluster, and have an engine for it with the real provider, or with the simulated one."""
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: held\nruntime: python\n")
    (root / "Pulumi.dev.yaml").write_text("config: {}\n")
    with rehearsing("dev", root, real_fleet=real) as rehearsal:
        cloud, may_access = rehearsal.cloud, {CLUSTER: False}
        cloud.azure.may_access = may_access.__getitem__  # pyright: ignore[reportAttributeAccessIssue] - in its place
        clusters = cloud.clusters
        clusters.add_network("/networks/held", ["10.1.0.0/16"])
        clusters.add_cluster(
            CLUSTER,
            _SERVER,
            location="eastus2",
            network="/networks/held",
            pods="10.1.0.0/24",
            flat=True,
            nodes=2,
            services="10.101.0.0/16",
        )
        server = clusters.get(CLUSTER)
        assert server
        cluster: Properties = {"server": _SERVER, "certificate-authority-data": ""}
        token, provider = "token", None
        if isinstance(clusters, RealClusters):
            access = clusters.access(CLUSTER)
            cluster = {"server": access.server, "certificate-authority-data": access.certificate_authority}
            token, provider = access.token, clusters.provider
        yield Bench(
            server,
            provider,
            lambda granted: may_access.update({CLUSTER: granted}),
            cluster,
            token,
            root,
            rehearsal.environment,
        )
