"""The staged rollout of an app: a change reaches the regions in stages, each of which is checked before the next."""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypeAlias, TypedDict

import pulumi

from fleet_clusters import objects, rollouts
from fleet_clusters.errors import CheckFailedError

from .app_manifests import Manifest, ManifestsError
from .app_manifests.manifest import OVERRIDE, part, selecting
from .kubernetes_object import KubernetesObject, not_awaited
from .waiting import wait

if TYPE_CHECKING:
    from fleet_clusters.api_server import Answer, ClusterClient

_API_VERSION: Final = "placement.kubernetes-fleet.io/v1"
_MOST_SELECTORS: Final = 100  # Azure/fleet v0.18.12, apis/placement/v1/clusterresourceplacement_types.go
_SCHEDULED: Final = "ClusterResourcePlacementScheduled"
_LONGEST_PREFIX: Final = 48  # the run's name is a label's value, of 63 characters, and ends with a hash
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
    """The names of the members of each stage. Each member is in one stage. A stage begins when the app is
    available in the stage before it. A stage without members is left out."""
    wait_minutes: NotRequired[int]
    """Minutes between two stages; 0 by default. `pulumi up` waits for them."""
    until: NotRequired[int | None]
    """The number of the last stage that a change reaches, from 1; None for all of them. One of the stages up to it has
    members. The rollout then goes on with the next `pulumi up` that has a later stage here."""
    leaving: NotRequired[Sequence[str]]
    """The names of overrides that this `up` takes from the app. The engine deletes them at its end, so the run still
    applies them; a later `up` without them here begins another run."""
    hub_kubeconfig: pulumi.Input[str]
    """Log-in to the hub."""


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
        if each["kind"] != OVERRIDE:
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

    A hook first makes the placement of a running app wait for runs. Otherwise, a change of the app that comes with the
    first stages would reach the members without a check.

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
        done: the run, once the rollout has come as far as the settings say. Later resources depend on it.

    Args:
        name: the name of the resource and of its hook, and the prefix of the names of the strategy and the run.
        args: the stages.
        placement: the placement, with a manifest from `staged`.
        content: all that a version of the app is made of.
        kubeconfigs: log-ins to members, by their names, to check the stages and to say why pods do not start.
        probe: makes requests to an entry point; None if the program cannot reach the addresses.
        opts: options for objects on the hub.
    """

    done: pulumi.Output[pulumi.Resource]

    def __init__(  # noqa: PLR0913, PLR0917 - a rollout is made of these
        self,
        name: str,
        args: RolloutArgs,
        placement: KubernetesObject,
        content: Sequence[Manifest],
        kubeconfigs: Mapping[str, pulumi.Input[str]],
        probe: Probe | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        hub = pulumi.Output.from_input(args["hub_kubeconfig"])
        space = placement.metadata.apply(lambda known: known["name"])
        on_hub = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[placement]))
        leaving = args.get("leaving", ())
        for override in leaving:
            pulumi.log.warn(
                f"{name}: the override {override} is deleted after the rollout, which still applies it: run `pulumi "
                "up` again, so that another one takes it out of the regions"
            )
        plain = pulumi.Output.from_input([[*args["stages"]], *(_without_secrets(each) for each in content), *leaving])
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
                    # Marked as a secret: with the digest, others could guess the Secret's values.
                    replacement_trigger=pulumi.Output.secret(secrets.apply(_digest)),
                    hooks=pulumi.ResourceHookBinding(before_create=[scheduled]),
                ),
            ),
        )
        log_ins = pulumi.Output.from_input({**kubeconfigs})
        check = _Check(timedelta(minutes=args.get("wait_minutes", 0)), probe)
        hook = pulumi.ResourceHook(name, _walking(hub, log_ins, check))
        super().__init__(
            "fleet-l4-lb:index:StagedRollout",
            name,
            {
                "run": run.metadata.apply(lambda known: known["name"]),
                "uid": run.metadata.apply(lambda known: known.get("uid")),
                "namespace": space,
                "stage": sum(map(bool, args["stages"][: args.get("until")])),
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
    return {
        "name": f"stage{number}",  # letters and digits only
        "maxConcurrency": "100%",
        # A missing selector selects no member: all of the stage's regions are lost.
        **({"labelSelector": selecting(members)} if members else {}),
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
    """Return a hook that leaves the rollout of an existing placement to runs. Fleet cannot undo this."""

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
    """Return a wait until Fleet has chosen the members: Fleet fails a run that it reads earlier.

    Source: Azure/fleet v0.18.12, pkg/controllers/updaterun/initialization.go, determinePolicySnapshot.
    """

    async def wait(asked: pulumi.ResourceHookArgs) -> None:
        name = (asked.new_inputs or {})["spec"]["placementName"]
        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            hub = _client("hub", await kubeconfig.future() or "", folder)

            def look(_: _Walk) -> str:
                _leave_to_runs(hub, name)
                placement = hub.get(f"{rollouts.PLACEMENTS}/{name}").content or {}
                generation = objects.part(placement, "metadata").get("generation")
                done = any(
                    each["type"] == _SCHEDULED and each["status"] == "True" and each["observedGeneration"] == generation
                    for each in objects.parts(objects.part(placement, "status"), "conditions")
                )
                return "" if done else "Fleet has chosen the members for the app"

            await _Walk(asked.name).wait(look)

    return wait


class _Walk:
    """A wait with a time limit for each of its parts, by the hub's clock once the hub answers.

    A simulated hub has a clock of its own.

    Attributes:
        name: the rollout's, for messages.
        now: the hub's time; None before its first answer.
        broken: whether waiting longer does not help.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.now: datetime | None = None
        self.broken = False
        self._failure: CheckFailedError | None = None
        self._part: tuple[object, timedelta] = (None, _PATIENCE)
        self._begun = dict[object, timedelta]()  # parts
        self._troubles = dict[timedelta, timedelta]()  # since when, by the patience
        self._passed, self._read = timedelta(), time.monotonic()

    def read(self, answer: "Answer") -> "Answer":
        """Take the time of an answer."""
        self._passed = self._passed + (answer.now - self.now) if self.now else self._time()
        self.now, self._read = answer.now, time.monotonic()
        return answer

    def begin(self, part: object, patience: timedelta = _PATIENCE) -> None:
        """Wait for a part of the rollout from now on, unless it has begun before."""
        self._part = part, patience

    async def wait(self, look: Callable[["_Walk"], str]) -> None:
        """Wait until `look` names nothing more to wait for.

        Raises:
            RolloutError: it takes too long.
        """

        def looked() -> str:
            self.broken, self._failure = False, None
            try:
                return look(self)
            except CheckFailedError as failure:
                self._failure = failure
                return f"the rollout can go on; {failure.found}"

        await wait(self.name, looked, self._check)

    def _check(self, found: str) -> None:
        now, (part, patience) = self._time(), self._part
        troubles = {_PATIENCE_WITH_BROKEN_PODS: self.broken, _PATIENCE: self._failure}
        self._troubles = {each: self._troubles.get(each, now) for each, there in troubles.items() if there}
        for limit, since in ((patience, self._begun.setdefault(part, now)), *self._troubles.items()):
            if now - since > limit:
                remedy = self._failure.remedy if self._failure else _GOOD_ONE
                minutes = round(limit.total_seconds() / 60)
                raise RolloutError(f"gave up after {minutes} minutes of waiting until {found}; {remedy}")

    def _time(self) -> timedelta:
        """Return the time since the beginning."""
        return self._passed + timedelta(seconds=time.monotonic() - self._read)


