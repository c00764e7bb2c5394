"""What NetworkPolicies let into a pod."""

from ipaddress import IPv4Network
from typing import Any

import pytest

from rehearsal.cluster.network_policies import CLIENT, Caller, NetworkPolicies, seen_from
from rehearsal.cluster.objects import Object
from rehearsal.tests.objects import new_object

FAR = IPv4Network("10.2.0.4/32")
OTHER_NODE: Caller = None


def pod(app: str = "front", space: str = "shop") -> Object:
    item = new_object("v1", "Pod", app, space, spec={"nodeName": "a", "containers": [{"ports": [PORT]}]})
    item["metadata"]["labels"] = {"app": app}
    return item


def policy(*ingress: Any, selector: Object | None = None, **spec: Any) -> Object:  # noqa: ANN401 - JSON
    spec = {"podSelector": selector or {}, "ingress": list(ingress), **spec}
    return new_object("networking.k8s.io/v1", "NetworkPolicy", "p", "shop", spec=spec)


def admits(caller: Caller, *policies: Object, port: int = 8080) -> bool:
    namespaces = [new_object("v1", "Namespace", space) for space in ("shop", "ops")]
    namespaces[1]["metadata"]["labels"] = {"team": "ops"}
    return NetworkPolicies(policies, namespaces).admit(pod(), port, caller)


PORT = {"name": "http", "containerPort": 8080}
REGION = {"from": [{"ipBlock": {"cidr": "10.2.0.0/16", "except": ["10.2.9.0/24"]}}]}


@pytest.mark.parametrize("caller", [pod("other"), FAR, CLIENT, OTHER_NODE])
def test_everybody_reaches_a_pod_that_no_policy_isolates(caller: Caller) -> None:
    others = [policy(selector={"matchLabels": {"app": "back"}}), policy(policyTypes=["Egress"])]
    elsewhere = new_object("networking.k8s.io/v1", "NetworkPolicy", "p", "ops", spec={"podSelector": {}})

    assert admits(caller, *others, elsewhere)
    assert not admits(caller, *others, policy())
    assert admits(caller, policy(), policy({}))


def test_range_selects_other_regions_nodes_and_clients_but_nobody_of_the_cluster() -> None:
    everybody = policy({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})

    assert admits(FAR, policy(REGION))
    assert not admits(IPv4Network("10.2.9.1/32"), policy(REGION))
    assert not admits(CLIENT, policy(REGION))
    assert [admits(caller, everybody) for caller in (FAR, CLIENT)] == [True, True]
    assert [admits(caller, everybody) for caller in (pod("other"), OTHER_NODE)] == [False, False]


def test_client_is_seen_on_the_node_that_got_its_packet_and_that_node_on_others() -> None:
    assert seen_from("a", pod()) == CLIENT
    assert seen_from("b", pod()) is OTHER_NODE


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        ({"podSelector": {}}, ["back in shop"]),
        ({"podSelector": {"matchLabels": {"app": "back"}}}, ["back in shop"]),
        ({"namespaceSelector": {}}, ["back in shop", "back in ops"]),
        ({"namespaceSelector": {"matchLabels": {"team": "ops"}}}, ["back in ops"]),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "front"}}}, []),
    ],
)
def test_pods_are_selected_by_their_labels_and_their_namespaces(peer: Object, admitted: list[str]) -> None:
    callers = {f"back in {space}": pod("back", space) for space in ("shop", "ops")}
    assert [name for name, caller in callers.items() if admits(caller, policy({"from": [peer]}))] == admitted


@pytest.mark.parametrize(
    ("port", "admitted"),
    [
        ({"port": 8080}, {8080}),
        ({"port": "http"}, {8080}),
        ({"port": 8000, "endPort": 8081}, {8080, 8081}),
        ({"port": 8080, "protocol": "UDP"}, set[int]()),
        ({"protocol": "TCP"}, {8080, 8081}),
    ],
)
def test_ports_are_numbers_names_or_ranges(port: Object, admitted: set[int]) -> None:
    assert {number for number in (8080, 8081) if admits(FAR, policy({"ports": [port]}), port=number)} == admitted
