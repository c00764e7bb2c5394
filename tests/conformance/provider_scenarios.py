"""What is told to both Kubernetes providers: programs, and what others do to their objects meanwhile.

Every scenario has resources whose logical names begin with its own, in a namespace of that name. All take part in the
same rounds of one stack, because an engine with its providers takes seconds to start.
"""

import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pulumi
import pulumi_kubernetes as k8s

from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError
from rehearsal.real.apiserver import MANAGER
from rehearsal.tests.objects import new_object
from tests.conformance.engine_runs import Bench

_OTHER: Final = MANAGER  # whoever asks real API servers here is known by this name
CREATED, CHANGED, REFRESHED, REPAIRED, DESTROYED = range(5)
# The stacks: of most scenarios; of those that take a minute, since the provider tries again that long; of one that may
# end the program, and with it what is going on besides.
ROUNDS, LATE, MISTYPED = "rounds", "late", "mistyped"


class Scene:
    """One scenario's part of the program in one round."""

    def __init__(self, name: str, round_: int, bench: Bench, providers: dict[str, k8s.Provider]) -> None:
        self.name = name
        self.round = round_
        self.bench = bench
        self._providers = providers

    def since(self, round_: int, after: Any, before: Any) -> Any:  # noqa: ANN401 - any value
        """Return the one value from a round on, and the other before."""
        return after if self.round >= round_ else before

    def options(self, provider: str = "administrator", **seconds: int) -> pulumi.ResourceOptions:
        """Return a resource's options: its provider, and how many seconds each operation may take."""
        limits = {operation: f"{limit}s" for operation, limit in seconds.items()}
        return pulumi.ResourceOptions(
            provider=self._providers[provider], custom_timeouts=pulumi.CustomTimeouts(**limits) if limits else None
        )

    def provider(self, name: str, who: str, **options: Any) -> None:  # noqa: ANN401 - its own
        """Declare a provider of the scenario's own."""
        self._providers[name] = declare_provider(f"{self.name}-{name}", self.bench, who, **options)

    def metadata(self, name: str = "", **more: Any) -> Any:  # noqa: ANN401 - its own
        """Return metadata in the scenario's namespace; without a name, the provider chooses one."""
        return {"namespace": self.name, **({"name": name} if name else {}), **more}

    def config_map(
        self,
        name: str,
        data: Any = None,  # noqa: ANN401 - its own
        *,
        named: bool = True,
        annotations: dict[str, str] | None = None,
        metadata: Any = None,  # noqa: ANN401 - its own
        **options: Any,  # noqa: ANN401 - its own
    ) -> k8s.core.v1.ConfigMap:
        """Declare a ConfigMap."""
        more = {**({"annotations": annotations} if annotations else {}), **(metadata or {})}  # pyright: ignore[reportUnknownVariableType] - its own
        return k8s.core.v1.ConfigMap(
            f"{self.name}-{name}",
            metadata=self.metadata(name if named else "", **more),
            data=data or {"key": "value"},
            opts=self.options(**options),
        )

    def deployment(self, name: str, replicas: int = 1, annotations: Any = None, cpu: str = "", **options: Any) -> None:  # noqa: ANN401 - its own
        """Declare a Deployment."""
        labels = {"app": name}
        container: Any = {"name": "web", "image": "shop:1", "ports": [{"container_port": 8080}]}
        if cpu:
            container["resources"] = {"requests": {"cpu": cpu}}
        k8s.apps.v1.Deployment(
            f"{self.name}-{name}",
            metadata=self.metadata(name, **({"annotations": annotations} if annotations else {})),
            spec={
                "replicas": replicas,
                "selector": {"match_labels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
            opts=self.options(**options),
        )


def declare_provider(name: str, bench: Bench, who: str, **options: Any) -> k8s.Provider:  # noqa: ANN401 - its own
    """Declare a provider. An older one than the SDK's creates as later ones do where they are told to."""
    older = bench.provider is None or not bench.provider.is_of_sdk
    return k8s.Provider(name, kubeconfig=bench.kubeconfig(who), upsert_existing_objects=older or None, **options)


Declare: TypeAlias = Callable[[Scene], None]
Act: TypeAlias = Callable[[Bench, str], None]


@dataclass(frozen=True)
class Scenario:
    """A part of the program, and what others do before a round.

    Attributes:
        declare: the part of the program.
        acts: what others do, by the round before which they do it.
        stack: the stack that it is part of.
    """

    declare: Declare
    acts: dict[int, Act] = field(default_factory=dict[int, Act])
    stack: str = ROUNDS

    @property
    def name(self) -> str:
        """The name of the scenario and of its namespace."""
        return self.declare.__name__.replace("_", "-")


def _config_map(space: str, name: str, data: dict[str, str], **metadata: Any) -> Object:  # noqa: ANN401 - JSON
    item = new_object("v1", "ConfigMap", name, space, data=data)
    item["metadata"] |= metadata
    return item


def _put(name: str, data: dict[str, str], **metadata: Any) -> Act:  # noqa: ANN401 - JSON
    return lambda bench, space: (bench.server.apply(_config_map(space, name, data, **metadata), user=_OTHER), None)[1]


def _remove(*names: str) -> Act:
    def act(bench: Bench, space: str) -> None:
        for name in names:
            bench.server.delete("v1", "ConfigMap", name, space, user=_OTHER)

    return act


def _in_order(*acts: Act) -> Act:
    def act(bench: Bench, space: str) -> None:
        for each in acts:
            each(bench, space)

    return act


def updated(scene: Scene) -> None:
    """An object is changed in place, one is not changed."""
    labels = {"labels": scene.since(CHANGED, {"app": "two", "new": "x"}, {"app": "one", "old": "x"})}
    annotations = scene.since(CHANGED, {"example.com/a": "2"}, None)
    scene.config_map("changed", metadata=labels, annotations=annotations)
    scene.config_map("same")


def replaced(scene: Scene) -> None:
    """Data of a ConfigMap cannot change in place: with a name of its own it goes first, else it comes first."""
    data = scene.since(CHANGED, {"key": "two", "other": "x"}, {"key": "one"})
    scene.config_map("named", data)
    scene.config_map("autonamed", data, named=False)
    scene.config_map("moved" if scene.round < CHANGED else "moves", {"key": "x"})


def renamed(scene: Scene) -> None:
    """An object gets another name."""
    k8s.core.v1.ConfigMap(
        f"{scene.name}-map",
        metadata=scene.metadata(scene.since(CHANGED, "two", "one")),
        data={"key": "value"},
        opts=scene.options(),
    )


def workload(scene: Scene) -> None:
    """Deployments and Services are waited for."""
    scene.deployment("front", scene.since(CHANGED, 2, 1))
    k8s.core.v1.Service(
        f"{scene.name}-service",
        metadata=scene.metadata("front"),
        spec={"selector": {"app": "front"}, "ports": [{"port": 80, "target_port": 8080}]},
        opts=scene.options(),
    )


def not_awaited(scene: Scene) -> None:
    """What is not waited for, with a quantity that is written in another way than it is kept; somebody changes it."""
    scene.deployment("front", annotations={"pulumi.com/skipAwait": "true"}, cpu="1000m")


def _scale(bench: Bench, space: str) -> None:
    live = bench.server.get("apps/v1", "Deployment", "front", space)
    specification = {key: live["spec"][key] for key in ("selector", "template")}
    item = new_object("apps/v1", "Deployment", "front", space, spec={**specification, "replicas": 3})
    bench.server.apply(item, user=_OTHER)


def waits(scene: Scene) -> None:
    """Waits by annotations, which end well."""
    scene.config_map("path", {"done": "yes"}, annotations={"pulumi.com/waitFor": "jsonpath={.data.done}=yes"})
    both = '["condition=Available", "jsonpath={.status.readyReplicas}=1"]'
    scene.deployment("front", annotations={"pulumi.com/waitFor": both})


def timeouts(scene: Scene) -> None:
    """Waits that end with their time; in the next round they are waited for again."""
    scene.config_map(
        "path", {"done": "no"}, annotations={"pulumi.com/waitFor": "jsonpath={.data.done}=yes"}, create=1, update=1
    )
    brief = {"pulumi.com/waitFor": "jsonpath={.status.x}", "pulumi.com/timeoutSeconds": "1"}
    scene.config_map("missing", annotations=brief, delete=600)
    both = '["jsonpath={.data.key}", "condition=Ready", "jsonpath={.data.done}=yes"]'
    scene.config_map("several", annotations={"pulumi.com/waitFor": both}, create=1, update=1)
    scene.deployment("condition", annotations={"pulumi.com/waitFor": "condition=Progressing=False"}, create=2, update=2)
    k8s.apiextensions.CustomResource(
        f"{scene.name}-entry",
        api_version="networking.fleet.azure.com/v1alpha1",
        kind="MultiClusterService",
        metadata=scene.metadata("entry", annotations={"pulumi.com/waitFor": "condition=Valid"}),
        spec={"serviceImport": {"name": "front"}},
        opts=scene.options(create=1, update=1),
    )


def built_in_timeouts(scene: Scene) -> None:
    """An object that is not ready in time by the provider's own rules: nobody serves an Ingress here."""
    k8s.networking.v1.Ingress(
        f"{scene.name}-nobody",
        metadata=scene.metadata("nobody", labels={"a": scene.since(CHANGED, "2", "1")}),
        spec={"default_backend": {"service": {"name": "nothing", "port": {"number": 80}}}},
        opts=scene.options(create=2, update=2),
    )


def malformed_waits(scene: Scene) -> None:
    """Annotations that the provider does not understand."""
    for number, text in enumerate(
        ("Available", "[]", "jsonpath=.data.x", "jsonpath={.data.x}=1=2", "jsonpath={.data.x}=", "jsonpath={.data[}")
    ):
        scene.config_map(f"wait{number}", annotations={"pulumi.com/waitFor": text})


def forbidden(scene: Scene) -> None:
    """The deploying identity has no role: nothing can be created, changed, read or deleted."""
    scene.provider("deployer", "deployer")
    scene.provider("turning", scene.since(CHANGED, "deployer", "administrator"))
    scene.config_map("refused", provider="deployer")
    scene.config_map("changed", metadata={"labels": {"a": scene.since(CHANGED, "2", "1")}}, provider="turning")
    if scene.round < CHANGED:
        scene.config_map("deleted", provider="turning")


def unreachable(scene: Scene) -> None:
    """A cluster does not answer from the beginning, or from the second round on."""
    scene.provider("nobody", "nobody")
    scene.provider("leaving", scene.since(CHANGED, "nobody", "administrator"), cluster_identifier="held")
    scene.config_map("refused", provider="nobody")
    scene.config_map("changed", metadata={"labels": {"a": scene.since(CHANGED, "2", "1")}}, provider="leaving")
    if scene.round < CHANGED:
        scene.config_map("deleted", provider="leaving")


def moved(scene: Scene) -> None:
    """A kubeconfig leads to another cluster, as far as the provider can tell."""
    scene.provider("moving", scene.since(CHANGED, "elsewhere", "administrator"))
    scene.config_map("map", named=False, provider="moving")
    scene.provider("identified", scene.since(CHANGED, "elsewhere", "administrator"), cluster_identifier="held")
    scene.config_map("kept", provider="identified")


def existing(scene: Scene) -> None:
    """Objects are there before they are created: the same, and one that others hold fields of."""
    scene.config_map("same")
    scene.config_map("other", {"key": "ours"})


def conflicts(scene: Scene) -> None:
    """Somebody else writes a field that the program changes, or one that it does not."""
    k8s.core.v1.Service(
        f"{scene.name}-service",
        metadata=scene.metadata("service", labels={"a": scene.since(CHANGED, "2", "1")}),
        spec={"cluster_ip": "None", "ports": [{"port": 80}]},
        opts=scene.options(),
    )
    scene.config_map("beside", metadata={"labels": {"a": scene.since(CHANGED, "2", "1")}})


def _take(bench: Bench, space: str) -> None:
    item = new_object("v1", "Service", "service", space, spec={"clusterIP": "None", "ports": [{"port": 80}]})
    item["metadata"]["labels"] = {"a": "theirs", "b": "theirs"}
    bench.server.apply(item, user=_OTHER)


def finalizers(scene: Scene) -> None:
    """A deletion hangs."""
    if scene.round < CHANGED:
        scene.config_map("removed", metadata={"finalizers": ["example.com/hold"]}, delete=1)
    scene.config_map("destroyed", metadata={"finalizers": ["example.com/hold", "example.com/too"]}, delete=1)


def gone(scene: Scene) -> None:
    """Objects vanish before they are changed, read or deleted."""
    scene.config_map("changed", metadata={"labels": {"a": scene.since(CHANGED, "2", "1")}})
    scene.config_map("read")
    scene.config_map("destroyed")
    if scene.round < CHANGED:
        scene.config_map("removed")


def secret(scene: Scene) -> None:
    """Secrets are masked, of every kind."""
    text = scene.since(CHANGED, "two", "one")
    encoded = base64.b64encode(text.encode()).decode()
    for name, content in (("text", {"string_data": {"a": text}}), ("data", {"data": {"a": encoded}})):
        k8s.core.v1.Secret(f"{scene.name}-{name}", metadata=scene.metadata(name), opts=scene.options(), **content)  # pyright: ignore[reportArgumentType] - of either
    k8s.core.v1.Secret(
        f"{scene.name}-same", metadata=scene.metadata("same"), string_data={"a": "x"}, opts=scene.options()
    )
    scene.config_map("map", {"key": pulumi.Output.secret("hidden"), "open": "seen"})


def refused(scene: Scene) -> None:
    """Objects that the API server does not take."""
    k8s.core.v1.ConfigMap(
        f"{scene.name}-name", metadata=scene.metadata("Not_A_Name"), data={"a": "b"}, opts=scene.options()
    )
    k8s.core.v1.Service(
        f"{scene.name}-port",
        metadata=scene.metadata("port"),
        spec={"ports": [{"port": 99999}], "cluster_ip": "None"},
        opts=scene.options(),
    )
    k8s.apps.v1.Deployment(
        f"{scene.name}-selector",
        metadata=scene.metadata("selector"),
        spec={
            "selector": {"match_labels": {"app": "one"}},
            "template": {
                "metadata": {"labels": {"app": "other"}},
                "spec": {"containers": [{"name": "web", "image": "shop:1"}]},
            },
        },
        opts=scene.options(),
    )


def mistyped(scene: Scene) -> None:
    """A value has the wrong type."""
    scene.config_map("map", {"a": 1})


def terminating(scene: Scene) -> None:
    """The namespace is being deleted."""
    scene.config_map("map")


def _terminate(bench: Bench, space: str) -> None:
    bench.server.create(_config_map(space, "held", {}, finalizers=["example.com/hold"]), user=_OTHER)
    bench.server.delete("v1", "Namespace", space, user=_OTHER)


def no_namespace(scene: Scene) -> None:
    """The namespace does not come."""
    k8s.core.v1.ConfigMap(
        f"{scene.name}-map", metadata={"name": "map", "namespace": "nowhere"}, data={"a": "b"}, opts=scene.options()
    )


def late_namespace(scene: Scene) -> None:
    """The namespace comes later than what is in it."""
    space = k8s.core.v1.Namespace(
        f"{scene.name}-space", metadata={"name": "late", "annotations": {"a": "b"}}, opts=scene.options()
    )
    k8s.core.v1.ConfigMap(
        f"{scene.name}-map", metadata={"name": "map", "namespace": "late"}, data={"a": "b"}, opts=scene.options()
    )
    del space


def unknown_kind(scene: Scene) -> None:
    """The cluster does not serve the kind."""
    k8s.apiextensions.CustomResource(
        f"{scene.name}-widget",
        api_version="example.com/v1",
        kind="Widget",
        metadata=scene.metadata("widget"),
        spec={"size": 1},
        opts=scene.options(),
    )


SCENARIOS: Final[Sequence[Scenario]] = (
    Scenario(updated),
    Scenario(replaced),
    Scenario(renamed),
    Scenario(workload),
    Scenario(not_awaited, {REFRESHED: _scale}),
    Scenario(waits),
    Scenario(timeouts, {REPAIRED: _put("missing", {"key": "value"})}),
    Scenario(built_in_timeouts),
    Scenario(malformed_waits),
    Scenario(forbidden),
    Scenario(unreachable),
    Scenario(moved),
    Scenario(
        existing,
        {CREATED: _in_order(_put("same", {"key": "value"}), _put("other", {"key": "theirs", "more": "theirs"}))},
    ),
    Scenario(
        conflicts, {CHANGED: _in_order(_take, _put("beside", {"key": "value"}, annotations={"example.com/b": "x"}))}
    ),
    Scenario(finalizers),
    Scenario(
        gone,
        {CHANGED: _remove("changed", "removed"), REFRESHED: _remove("read"), DESTROYED: _remove("destroyed")},
    ),
    Scenario(secret, {REFRESHED: _put("map", {"key": "drifted"})}),
    Scenario(refused),
    Scenario(terminating, {CREATED: _terminate}),
    Scenario(no_namespace, stack=LATE),
    Scenario(late_namespace, stack=LATE),
    Scenario(unknown_kind, stack=LATE),
    Scenario(mistyped, stack=MISTYPED),
)


class Program:
    """The program of one stack: the scenarios' parts."""

    def __init__(self, bench: Bench, stack: str) -> None:
        self.round = CREATED
        self._bench = bench
        self._scenarios = [scenario for scenario in SCENARIOS if scenario.stack == stack]
        for scenario in self._scenarios:
            bench.server.create(new_object("v1", "Namespace", scenario.name), user=_OTHER)

    def __call__(self) -> None:
        """Declare what there is in this round."""
        administrator = declare_provider("providers-administrator", self._bench, "administrator")
        for scenario in self._scenarios:
            scenario.declare(Scene(scenario.name, self.round, self._bench, {"administrator": administrator}))

    def act(self, round_: int) -> None:
        """Go on to a round, before which others do what they do."""
        self.round = round_
        for scenario in self._scenarios:
            if act := scenario.acts.get(round_):
                with suppress(ApiError):
                    act(self._bench, scenario.name)