@dataclass(frozen=True)
class _Check:
    """The check of a stage before the next one begins: it has run the version for some time, and the app answers.

    Attributes:
        pause: the time.
        probe: makes requests; None if the program cannot reach the addresses.
        begun: whether an earlier rollout is in the state.
    """

    pause: timedelta
    probe: Probe | None
    begun: bool = False


def _walking(
    hub_kubeconfig: pulumi.Output[str], kubeconfigs: pulumi.Output[Any], check: _Check
) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
    async def walk(asked: pulumi.ResourceHookArgs) -> None:
        new: Mapping[str, Any] = asked.new_inputs or {}
        if not new["stage"]:  # the regions of all stages are lost
            return
        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            hub = _client("hub", await hub_kubeconfig.future() or "", folder)
            log_ins: Mapping[str, str] = await kubeconfigs.future() or {}
            members = {name: _client(name, text, folder) for name, text in log_ins.items()}
            begun = replace(check, begun=bool(asked.old_inputs))
            await _Walk(asked.name).wait(partial(_look, hub, members, new, begun))

    return walk


def _look(
    hub: "ClusterClient", members: Mapping[str, "ClusterClient"], new: Mapping[str, Any], check: _Check, walk: _Walk
) -> str:
    """Take a rollout a step further; return what it waits for, "" at its end."""
    answer = walk.read(hub.get(f"{rollouts.RUNS}/{new['run']}"))
    if answer.content is None:
        raise RolloutError(f"the run {new['run']} is not on the hub any more: `pulumi up --refresh` begins another")
    if (found := rollouts.rollout(answer.content)) is None:
        return "Fleet starts the rollout"
    if found.failure:
        raise RolloutError(
            f"Fleet has stopped the rollout: {found.failure}; `kubectl delete clusterstagedupdaterun {new['run']}` on "
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


def _end_stage(  # noqa: PLR0913, PLR0917 - a stage and its check
    hub: "ClusterClient",
    members: Mapping[str, "ClusterClient"],
    new: Mapping[str, Any],
    found: rollouts.Rollout,
    check: _Check,
    walk: _Walk,
) -> str:
    """Check a stage whose members have the version available, and approve it."""
    # Fleet does not count what overrides change as another version.
    new_app = bool(found.later) and found.first and not _another_version(hub, members, new, found, check)
    more = bool(found.later) and not new_app
    goes_on = f"Fleet goes on after {found.stage}"
    if more and found.updated is None:
        return goes_on
    now = walk.now or datetime.now().astimezone()
    if more and found.updated and now < found.updated + check.pause:
        walk.begin((found.number, "pause"), check.pause + _PATIENCE)
        return f"{found.stage} has run the version for {round(check.pause.total_seconds() / 60)} minutes"
    walk.begin((found.number, "check"))
    if check.probe and not new_app:
        within = [members[member] for member in found.stages[found.number] if member in members]
        for entry, address in [each for member in within for each in _addresses(member, new["namespace"])]:
            if problem := check.probe(entry, address, _FOR_EACH_REGION * len(members)):
                walk.broken = True
                return f"{found.stage} answers every request: {problem}"
    if more and found.number + 1 >= int(new["stage"]):
        pulumi.log.info(
            f"{walk.name}: {found.stage} has passed its check; the next stage waits until `until` is raised or removed"
        )
        return ""
    request = hub.get(rollouts.request_path(found.request)).content if found.request else None
    if request and not objects.is_true(objects.part(request, "status"), "Approved"):
        pulumi.log.info(f"{walk.name}: {found.stage} has passed its check, the next stage begins")
        hub.merge(f"{rollouts.request_path(request['metadata']['name'])}/status", rollouts.approval(request, now))
    return goes_on


def _another_version(
    hub: "ClusterClient",
    members: Mapping[str, "ClusterClient"],
    new: Mapping[str, Any],
    found: rollouts.Rollout,
    check: _Check,
) -> bool:
    """Return whether later stages have the app, in another version than the run's.

    A new app may be there already, in the run's version: its placement begins with a rolling update (`staged`), and
    Fleet may have brought it to all members before a hook leaves it to runs. Later, members of all stages may have the
    run's version although the stage before them has another override.
    """
    there = [member for member in found.later if member in members and _has(members[member], new["namespace"])]
    if not there or check.begun:
        return bool(there)
    versions = rollouts.versions(hub.get(f"{rollouts.PLACEMENTS}/{new['namespace']}").content or {})
    return any(versions.get(member) != found.versions[member] for member in there)


def _addresses(member: "ClusterClient", namespace: str) -> list[tuple[str, str]]:
    """Return the entry Services on a member, with their addresses."""
    found = member.items(f"/apis/networking.fleet.azure.com/v1alpha1/namespaces/{namespace}/multiclusterservices")
    addresses = list[tuple[str, str]]()
    for each in found:
        balancer = objects.part(objects.part(each, "status"), "loadBalancer")
        addresses += [
            (each["metadata"]["name"], entry["ip"]) for entry in objects.parts(balancer, "ingress") if entry.get("ip")
        ]
    return addresses


def _has(member: "ClusterClient", namespace: str) -> bool:
    return member.get(f"/api/v1/namespaces/{namespace}").content is not None


def _reason(member: "ClusterClient", namespace: str) -> str:
    """Return why pods do not start; empty if they may start yet."""
    return rollouts.broken(member.items(f"/api/v1/namespaces/{namespace}/pods"))
