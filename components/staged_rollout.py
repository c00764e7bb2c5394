"""The staged rollout of an app: a change reaches the regions in stages, each of which is checked before the next."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypeAlias, TypedDict

import pulumi

from fleet_clusters import rollouts

from .app_manifests import Manifest, ManifestsError
from .app_manifests.manifest import part
from .kubernetes_object import KubernetesObject, not_awaited
from .sdk import in_thread

if TYPE_CHECKING:
    from fleet_clusters.api_server import Answer, ClusterClient

_API_VERSION: Final = "placement.kubernetes-fleet.io/v1"
_KEPT_ON_HUB: Final = "ResourceOverride"
_MOST_SELECTORS: Final = 100  # Azure/fleet v0.18.12, apis/placement/v1/clusterresourceplacement_types.go
_MEMBER_NAME: Final = "fleet.azure.com/member-name"
_SCHEDULED: Final = "ClusterResourcePlacementScheduled"
_LONGEST_PREFIX: Final = 48  # the run's name is a label's value, of 63 characters, and ends with a hash
_PAUSE: Final = 2  # seconds between two requests
_REPEAT: Final = 60  # seconds after which the same message is logged again
# As long as Kubernetes waits for the progress of a Deployment (progressDeadlineSeconds).
_PATIENCE: Final = timedelta(minutes=10)
_PATIENCE_WITH_BROKEN_PODS: Final = timedelta(minutes=2)
_FOR_EACH_REGION: Final = 10  # requests; of n regions, one is missed by all with a probability of e^-10
_GOOD_ONE: Final = "fix the app, or put its last good version back, and `pulumi up`"


Probe: TypeAlias = Callable[[str, str, int], str]
"""Makes a number of requests to the address of an entry Service, and returns how one has failed, "" if none has."""


class RolloutError(Exception):
    """A rollout has stopped; the message has the stage, the cause and the remedy."""


class RolloutArgs(TypedDict):
    """How a change of the app reaches the members."""

    stages: Sequence[Sequence[pulumi.Input[str]]]
    """The names of the members of each stage. Each member is in one. A stage begins when the one before is well."""
    wait_minutes: NotRequired[int]
    """Minutes between two stages; 0 by default."""
    until: NotRequired[int | None]
    """The number of the last stage that a change reaches, from 1; None for all of them. The rollout then goes on with
    the next `pulumi up` that has a later stage here."""
    hub_kubeconfig: pulumi.Input[str]
    """Log-in to the hub."""
    kubeconfigs: Mapping[str, pulumi.Input[str]]
    """Log-ins to the members by their names, to say why pods do not start; none says less."""


def staged(placement: Manifest, placed: Sequence[Manifest], namespace: object) -> Manifest:
    """Return a placement whose versions reach the members in stages.

    It names each object. An object that the program no longer has leaves the members with the next run, although the
    engine deletes it from the hub only after that.

    It does not name the strategy, `External`. The hub adds settings of a rolling update to a placement, and Fleet
    refuses the other strategy together with them (Azure/fleet v0.18.12, pkg/utils/defaulter, pkg/utils/validator). The
    provider cannot remove what it has not written, so hooks change the strategy.

    Raises:
        ManifestsError: the app has more objects than a placement can name.
    """
    selectors: list[Manifest] = []
    for selector in placement["spec"]["resourceSelectors"]:
        whole = selector["kind"] == "Namespace" and selector.get("name") == namespace
        selectors.append({**selector, "selectionScope": "NamespaceWithResourceSelectors"} if whole else selector)
    for each in placed:
        group, _, version = str(each["apiVersion"]).rpartition("/")
        if each["kind"] != _KEPT_ON_HUB:
            name = each["metadata"]["name"]
            selectors.append({"group": group, "version": version, "kind": each["kind"], "name": name})
    if len(selectors) > _MOST_SELECTORS:
        raise ManifestsError(
            f"The app has {len(placed)} objects, and a placement with stages names at most {_MOST_SELECTORS}: put some "
            "into one, such as ConfigMaps, or remove the rollout; nothing was deployed."
        )
    strategy = part(placement["spec"], "strategy")
    left = {key: value for key, value in strategy.items() if key not in ("type", "rollingUpdate")}
    spec = {key: value for key, value in placement["spec"].items() if key != "strategy"}
    return placement | {"spec": spec | {"resourceSelectors": selectors} | ({"strategy": left} if left else {})}


def stages(name: str, args: RolloutArgs, space: pulumi.Input[str], opts: pulumi.ResourceOptions) -> KubernetesObject:
    """Return the stages, as an object on the hub that exists before the app is changed.

    A hook makes a running app wait for its runs. Otherwise, the change that comes with the stages would not.

    Args:
        name: the prefix of the resource's name.
        args: the stages.
        space: the name of the placement, and of its stages.
        opts: options for objects on the hub.
    """
    hook = pulumi.ResourceHook(f"{name}-external", _external(pulumi.Output.from_input(args["hub_kubeconfig"])))
    last = len(args["stages"])
    found = [_stage(number, members, last=number == last) for number, members in enumerate(args["stages"], 1)]
    manifest = {
        "apiVersion": _API_VERSION,
        "kind": "ClusterStagedUpdateStrategy",
        "metadata": {"name": space},
        "spec": {"stages": found},
    }
    hooks = pulumi.ResourceHookBinding(before_create=[hook])
    return KubernetesObject(
        f"{name}-stages",
        not_awaited(manifest),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
    )


class StagedRollout(pulumi.ComponentResource):
    """Records in the state how far a version of the app has been rolled out.

    Fleet rolls out: a ClusterStagedUpdateRun brings one version to one stage of members after another, and each stage
    but the last needs an approval. A hook gives it, before the engine creates or updates this resource, once the app is
    available in the stage. If it does not become available, `up` fails, the later stages keep the version that they
    have, and the next `up` looks again or, if the app has changed, begins another run.

    Attributes:
        done: to depend on: the run, once the rollout has come as far as the settings say.

    Args:
        name: the resource's name, the hook's, and the prefix of those of the strategy and the run.
        args: the stages.
        placement: the placement, with a manifest from `staged`.
        content: all that a version of the app is made of.
        probe: makes requests to an entry point; None if the addresses are not reached from here.
        opts: options for objects on the hub.
    """

    done: pulumi.Output[pulumi.Resource]

    def __init__(  # noqa: PLR0913, PLR0917 - a rollout is made of these
        self,
        name: str,
        args: RolloutArgs,
        placement: KubernetesObject,
        content: Sequence[Manifest],
        probe: Probe | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        hub = pulumi.Output.from_input(args["hub_kubeconfig"])
        space = placement.metadata.apply(lambda known: known["name"])
        on_hub = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[placement]))
        plain = pulumi.Output.from_input([[*args["stages"]], *(_without_secrets(each) for each in content)])
        secrets = pulumi.Output.from_input([each for each in content if each["kind"] == "Secret"])
        scheduled = pulumi.ResourceHook(f"{name}-scheduled", _scheduled(hub))
        run = KubernetesObject(
            f"{name}-run",
            not_awaited(
                {
                    "apiVersion": _API_VERSION,
                    "kind": "ClusterStagedUpdateRun",
                    "metadata": {
                        "name": pulumi.Output.all(space, plain).apply(
                            lambda known: f"{known[0][:_LONGEST_PREFIX]}-{_digest(known[1])}"
                        )
                    },
                    # Without the index of a snapshot, the run takes one of what the hub has now (updaterun,
                    # initialization.go, getResourceSnapshotObjs).
                    "spec": {"placementName": space, "stagedRolloutStrategyName": space, "state": "Run"},
                }
            ),
            pulumi.ResourceOptions.merge(
                on_hub,
                pulumi.ResourceOptions(
                    # A run is for one version, and two runs of a placement would get in each other's way.
                    delete_before_replace=True,
                    replace_on_changes=["spec"],
                    # A digest would let others try out what a Secret has.
                    replacement_trigger=pulumi.Output.secret(secrets.apply(_digest)),
                    hooks=pulumi.ResourceHookBinding(before_create=[scheduled]),
                ),
            ),
        )
        log_ins = pulumi.Output.from_input({**args["kubeconfigs"]})
        check = _Check(timedelta(minutes=args.get("wait_minutes", 0)), probe)
        hook = pulumi.ResourceHook(name, _walking(hub, log_ins, check))
        super().__init__(
            "fleet-l4-lb:index:StagedRollout",
            name,
            {
                "run": run.metadata.apply(lambda known: known["name"]),
                "uid": run.metadata.apply(lambda known: known.get("uid")),
                "namespace": space,
                "stage": args.get("until") or len(args["stages"]),
            },
            pulumi.ResourceOptions(
                parent=opts.parent,
                depends_on=[run],
                hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]),
            ),
        )
        # The SDK would not wait for a component without children.
        self.done = self.urn.apply(lambda _: run)
        self.register_outputs({})


def _stage(number: int, members: Sequence[pulumi.Input[str]], *, last: bool) -> Manifest:
    selector = {"matchExpressions": [{"key": _MEMBER_NAME, "operator": "In", "values": [*members]}]}
    return {
        "name": f"stage{number}",  # letters and digits only
        "maxConcurrency": "100%",
        # A missing selector selects no member: all of the stage's regions are lost.
        **({"labelSelector": selector} if members else {}),
        **({} if last else {"afterStageTasks": [{"type": "Approval"}]}),
    }


def _without_secrets(manifest: Manifest) -> Manifest:
    if manifest["kind"] != "Secret":
        return manifest
    return {key: value for key, value in manifest.items() if key not in ("data", "stringData")}


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def _client(name: str, kubeconfig: str, folder: str) -> "ClusterClient":
    # This import takes a second, so only runs that roll out do it.
    from fleet_clusters.api_server import ClusterClient  # noqa: PLC0415

    return ClusterClient(name, kubeconfig, folder=folder, silent="see that it runs, then `pulumi up`")


def _external(kubeconfig: pulumi.Output[str]) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
    """Return a hook that leaves the rollout of an existing placement to runs. Fleet has no way back."""

    async def change(asked: pulumi.ResourceHookArgs) -> None:
        name = (asked.new_inputs or {})["metadata"]["name"]
        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            hub = _client("hub", await kubeconfig.future() or "", folder)
            await _Walk(asked.name).wait(lambda _: _leave_to_runs(hub, name))

    return change


def _leave_to_runs(hub: "ClusterClient", placement: str) -> str:
    path = f"{rollouts.PLACEMENTS}/{placement}"
    found = hub.get(path).content
    if found and found["spec"]["strategy"]["type"] != "External":
        hub.merge(path, {"spec": {"strategy": {"type": "External", "rollingUpdate": None}}})
    return ""


def _scheduled(kubeconfig: pulumi.Output[str]) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
    """Return a wait until Fleet has chosen the members: it gives up a run that it reads before.

    Source: Azure/fleet v0.18.12, pkg/controllers/updaterun/initialization.go, determinePolicySnapshot.
    """

    async def wait(asked: pulumi.ResourceHookArgs) -> None:
        name = (asked.new_inputs or {})["spec"]["placementName"]
        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            hub = _client("hub", await kubeconfig.future() or "", folder)

            def look(_: _Walk) -> str:
                _leave_to_runs(hub, name)
                placement = hub.get(f"{rollouts.PLACEMENTS}/{name}").content or {}
                generation = rollouts.part(placement, "metadata").get("generation")
                done = any(
                    each["type"] == _SCHEDULED and each["status"] == "True" and each["observedGeneration"] == generation
                    for each in rollouts.parts(rollouts.part(placement, "status"), "conditions")
                )
                return "" if done else "Fleet has chosen the members for the app"

            await _Walk(asked.name).wait(look)

    return wait


@dataclass
class _Walk:
    """A wait, with the hub's time: a simulated hub has its own."""

    name: str
    now: datetime | None = None
    stage: object = None
    since: datetime | None = None
    broken_since: datetime | None = None
    broken: bool = False
    endless: bool = False
    said: str = ""
    _read: float = field(default_factory=time.monotonic)
    _again: float = 0.0

    def read(self, answer: "Answer") -> "Answer":
        """Take the time of an answer."""
        self.now, self._read = answer.now, time.monotonic()
        return answer

    async def wait(self, look: Callable[["_Walk"], str]) -> None:
        """Wait until there is nothing that is waited for.

        Raises:
            RolloutError: it takes too long.
        """
        from fleet_clusters.api_server import CheckFailedError  # noqa: PLC0415

        while True:
            try:
                self.broken, self.endless = False, False
                found = await in_thread(look, self)
            except CheckFailedError as problem:
                found = f"{problem.found} ({problem.remedy})"
            if not found:
                return
            self._check(found)
            if found != self.said or time.monotonic() > self._again:
                pulumi.log.info(f"{self.name}: waiting until {found}")
                self.said, self._again = found, time.monotonic() + _REPEAT
            await asyncio.sleep(_PAUSE)

    def begin(self, stage: object) -> None:
        """Begin to wait for another stage."""
        if stage != self.stage:
            self.stage, self.since, self.broken_since = stage, None, None

    def _check(self, found: str) -> None:
        known = self.now or datetime.fromtimestamp(0).astimezone()
        now = known + timedelta(seconds=time.monotonic() - self._read)
        self.since = now if self.endless else self.since or now
        self.broken_since = (self.broken_since or now) if self.broken else None
        for since, patience in ((self.since, _PATIENCE), (self.broken_since, _PATIENCE_WITH_BROKEN_PODS)):
            if since and now - since > patience:
                minutes = round(patience.total_seconds() / 60)
                raise RolloutError(f"gave up after {minutes} minutes of waiting until {found}; {_GOOD_ONE}")


