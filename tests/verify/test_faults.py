"""Planted faults: each makes exactly the rows ✗ that it should, with the remedy."""

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleet_clusters.api_server import ClusterClient
from fleet_clusters.errors import CheckFailedError
from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError
from rehearsal.fleet.in_memory import Cluster
from rehearsal.tests.objects import (
    HUB,
    USER,
    add_member,
    deployment,
    entry_point,
    export,
    in_locations,
    new_object,
    placement,
)
from tests.verify.conftest import Deployed

LOST = "docs/operations.md, “A region no longer answers”"
AGENTS = (
    "see that its nodes run, and its agents: "
    "`kubectl --kubeconfig west.kubeconfig get nodes,pods --namespace fleet-system`"
)
FIND_AGAIN = (
    "once its Service, its pods and its export are healthy, let Fleet export the endpoints once more: "
    "`kubectl --kubeconfig {}.kubeconfig annotate endpointslices --all --namespace shop --overwrite "
    'fleet-l4-lb/asked-again="$(date +%s)"`'
)
UNANSWERED = (
    f"some pods behind the address do not answer. If a check above failed, fix that first; {LOST}. Otherwise the nodes "
    "of the entry region do not reach the pods of another: `az network vnet peering list` must show the peering of "
    "both VNets as Connected, with allowVirtualNetworkAccess; no cluster may use an overlay network; security groups "
    "and network policies must let these nodes in (docs/azure.md, “What may enter and leave”)"
)
DROPPED = (
    "if all checks above pass, something drops the packets: the network security group of the nodes' subnet must allow "
    "them, inbound, from Internet to any destination, at this port; a network policy in the app's namespace must let "
    "them in (docs/azure.md, “What may enter and leave”); then look at your own firewall; `curl --verbose {}`"
)
WEST_SHOW = f"see that it runs: `az aks show --ids /clusters/west`; if its region is lost: {LOST}"


def _live(cluster: Cluster, item: Object) -> Object:
    """Return the stored object of a settled cluster, to be changed without its controllers noticing."""
    metadata, group = item["metadata"], item["apiVersion"].rpartition("/")[0]
    found = cluster.find(f"{item['kind']}.{group}", metadata["name"], metadata.get("namespace", ""))
    assert found
    return found


def _drop(cluster: Cluster, item: Object) -> None:
    live = _live(cluster, item)
    live["metadata"].pop("finalizers")
    cluster.discard(live)


def _set_condition(item: Object, name: str, status: str, message: str) -> None:
    found = next(each for each in item["status"]["conditions"] if each["type"] == name)
    found |= {"status": status, "message": message}


# Members.


def test_member_that_has_not_joined(deployed: Deployed) -> None:
    late = deployed.clusters.add_cluster(
        "/clusters/late", "https://late", location="uksouth", network="vnet", pods="10.3.0.0/24", nodes=1
    )
    deployed.clusters.is_down = lambda what, cluster: (what, cluster.id) == ("agents", late.id)
    deployed.clusters.join(HUB, "late", late.id, {})
    deployed.outputs["clusterIds"]["late"] = late.id
    deployed.outputs["kubeconfigs"]["late"] = deployed.kubeconfig(late)
    assert deployed.wrong()["member late"] == (
        "has not joined",
        f"{AGENTS.replace('west', 'late')}; then `pulumi up`",
    )


def test_member_that_is_not_in_the_fleet(deployed: Deployed) -> None:
    _drop(deployed.hub, new_object("cluster.kubernetes-fleet.io/v1", "MemberCluster", "west"))
    assert deployed.wrong() == {"member west": ("not in the fleet", "`pulumi up --refresh`")}


def test_member_whose_agents_are_dead(deployed: Deployed) -> None:
    deployed.clusters.is_down = lambda what, cluster: (what, cluster.id) == ("agents", deployed.west.id)
    deployed.clusters.pass_time(0)
    deployed.clusters.pass_time(170)
    assert deployed.wrong() == {}
    deployed.clusters.pass_time(130)
    assert deployed.wrong() == {
        "member west": ("joined, but an agent is silent for 5 min", f"{AGENTS}; if lost: {LOST}")
    }


