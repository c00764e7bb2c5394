"""What an app may be on a fleet, what of it Fleet does not carry, and what its ports speak."""

import base64
from typing import Any

import pulumi
import pytest
import yaml

from components.app_manifests import Manifest, checks, hub, offers_endpoints, pods, web_address
from components.app_manifests import ports as ports_of
from tests.support.program import run

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: shop}, spec: {selector: {app: shop}, ports: [{port: 80}]}}"
AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: load}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}, minReplicas: 2, maxReplicas: 4}
"""


def objects(*texts: str) -> list[Manifest]:
    return [yaml.safe_load(text) for text in texts]


def service(spec: str = "", annotations: str = "") -> Manifest:
    ports = "" if "ports:" in spec else "ports: [{port: 80}]"
    (found,) = objects(
        f"{{apiVersion: v1, kind: Service, metadata: {{name: shop, annotations: {{{annotations}}}}}, "
        f"spec: {{{', '.join(filter(None, (spec, ports)))}}}}}"
    )
    return found


def workload(kind: str = "Deployment", name: str = "shop", pod: str = "", labels: str = "app: shop") -> Manifest:
    template = f"{{metadata: {{labels: {{{labels}}}}}, spec: {{{pod}}}}}"
    spec = f"{{jobTemplate: {{spec: {{template: {template}}}}}}}" if kind == "CronJob" else f"{{template: {template}}}"
    (found,) = objects(f"{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}")
    return found


def problems(*app: Manifest, linux_only: bool = True, internal: bool = False) -> list[tuple[str, str]]:
    found = checks.problems(app, {"shop": ()}, linux_only=linux_only, internal=internal)
    return [(".".join(map(str, path)), text) for _, path, text in found]


def remarks(*app: Manifest) -> list[str]:
    return [text for _, _, text in checks.remarks(app, ["shop"])]


# --- The shared Service ------------------------------------------------------------------------------------------

OPEN = (
    "to the entry point, which would be open to everybody; remove it, and make the app internal, or limit access "
    "with a network security group on the nodes' subnet"
)


@pytest.mark.parametrize(
    ("shared", "path", "text"),
    [
        (
            service("clusterIP: None"),
            "spec.clusterIP",
            "Service shop is headless (clusterIP: None), and Fleet does not",
        ),
        (service("type: ExternalName, externalName: a.b"), "spec.type", "Service shop is an ExternalName, which Fleet"),
        (
            service("ipFamilies: [IPv6]"),
            "spec.ipFamilies",
            "Service shop is IPv6 only, and Fleet exports IPv4 endpoints",
        ),
        (service("ports: []"), "spec", "Service shop has no ports to share"),
        (
            service("type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]"),
            "spec.loadBalancerSourceRanges",
            f"Fleet does not carry loadBalancerSourceRanges {OPEN}",
        ),
        (
            service(annotations="service.beta.kubernetes.io/azure-allowed-service-tags: X"),
            "metadata.annotations.service.beta.kubernetes.io/azure-allowed-service-tags",
            f"Fleet does not carry service.beta.kubernetes.io/azure-allowed-service-tags {OPEN}",
        ),
    ],
)
def test_service_that_cannot_be_shared_is_refused(shared: Manifest, path: str, text: str) -> None:
    ((found, said),) = problems(shared)
    assert found == path
    assert said.startswith(text)


SCTP = "ports: [{name: a, port: 80}, {name: b, port: 2905, protocol: SCTP}]"


def test_sctp_is_refused_behind_a_public_balancer() -> None:
    ((path, text),) = problems(service(SCTP))
    assert path == "spec.ports.1.protocol"
    assert text.endswith("no public address; make the app internal, or remove the port")
    assert problems(service(SCTP), internal=True) == []


def test_sctp_of_another_service_is_refused_only_behind_a_public_balancer() -> None:
    (other,) = objects(f"{{kind: Service, metadata: {{name: other}}, spec: {{type: LoadBalancer, {SCTP}}}}}")
    ((_, text),) = problems(other)
    assert "annotate it with service.beta.kubernetes.io/azure-load-balancer-internal" in text
    other["metadata"]["annotations"] = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
    assert problems(other) == []
    del other["spec"]["type"], other["metadata"]["annotations"]
    assert problems(other) == []


def test_other_services_may_be_headless() -> None:
    peers = service("clusterIP: None")
    peers["metadata"]["name"] = "peers"
    assert problems(service("ipFamilies: [IPv4, IPv6]"), peers) == []


@pytest.mark.parametrize(
    ("shared", "text"),
    [
        (
            service("sessionAffinity: ClientIP"),
            "sessionAffinity to the entry point: a client's connections go to pods of",
        ),
        (
            service("externalTrafficPolicy: Local"),
            "externalTrafficPolicy to the entry point: pods see the address of a",
        ),
        (service("loadBalancerIP: 1.2.3.4"), "loadBalancerIP to the entry point: the entry point has another address"),
        (service("externalIPs: [1.2.3.4]"), "externalIPs to the entry point: the entry point has one address"),
        (
            service(annotations="service.beta.kubernetes.io/azure-load-balancer-internal: 'true'"),
            "service.beta.kubernetes.io/azure-load-balancer-internal to the entry point: the entry point's address is",
        ),
        (
            service(annotations="service.beta.kubernetes.io/azure-dns-label-name: shop"),
            "service.beta.kubernetes.io/azure-dns-label-name to the entry point: the entry point's load balancer does",
        ),
    ],
)
def test_what_fleet_does_not_carry_is_said(shared: Manifest, text: str) -> None:
    (said,) = remarks(shared)
    assert said.startswith(f"Fleet does not carry {text}")
    assert problems(shared) == []


def test_defaults_are_not_worth_a_word() -> None:
    spec = "type: ClusterIP, sessionAffinity: None, externalTrafficPolicy: Cluster, publishNotReadyAddresses: false"
    assert remarks(service(spec, "example.com/team: shop")) == []


def test_address_in_each_region_is_said_of_every_service() -> None:
    other = service("type: LoadBalancer")
    other["metadata"]["name"] = "other"
    beside = "gives this Service {} in each region, in addition to the entry point's address"
    assert remarks(service("type: NodePort"), other) == [
        f"type NodePort {beside.format('a port on every node')}; use type: ClusterIP if it needs none",
        f"type LoadBalancer {beside.format('an address')}",
    ]


# --- Limits, Windows ---------------------------------------------------------------------------------------------


def config_map(size: int, kind: str = "ConfigMap", part: str = "data") -> Manifest:
    text = "x" * size
    if (kind, part) in (("Secret", "data"), ("ConfigMap", "binaryData")):
        text = base64.b64encode(text.encode()).decode()
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "big"}, part: {"a": text}}


@pytest.mark.parametrize(
    ("kind", "part"), [("ConfigMap", "data"), ("ConfigMap", "binaryData"), ("Secret", "data"), ("Secret", "stringData")]
)
def test_object_with_too_much_data_is_refused(kind: str, part: str) -> None:
    assert problems(config_map(1024 * 1024, kind, part)) == []
    text = f"{kind} big has 1048577 bytes of data; Kubernetes allows at most 1048576. Mount a volume, or build the data"
    ((path, said),) = problems(config_map(1024 * 1024 + 1, kind, part))
    assert (path, said) == ("", f"{text} into the image")


def test_annotations_and_names_that_are_too_long_are_refused() -> None:
    item = config_map(1)
    item["metadata"] = {"name": "a" * 254, "annotations": {"a": "x" * (256 * 1024)}}
    assert problems(item) == [
        ("metadata.name", "metadata.name has more than 253 characters"),
        ("metadata.annotations", "the annotations have 262145 bytes; Kubernetes allows at most 262144"),
    ]


WINDOWS = "{key: kubernetes.io/os, operator: In, values: [windows]}"
EITHER = "{key: kubernetes.io/os, operator: In, values: [windows, linux]}"


def affinity(*terms: str) -> str:
    each = ", ".join(f"{{matchExpressions: [{term}]}}" for term in terms)
    required = f"requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{each}]}}"
    return f"affinity: {{nodeAffinity: {{{required}}}}}"


@pytest.mark.parametrize(
    ("pod", "place"),
    [
        ("nodeSelector: {kubernetes.io/os: windows}", "nodeSelector.kubernetes.io/os"),
        ("os: {name: windows}", "os.name"),
        (affinity(WINDOWS), "affinity.nodeAffinity"),
        (affinity("{key: kubernetes.io/os, operator: NotIn, values: [linux]}"), "affinity.nodeAffinity"),
    ],
)
def test_pods_for_windows_are_refused_where_there_is_linux_only(pod: str, place: str) -> None:
    for kind, at in (("Deployment", "spec.template"), ("CronJob", "spec.jobTemplate.spec.template")):
        text = f"{kind} shop requires Windows nodes, and these clusters have none"
        assert problems(workload(kind, pod=pod)) == [(f"{at}.spec.{place}", text)]
    assert problems(workload(pod=pod), linux_only=False) == []


@pytest.mark.parametrize(
    "pod", ["nodeSelector: {kubernetes.io/os: linux}", affinity(EITHER), affinity(WINDOWS, EITHER)]
)
def test_pods_for_linux_too_are_taken(pod: str) -> None:
    assert problems(workload(pod=pod)) == []


# --- How many pods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_number_of_pods_is_of_what_the_service_selects(kind: str) -> None:
    other, ours = workload(name="web", labels="app: other"), workload(kind, "front", labels="app: shop, tier: web")
    (shared,) = objects(SERVICE)
    assert pods.replicated([shared, other, ours], "shop") is ours


ONLY = "and only a Deployment or StatefulSet has replicas"


@pytest.mark.parametrize(
    ("app", "why"),
    [
        ([], "selects the pods of no Deployment or StatefulSet"),
        ([workload(labels="app: other")], "selects the pods of no Deployment or StatefulSet"),
        ([workload("DaemonSet")], f"selects the pods of DaemonSet shop, {ONLY}"),
        (
            [workload(), workload("StatefulSet", "queue")],
            "selects the pods of Deployment shop and StatefulSet queue; set replicas in their manifests instead",
        ),
    ],
)
def test_number_of_pods_that_cannot_be_set_is_refused(app: list[Manifest], why: str) -> None:
    assert pods.replicated([*objects(SERVICE), *app], "shop") == f"Service shop {why}"


def test_number_of_pods_is_the_autoscalers() -> None:
    assert pods.replicated([*objects(SERVICE, AUTOSCALER), workload()], "shop") == (
        "HorizontalPodAutoscaler load scales Deployment shop; set its minReplicas and maxReplicas instead"
    )


def test_service_without_a_selector_has_no_pods() -> None:
    assert pods.replicated([service(), workload()], "shop") == (
        "Service shop selects the pods of no Deployment or StatefulSet"
    )


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (objects(AUTOSCALER), "the app has no Deployment or StatefulSet that is Deployment shop"),
        (
            [*objects(AUTOSCALER, AUTOSCALER.replace("load", "other")), workload()],
            "Deployment shop is already scaled by load",
        ),
    ],
)
def test_autoscaler_must_have_its_workload_for_itself(app: list[Manifest], text: str) -> None:
    assert problems(*app) == [("spec.scaleTargetRef", text)]


@pytest.mark.parametrize(
    ("app", "offered"),
    [
        ([workload()], True),
        ([workload("DaemonSet")], True),
        ([{**workload(), "spec": {**workload()["spec"], "replicas": 0}}], False),
        ([workload(labels="app: other")], False),
    ],
)
def test_endpoints_are_those_of_the_pods_that_the_service_selects(app: list[Manifest], offered: bool) -> None:  # noqa: FBT001 - a result
    (shared,) = objects(SERVICE)
    assert offers_endpoints([shared, *app], shared) is offered


@pytest.mark.parametrize(("label", "offered"), [("shop", True), ("other", False)])
def test_service_without_a_selector_has_the_endpoints_that_the_app_brings(label: str, offered: bool) -> None:  # noqa: FBT001 - a result
    labels = {"kubernetes.io/service-name": label}
    endpoint_slice: Manifest = {
        "kind": "EndpointSlice",
        "metadata": {"name": "any", "labels": labels},
        "endpoints": [{"addresses": []}],
    }
    assert offers_endpoints([service(), endpoint_slice, workload()], service()) is offered


# --- Ports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ports", "address"),
    [
        ("[{port: 80}]", ("http", "")),
        ("[{port: 8080}]", ("http", ":8080")),
        ("[{port: 443}]", ("https", "")),
        ("[{port: 8443}]", None),
        ("[{port: 8443, name: https}]", ("https", ":8443")),
        ("[{port: 80, name: web}]", ("http", "")),
        ("[{port: 3000, name: http}]", ("http", ":3000")),
        ("[{port: 3000, name: http-api}]", ("http", ":3000")),
        ("[{port: 80, name: https}]", ("https", ":80")),
        ("[{port: 9000, appProtocol: https, name: api}]", ("https", ":9000")),
        ("[{port: 443, appProtocol: http}]", ("http", ":443")),
        ("[{port: 53, protocol: UDP}, {port: 80.0, protocol: TCP}]", ("http", "")),
        ("[{port: 2456, protocol: UDP}]", None),
        ("[{port: 80, protocol: UDP}]", None),
        ("[{port: 1883, name: mqtt}, {port: 80, name: http}]", None),
        ("[{port: 5432}]", None),
        ("[{port: 443, name: grpc}]", None),
        ("[{port: 443, name: tls-sni}]", None),
        ("[{port: 80, appProtocol: kubernetes.io/h2c}]", None),
        ("[{port: 80, name: http, appProtocol: grpc}]", None),
        ("[{port: 80, name: http2}]", None),
        ("[{port: 80, name: httpbin}]", ("http", "")),
        ("[{port: 9000, name: httpbin}]", None),
    ],
)
def test_url_is_where_http_is_plain(ports: str, address: Any) -> None:  # noqa: ANN401 - a tuple or nothing
    assert web_address(service(f"ports: {ports}")) == address


def test_ports_are_told_with_their_protocols() -> None:
    ports = "[{name: game, port: 2456, protocol: UDP}, {port: 80.0, targetPort: web}]"
    assert ports_of(service(f"ports: {ports}")) == [
        {"name": "game", "port": 2456, "protocol": "UDP"},
        {"port": 80, "protocol": "TCP"},
    ]


def test_values_that_are_not_known_yet_pass() -> None:
    def program() -> None:
        shared = service()
        shared["spec"] |= {name: pulumi.Output.from_input("?") for name in ("type", "clusterIP", "sessionAffinity")}
        assert problems(shared) == []

    run(program)


# --- Objects for the members only --------------------------------------------------------------------------------

ROLE = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: []}"
BUDGET = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: shop}, spec: {maxUnavailable: 1}}"


def test_what_would_act_on_the_hub_is_in_an_envelope() -> None:
    shop = workload()
    role, budget = objects(ROLE, BUDGET)
    *others, envelope = hub.enveloped([role, shop, budget], "shops")
    assert others == [shop]
    assert envelope["kind"] == "ResourceEnvelope"
    assert {key: each["metadata"] for key, each in envelope["data"].items()} == {
        "role-reader": {"name": "reader", "namespace": "shops"},
        "poddisruptionbudget-shop": {"name": "shop", "namespace": "shops"},
    }
    assert hub.enveloped([shop], "shops") == [shop]


def test_an_envelope_that_would_be_too_large_is_refused() -> None:
    (role,) = objects(ROLE)
    roles = [{**role, "metadata": {"name": f"reader-{number}"}} for number in range(51)]
    assert problems(*roles[:50]) == []
    assert [text[:34] for _, text in problems(*roles)] == ["an app can have at most 50 objects"]


def test_an_ingress_is_said_to_need_a_controller() -> None:
    ingress = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: shop}, spec: {}}"
    assert remarks(*objects(ingress)) == [
        "an Ingress needs a controller on every cluster, and this program installs none"
    ]


# --- Invalid values, and objects that Fleet does not place -------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "place", "text"),
    [
        ("kind: ConfigMap, data: {mode: 0755}", "data.mode", "data: mode must be a string; quote it"),
        (
            "kind: ConfigMap, data: {x: {a: b}}",
            "data.x",
            "data: x must be a string; write it as a block of text, after |",
        ),
        ("kind: Secret, stringData: {x: true}", "stringData.x", "stringData: x must be a string; quote it"),
        (
            "kind: Secret, data: {x: 'a b!'}",
            "data.x",
            "data: x is not base64; encode it, or write text into stringData",
        ),
        (
            "kind: ConfigMap, binaryData: {x: abc}",
            "binaryData.x",
            "binaryData: x is not base64; encode it, or write text into data",
        ),
        (
            "kind: Job, spec: {template: {metadata: {labels: {v: 2}}}}",
            "spec.template.metadata.labels.v",
            "labels: v must",
        ),
        ("kind: Service, spec: {selector: {v: 2}}", "spec.selector.v", "selector: v must be a string; quote it"),
        (
            "kind: Job, spec: {template: {spec: {containers: [{env: [{name: PORT, value: 80}]}]}}}",
            "spec.template.spec.containers.0.env.0.value",
            "env: value must be a string; quote it",
        ),
        (
            "kind: Job, spec: {template: {spec: {containers: [{command: [sleep, 5]}]}}}",
            "spec.template.spec.containers.0.command.1",
            "command: 1 must be a string; quote it",
        ),
    ],
)
def test_value_that_must_be_text_is_refused(manifest: str, place: str, text: str) -> None:
    (found,) = objects(f"{{apiVersion: v1, metadata: {{name: a}}, {manifest}}}")
    assert [at for at, _ in problems(found)] == [place]
    assert text in problems(found)[0][1]


@pytest.mark.parametrize(
    "manifest",
    [
        "kind: ConfigMap, data: {x: '1', labels: '2', y: null}, binaryData: {x: YQ==}",
        "kind: Secret, data: {x: ''}, stringData: {x: '5'}",
        "kind: Job, spec: {template: {spec: {containers: [{env: [{name: A, valueFrom: {}}], ports: [80]}]}}}",
    ],
)
def test_text_is_taken_and_numbers_where_they_belong(manifest: str) -> None:
    (found,) = objects(f"{{apiVersion: v1, metadata: {{name: a}}, {manifest}}}")
    assert problems(found) == []


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ("[{name: web}]", "port is missing"),
        ("[{port: '80'}]", "port must be a number; write it without quotes"),
        ("{port: 80}", "ports are a list of maps: `- port: 80`"),
    ],
)
def test_port_of_the_shared_service_must_be_a_number(ports: str, text: str) -> None:
    assert [found for _, found in problems(service(f"ports: {ports}"))] == [text]


@pytest.mark.parametrize(
    ("manifest", "place"),
    [
        ("kind: ServiceAccount, metadata: {name: default}", "metadata.name"),
        ("kind: ConfigMap, metadata: {name: kube-root-ca.crt}", "metadata.name"),
        ("kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: a}", "type"),
        (
            "kind: EndpointSlice, metadata: {name: a, labels: {endpointslice.kubernetes.io/managed-by: me}}",
            "metadata.labels.endpointslice.kubernetes.io/managed-by",
        ),
    ],
)
def test_what_fleet_does_not_place_is_refused(manifest: str, place: str) -> None:
    (found,) = objects(f"{{apiVersion: v1, {manifest}}}")
    ((at, text),) = problems(found)
    assert at == place
    assert text.startswith(f"Fleet does not place {found['kind']} {found['metadata']['name']}: ")


@pytest.mark.parametrize("field", ["uid: a", "resourceVersion: '3'", "managedFields: [{}]", "ownerReferences: [{}]"])
def test_what_a_cluster_has_written_is_refused(field: str) -> None:
    (found,) = objects(f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, {field}, creationTimestamp: null}}}}")
    assert [at for at, _ in problems(found)] == [f"metadata.{field.partition(':')[0]}"]


def test_selector_that_selects_nothing_is_said() -> None:
    said = "Service shop selects no workload's pods, so nothing answers at the entry point"
    assert [text for text in remarks(service("selector: {app: shp}"), workload()) if text.startswith(said)]
    assert not remarks(service("selector: {app: shop}"), workload("CronJob"))