@dataclass(frozen=True)
class _Check:
    """What is asked of a stage before the next one begins: for how long it runs, and that the app answers there."""

    pause: timedelta
    probe: Probe | None


def _walking(
    hub_kubeconfig: pulumi.Output[str], kubeconfigs: pulumi.Output[Any], check: _Check
) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
    async def walk(asked: pulumi.ResourceHookArgs) -> None:
        new: Mapping[str, Any] = asked.new_inputs or {}
        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            hub = _client("hub", await hub_kubeconfig.future() or "", folder)
            log_ins: Mapping[str, str] = await kubeconfigs.future() or {}
            members = {name: _client(name, text, folder) for name, text in log_ins.items()}
            await _Walk(asked.name).wait(partial(_look, hub, members, new, check))

    return walk


def _look(
    hub: "ClusterClient", members: Mapping[str, "ClusterClient"], new: Mapping[str, Any], check: _Check, walk: _Walk
) -> str:
    """Take a rollout a step further; return what it waits for, "" at its end."""
    answer = walk.read(hub.get(f"{rollouts.RUNS}/{new['run']}"))
    if answer.content is None:
        raise RolloutError(f"the run {new['run']} is not on the hub any more: `pulumi up --refresh` begins another")
    if (found := rollouts.rollout(answer.content)) is None:
        return "Fleet begins with the rollout"
    if found.failure:
        raise RolloutError(
            f"Fleet has given the rollout up: {found.failure}; `kubectl delete clusterstagedupdaterun {new['run']}` on "
            "the hub, then `pulumi up --refresh` begins another"
        )
    walk.begin(found.number)
    if found.number == len(found.stages):
        # A lost member removes the app when it is back.
        removing = [member for member in found.removing if member in members]
        return f"the app is removed from {', '.join(removing)}" if removing else ""
    if found.updating:
        reasons = [_reason(members[member], new["namespace"]) for member in found.updating if member in members]
        walk.broken = any(reasons)
        because = f" ({'; '.join(filter(None, reasons))})" if walk.broken else ""
        return f"{found.stage} has the app available: {', '.join(found.updating)}{because}"
    return _end_stage(hub, members, new, found, check, walk)