# The placement.


def test_placement_on_fewer_clusters(deployed: Deployed) -> None:
    deployed.hub.apply(placement(in_locations("eastus2", "west")), user=USER)
    deployed.clusters.settle()
    wrong = deployed.wrong()
    assert wrong["placement of shop"] == (
        "not placed on west",
        (
            "`kubectl --kubeconfig hub.kubeconfig get memberclusters --show-labels`: it must be joined, and its "
            "fleet.azure.com/member-name one of the placement's"
        ),
    )
    assert wrong.keys() == {"placement of shop", "pods on west", "export on west", "endpoints of west"}


def test_members_of_others_that_run_the_app_and_export_it_too(deployed: Deployed) -> None:
    add_member(deployed.clusters, "stranger", "northeurope", 3)
    deployed.hub.apply(placement(in_locations("eastus2", "westus2", "northeurope")), user=USER)
    deployed.clusters.settle()
    wrong = deployed.wrong()
    assert wrong["placement of shop"] == ("placed on members of others: stranger", "`pulumi up --refresh`")
    found, remedy = wrong["members of others"]
    assert found.startswith("their endpoints are behind the entry point: stranger-shop-")
    assert remedy == (
        "they export shop/front too: have it withdrawn, or take another app.namespace; if the member is that of a "
        "region which you have removed: docs/operations.md, “A region is lost for good”"
    )


def test_placement_whose_object_is_not_available(deployed: Deployed) -> None:
    deployed.clusters.is_down = lambda what, cluster: (what, cluster.id) == ("pods", deployed.west.id)
    deployed.hub.apply(deployment(replicas=3), user=USER)
    deployed.clusters.settle()
    wrong = deployed.wrong()
    assert wrong["placement of shop"] == (
        "not available on west: Deployment front",
        "`kubectl --kubeconfig hub.kubeconfig describe clusterresourceplacement shop` names the object; fix it",
    )
    assert wrong.keys() == {"placement of shop", "pods on west"}


def test_placement_of_a_namespace_that_the_hub_has_not(deployed: Deployed) -> None:
    deployed.hub.delete("v1", "Namespace", "shop")
    deployed.clusters.settle()
    assert deployed.wrong()["placement of shop"] == (
        "places nothing: the hub has no such namespace",
        "`pulumi up --refresh`",
    )


def test_no_placement(deployed: Deployed) -> None:
    deployed.hub.delete("placement.kubernetes-fleet.io/v1", "ClusterResourcePlacement", "shop")
    deployed.clusters.settle()
    assert deployed.wrong()["placement of shop"] == ("none on the hub", "`pulumi up --refresh`")


# The app in a region.


def test_region_without_ready_pods(deployed: Deployed) -> None:
    for pod in deployed.west.objects("Pod"):
        pod["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]
        _set_condition(pod, "Ready", "False", "")
    one, other = (pod["metadata"]["name"] for pod in deployed.west.objects("Pod"))
    wrong = deployed.wrong()
    assert wrong["pods on west"] == (
        f"0 of 2 ready; not {one} (ImagePullBackOff), {other} (ImagePullBackOff)",
        "`kubectl --kubeconfig west.kubeconfig describe pods --namespace shop` says why",
    )


def test_region_without_pods(deployed: Deployed) -> None:
    deployed.hub.apply(deployment(replicas=0), user=USER)
    deployed.clusters.settle()
    wrong = deployed.wrong()
    for region in ("east", "west"):
        assert wrong[f"pods on {region}"] == (
            "no pods",
            f"`kubectl --kubeconfig {region}.kubeconfig get deployments,events --namespace shop` says why",
        )
        assert wrong[f"endpoints of {region}"] == ("none behind the entry point", FIND_AGAIN.format(region))
    assert wrong[deployed.outputs["url"]][0] == "answers 0 of 20 requests: 20 × 502 Bad Gateway"  # noqa: RUF001


def test_export_that_is_missing(deployed: Deployed) -> None:
    _drop(deployed.west, export())
    assert deployed.wrong() == {
        "export on west": (
            "not found",
            "the placement copies it from the hub; if the hub has none: `pulumi up --refresh`",
        )
    }


def test_export_that_is_invalid(deployed: Deployed) -> None:
    deployed.hub.delete("v1", "Service", "front", "shop")
    deployed.clusters.settle()
    wrong = deployed.wrong()
    for region in ("east", "west"):
        assert wrong[f"export on {region}"] == (
            "service shop/front is not found",
            (
                f"`kubectl --kubeconfig {region}.kubeconfig get service front --namespace shop`: it must exist, with a "
                "clusterIP, and not be an ExternalName"
            ),
        )


def test_export_in_conflict(deployed: Deployed) -> None:
    message = "service shop/front is in conflict with other exported services"
    _set_condition(_live(deployed.west, export()), "Conflict", "True", message)
    assert deployed.wrong() == {
        "export on west": (
            message,
            (
                "all clusters need the very same ports: `kubectl --kubeconfig west.kubeconfig get service front "
                "--namespace shop --output 'jsonpath={.spec.ports}'`, and on the others; "
                "put the changed ports back"
            ),
        )
    }


def test_export_that_waits_for_the_hub(deployed: Deployed) -> None:
    message = "service shop/front is pending export conflict resolution"
    _set_condition(_live(deployed.west, export()), "Conflict", "Unknown", message)
    assert deployed.wrong() == {
        "export on west": (
            message,
            (
                "see that the member's agents run: "
                "`kubectl --kubeconfig west.kubeconfig get pods --namespace fleet-system`"
            ),
        )
    }


# The entry point.


def test_entry_point_on_no_member(deployed: Deployed) -> None:
    deployed.east.delete("networking.fleet.azure.com/v1alpha1", "MultiClusterService", "front", "shop")
    deployed.clusters.settle()
    wrong = deployed.wrong()
    assert wrong["entry point on east"] == ("it is on no member", "`pulumi up --refresh`")
    assert wrong[deployed.outputs["url"]] == (
        "answers 0 of 20 requests: 20 × 504 Gateway Timeout",  # noqa: RUF001
        DROPPED.format(deployed.outputs["url"]),
    )


def test_entry_point_on_another_member(deployed: Deployed) -> None:
    deployed.east.delete("networking.fleet.azure.com/v1alpha1", "MultiClusterService", "front", "shop")
    deployed.west.create(entry_point(), user=USER)
    deployed.clusters.settle()
    assert deployed.wrong()["entry point on east"] == ("it is on west", "`pulumi up --refresh`")


def _let_west_hold_the_service(deployed: Deployed) -> None:
    deployed.east.delete("networking.fleet.azure.com/v1alpha1", "MultiClusterService", "front", "shop")
    deployed.west.create(entry_point("rival", of="front"), user=USER)
    deployed.clusters.settle()
    deployed.east.create(entry_point(), user=USER)
    deployed.clusters.settle()


def test_entry_point_whose_service_another_one_holds(deployed: Deployed) -> None:
    _let_west_hold_the_service(deployed)
    assert deployed.wrong()["entry point on east"] == (
        "the service belongs to the entry point on west, and can have one only",
        "`kubectl --kubeconfig west.kubeconfig delete multiclusterservice rival --namespace shop`",
    )


def test_entry_point_whose_service_a_lost_region_holds(deployed: Deployed) -> None:
    _let_west_hold_the_service(deployed)
    deployed.clusters.set_reachable(deployed.west.id, reachable=False)
    assert deployed.wrong()["entry point on east"] == (
        "the service belongs to west, which does not release it",
        f"give the entry region another entrySuffix, then `pulumi up`; if west is lost: {LOST}",
    )


def test_entry_point_of_a_service_that_nobody_exports(deployed: Deployed) -> None:
    deployed.hub.delete("networking.fleet.azure.com/v1beta1", "ServiceExport", "front", "shop")
    deployed.clusters.settle()
    wrong = deployed.wrong()
    assert wrong["entry point on east"] == (
        "the service is exported by no member",
        "fix the exports first; the entry point follows",
    )
    assert {"export on east", "export on west"} <= wrong.keys()


def test_entry_point_without_an_address(deployed: Deployed) -> None:
    live = _live(deployed.east, entry_point())
    live["status"]["loadBalancer"] = {}
    assert deployed.wrong()["entry point on east"] == (
        "valid, but it has no address",
        (
            "`kubectl --kubeconfig east.kubeconfig get events --namespace fleet-system` says why (often the quota of "
            "public addresses, or a right on the subnet); then `pulumi up`"
        ),
    )


def test_address_that_is_not_the_stacks(deployed: Deployed) -> None:
    found = deployed.outputs["externalIp"]
    deployed.outputs |= {"externalIp": "20.0.0.1", "entryAddresses": {"east": "20.0.0.1"}}
    assert deployed.wrong() == {
        "entry point on east": (f"its address is {found}, and not the stack's, 20.0.0.1", "`pulumi up --refresh`")
    }


# The way to the pods.


def test_region_without_endpoints(deployed: Deployed) -> None:
    for item in deployed.east.list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system"):
        if item["metadata"]["name"].startswith("west-"):
            deployed.east.delete("discovery.k8s.io/v1", "EndpointSlice", item["metadata"]["name"], "fleet-system")
    deployed.clusters.settle()
    assert deployed.wrong() == {"endpoints of west": ("none behind the entry point", FIND_AGAIN.format("west"))}


def test_endpoint_that_no_pod_has(deployed: Deployed) -> None:
    for item in deployed.east.objects("EndpointSlice.discovery.k8s.io"):
        if item["metadata"]["name"].startswith("west-"):
            item["endpoints"][0]["addresses"] = ["10.2.0.99"]
    wrong = deployed.wrong()
    assert wrong["endpoints of west"] == (
        "10.2.0.99 behind the entry point, which no pod has",
        FIND_AGAIN.format("west"),
    )
    found, remedy = wrong[deployed.outputs["url"]]
    assert found.startswith("answers ")
    assert found.endswith(" × 504 Gateway Timeout")  # noqa: RUF001
    assert remedy == UNANSWERED


def test_address_that_refuses(deployed: Deployed) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = deployed.outputs["url"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert deployed.wrong() == {
            url: (
                "answers 0 of 20 requests: 20 × Connection refused",  # noqa: RUF001
                DROPPED.format(url),
            )
        }


def test_private_address_from_outside(deployed: Deployed) -> None:
    annotations = {"networking.fleet.azure.com/azure-load-balancer-internal": "true"}
    internal = entry_point()
    internal["metadata"]["annotations"] = annotations
    deployed.east.apply(internal, user=USER)
    deployed.clusters.settle()
    address = _live(deployed.east, internal)["status"]["loadBalancer"]["ingress"][0]["ip"]
    deployed.outputs |= {"externalIp": address, "entryAddresses": {"east": address}, "url": f"http://{address}"}
    assert deployed.wrong() == {
        f"http://{address}": (
            "answers 0 of 20 requests: 20 × 504 Gateway Timeout",  # noqa: RUF001
            (
                "a private address: run this inside its network or one that is peered with it; "
                f"`curl --verbose http://{address}`"
            ),
        )
    }


# Clusters that do not let us look.


def test_lost_region(deployed: Deployed) -> None:
    deployed.clusters.set_reachable(deployed.west.id, reachable=False)
    deployed.clusters.pass_time(600)
    wrong = deployed.wrong()
    silence = ("west does not answer: RemoteDisconnected", WEST_SHOW)
    assert {check: found for check, found in wrong.items() if check != deployed.outputs["url"]} == {
        "member west": ("joined, but an agent is silent for 10 min", f"{AGENTS}; if lost: {LOST}"),
        "pods on west": silence,
        "export on west": silence,
        "endpoints of west": silence,
    }
    assert wrong[deployed.outputs["url"]][1] == UNANSWERED


def _leave_west_out(deployed: Deployed) -> None:
    for name in ("clusterIds", "kubeconfigs"):
        deployed.outputs[name].pop("west")
    deployed.outputs |= {"memberNames": {"east": "east"}, "lostMembers": {"west": "west"}}
    deployed.hub.apply(placement(in_locations("eastus2")), user=USER)
    deployed.clusters.set_reachable(deployed.west.id, reachable=False)
    deployed.clusters.pass_time(600)


def test_lost_region_that_is_left_out(deployed: Deployed) -> None:
    _leave_west_out(deployed)
    behind = "left out, but its endpoints are behind an entry point"
    wrong = deployed.wrong()
    assert wrong.pop(deployed.outputs["url"])[0].startswith("answers ")
    assert wrong == {"lost member west": (behind, f"set app.guard: true, then `pulumi up`; {LOST}")}

    for item in deployed.east.objects("EndpointSlice.discovery.k8s.io"):
        if item["metadata"]["name"].startswith("west-"):
            for each in item["endpoints"]:
                each["conditions"] = {"ready": False, "serving": False}
    assert deployed.wrong() == {}


def test_remedy_names_the_section_of_the_app_among_several(deployed: Deployed) -> None:
    _leave_west_out(deployed)
    of_app = ("url", "externalIp", "service", "entryServices", "entryAddresses")
    app = {key: deployed.outputs.pop(key) for key in of_app}
    deployed.outputs["apps"] = {"shop": {"front": app}}
    _, remedy = deployed.wrong()["lost member west"]
    assert remedy.startswith("set apps.shop.guard: true")


def test_lost_region_that_reports_again(deployed: Deployed) -> None:
    _leave_west_out(deployed)
    deployed.clusters.set_reachable(deployed.west.id, reachable=True)
    deployed.clusters.pass_time(600)
    assert deployed.wrong() == {
        "lost member west": (
            "left out, but its agents reported within 3 min",
            "if the region answers again, remove `lost` from it: docs/operations.md, “When the region is back”",
        )
    }


def test_lost_member_that_has_left(deployed: Deployed) -> None:
    _leave_west_out(deployed)
    _drop(deployed.hub, new_object("cluster.kubernetes-fleet.io/v1", "MemberCluster", "west"))
    assert deployed.wrong()["lost member west"] == (
        "left out, and no longer in the fleet",
        "docs/operations.md, “A region is lost for good”",
    )


def test_hub_that_refuses_connections(deployed: Deployed) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        kubeconfig = yaml.safe_load(deployed.outputs["hubKubeconfig"])
        kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        deployed.outputs["hubKubeconfig"] = yaml.safe_dump(kubeconfig)
        found = (
            "hub does not answer: Connection refused",
            "see that it runs and can be reached from here: `az fleet show --ids /fleets/hub`",
        )
        assert deployed.wrong() == dict.fromkeys(
            ("member east", "member west", "members of others", "placement of shop"), found
        )


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.DependencyWarning")
@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("socks5://user:planted@127.0.0.1:1080", "the proxy on the way to hub speaks SOCKS, and the Python package"),
        ("ftp://user:planted@127.0.0.1", "no way to hub: Proxy URL had unsupported scheme ftp"),
    ],
)
def test_proxy_of_another_kind_than_http_is_refused(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, proxy: str, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)  # as where PySocks is not installed
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name)
    for name in ("all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    wrong = deployed.wrong()
    assert wrong["placement of shop"][0].startswith(reason)
    found, remedy = wrong[deployed.outputs["url"]]
    assert found == f"ALL_PROXY names a proxy of the kind {proxy.partition(':')[0]}, not an HTTP proxy"
    assert "NO_PROXY" in remedy
    assert "planted" not in str(wrong)


def test_expired_credential(deployed: Deployed) -> None:
    kubeconfig = yaml.safe_load(deployed.outputs["kubeconfigs"]["west"])
    kubeconfig["users"][0]["user"]["token"] = "expired"
    deployed.outputs["kubeconfigs"]["west"] = yaml.safe_dump(kubeconfig)
    found = (
        "west rejects the credentials (401)",
        "they have expired or were rotated: `pulumi up` reads new ones (with Entra ID: `az login`)",
    )
    assert deployed.wrong() == dict.fromkeys(("pods on west", "export on west", "endpoints of west"), found)


def test_log_in_that_has_expired_is_repeated(deployed: Deployed, tmp_path: Path) -> None:
    token = yaml.safe_load(deployed.outputs["hubKubeconfig"])["users"][0]["user"]["token"]
    answer = (
        '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "%s"}}'
    )
    once = f"mkdir {tmp_path}/asked 2> /dev/null && echo '{answer % 'expired'}' || echo '{answer % token}'"
    _log_in_by(deployed, "sh", "-c", once)
    hub = ClusterClient("hub", deployed.outputs["hubKubeconfig"], folder=str(tmp_path), silent="")
    with pytest.raises(CheckFailedError, match="401"):
        hub.get("/api/v1/namespaces")
    assert hub.items("/api/v1/namespaces")


def test_role_that_is_missing(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Object:
        raise ApiError("Forbidden", "it is forbidden")

    for method in ("get", "list"):
        monkeypatch.setattr(deployed.hub, method, refuse)
    found = (
        "hub denies read access (403)",
        "a new role takes effect within ten minutes; else add yourself to `access.hubAdmins`, then `pulumi up`",
    )
    on_hub = ("member east", "member west", "members of others", "placement of shop")
    assert deployed.wrong() == dict.fromkeys(on_hub, found)

    # In a stack on the fleet of another one, these are the other's.
    deployed.outputs["platform"] = "organization/fleet-l4-lb/dev"
    assert deployed.wrong() == {}
    status, text, _ = deployed.run()
    assert status == 0
    left_out = [line.split("  ")[1] for line in text.splitlines() if line.startswith("·  ")]
    assert left_out == [*on_hub]
    monkeypatch.setattr(deployed.west, "list", refuse)
    assert deployed.wrong().keys() == {"pods on west", "endpoints of west"}


def _log_in_by(deployed: Deployed, command: str, *arguments: str) -> None:
    kubeconfig = yaml.safe_load(deployed.outputs["hubKubeconfig"])
    plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": [*arguments]}
    kubeconfig["users"][0]["user"] = {"exec": plugin}
    deployed.outputs["hubKubeconfig"] = yaml.safe_dump(kubeconfig)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[str]:
    """The URL of a server whose certificate nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
    files = tmp_path / "certificate", tmp_path / "key"
    files[0].write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_server_that_somebody_else_has_signed(deployed: Deployed, stranger: str) -> None:
    kubeconfig = yaml.safe_load(deployed.outputs["hubKubeconfig"])
    kubeconfig["clusters"][0]["cluster"]["server"] = stranger
    deployed.outputs["hubKubeconfig"] = yaml.safe_dump(kubeconfig)
    assert deployed.wrong()["placement of shop"] == (
        "the certificate of hub is not issued by the authority in its kubeconfig",
        "`pulumi up` reads a new kubeconfig; a proxy that opens TLS must not be on the way: `NO_PROXY`",
    )


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["/nowhere/kubelogin"], "No such file or directory: '/nowhere/kubelogin'"),
        (["sh", "-c", "echo usage >&2; echo run az login >&2; exit 1"], "run az login"),
    ],
)
def test_log_in_that_fails(deployed: Deployed, command: list[str], reason: str) -> None:
    _log_in_by(deployed, *command)
    assert deployed.wrong()["placement of shop"] == (
        f"no log-in to hub: {reason}",
        "`az login`, and see that `kubelogin` is on PATH",
    )


def test_kubeconfig_that_is_none(deployed: Deployed) -> None:
    for text, found in {
        "key: [planted-key": "the kubeconfig of hub is invalid",
        "planted: key": "no log-in to hub: 'users'",
        "[]": "no log-in to hub: list indices must be integers or slices, not str",
    }.items():
        deployed.outputs["hubKubeconfig"] = text
        assert deployed.wrong()["placement of shop"][0] == found