def _end_stage(  # noqa: PLR0913, PLR0917 - a stage and what is asked of it
    hub: "ClusterClient",
    members: Mapping[str, "ClusterClient"],
    new: Mapping[str, Any],
    found: rollouts.Rollout,
    check: _Check,
    walk: _Walk,
) -> str:
    """Check a stage whose members have the version available, and approve it."""
    now = walk.now or datetime.now().astimezone()
    more = found.number + 1 < len(found.stages)
    if not found.first and more and now < (found.updated or now) + check.pause:
        walk.endless = True
        return f"{found.stage} has run the version for {round(check.pause.total_seconds() / 60)} minutes"
    if check.probe and not found.first:
        within = [members[member] for member in found.stages[found.number] if member in members]
        for entry, address in [each for member in within for each in _addresses(member, new["namespace"])]:
            if problem := check.probe(entry, address, _FOR_EACH_REGION * len(members)):
                walk.broken = True
                return f"{found.stage} answers every request: {problem}"
    if not found.first and more and found.number + 1 >= int(new["stage"]):
        pulumi.log.info(f"{walk.name}: {found.stage} is well; the next one waits for a later `until`, or none")
        return ""
    request = hub.get(rollouts.request_path(found.request)).content if found.request else None
    if request and not rollouts.is_true(rollouts.part(request, "status"), "Approved"):
        pulumi.log.info(f"{walk.name}: {found.stage} is well, the next one begins")
        hub.merge(f"{rollouts.request_path(request['metadata']['name'])}/status", rollouts.approval(request, now))
    return f"Fleet goes on after {found.stage}"


def _addresses(member: "ClusterClient", namespace: str) -> list[tuple[str, str]]:
    """Return the entry Services on a member, with their addresses."""
    found = member.items(f"/apis/networking.fleet.azure.com/v1alpha1/namespaces/{namespace}/multiclusterservices")
    addresses = list[tuple[str, str]]()
    for each in found:
        balancer = rollouts.part(rollouts.part(each, "status"), "loadBalancer")
        addresses += [
            (each["metadata"]["name"], entry["ip"]) for entry in rollouts.parts(balancer, "ingress") if entry.get("ip")
        ]
    return addresses


def _reason(member: "ClusterClient", namespace: str) -> str:
    """Return why pods do not start; empty if they may start yet."""
    return rollouts.broken(member.items(f"/api/v1/namespaces/{namespace}/pods"))
