"""Programs with one mistake each: the rehearsal refuses them as Azure would, with the message that a user would get."""

import asyncio
import re
import runpy
import shutil
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pulumi
import pytest

from rehearsal.cloud import Cloud
from rehearsal.cluster.objects import is_true
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor
from rehearsal.tests.objects import in_memory
from tests.support.health import checked
from tests.support.program import ROOT, Program, run, stack_config


class Mistake(NamedTuple):
    """A program with something else in one place.

    Attributes:
        name: what somebody did wrong.
        file: the file of the program.
        old: the text there.
        new: what stands there instead.
        message: what the user reads (a regular expression).
        stack: whose configuration is used.
        late: a resource that the cloud makes only after it has answered for `until`: what a missing edge allows.
        until: that other resource.
    """

    name: str
    file: str
    old: str
    new: str
    message: str
    stack: str = "dev"
    late: str | None = None
    until: str | None = None


NETWORK_PROFILE = """\
    return {
        "network_plugin": "azure",
        "load_balancer_sku": "standard",
        "outbound_type": outbound.value,
        "service_cidr": args["service_cidr"],
        "dns_service_ip": args["dns_service_ip"],
        **cilium,
    }
"""
NETWORK_PROFILE_CLASS = """\
    return containerservice.ContainerServiceNetworkProfileArgs(
        network_plugin="azure",
        load_balancer_sku="standard",
        outbound_type="loadBalancer",
        service_cidr=args["service_cidr"],
        dns_service_ip=args["dns_service_ip"],
    )
"""
SECOND_ENTRY_POINT = """\
from pulumi_kubernetes.apiextensions import CustomResource

CustomResource(
    "second-entry-point",
    api_version="networking.fleet.azure.com/v1alpha1",
    kind="MultiClusterService",
    metadata={
        "name": stack.app.service,
        "namespace": stack.app.namespace,
        "annotations": {"pulumi.com/waitFor": "condition=Valid"},
    },
    spec={"serviceImport": {"name": stack.app.service}},
    opts=pulumi.ResourceOptions(provider=clusters["west"].kubernetes, depends_on=[placed_apps["app"]]),
)
"""

MISTAKES = [
    # Networks and clusters.
    Mistake(
        "subnet outside its network",
        "components/node_network.py",
        'address_prefix=args["node_subnet"],',
        'address_prefix="10.9.0.0/24",',
        r'Code="NetcfgSubnetRangeOutsideVnet" Message="Subnet \'aks-subnet-\w+\' is not valid because its IP address',
    ),
    Mistake(
        "networks with the same addresses",
        "components/node_network.py",
        '{"address_prefixes": [space]}',
        '{"address_prefixes": ["10.0.0.0/8"]}',
        r'Code="VnetAddressSpacesOverlap" .* Overlapping address prefixes: 10\.0\.0\.0/8',
    ),
    Mistake(
        "role of the wrong kind for joining a subnet",
        "components/roles.py",
        'NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"',
        'NETWORK_CONTRIBUTOR = "acdd72a7-3385-48ef-bd42-f606fba81ae7"',  # Reader
        r'"app-entry-point" .*\.status\.loadBalancer\.ingress',
    ),
    Mistake(
        "role for an identity that is taken for a user",
        "components/regional_cluster.py",
        "principal_id, type=authorization.PrincipalType.SERVICE_PRINCIPAL",
        "principal_id, type=authorization.PrincipalType.USER",
        r"Code=\"UnmatchedPrincipalType\" .* has type 'ServicePrincipal' , .* specified PrinciaplType 'User'",
    ),
    Mistake(
        "role by its bare GUID",
        "components/roles.py",
        """pulumi.Output.concat(
            subscription, "/providers/Microsoft.Authorization/roleDefinitions/", role
        )""",
        "role",
        r"roleDefinitionId: not a role definition id \(/subscriptions/…/providers/Microsoft\.Authorization/",
    ),
    Mistake(
        "misspelt key in a dictionary",
        "components/regional_cluster.py",
        '"service_cidr": ',
        '"service_cdir": ',
        r"-cluster: networkProfile\.service_cdir: unknown property 'service_cdir'; did you mean 'serviceCidr'\?",
    ),
    Mistake(
        "value that is nearly one of an enumeration",
        "components/regional_cluster.py",
        '"load_balancer_sku": "standard"',
        '"load_balancer_sku": "Standard "',
        r"-cluster: networkProfile\.loadBalancerSku: 'Standard ' is not one of 'standard', 'basic'",
    ),
    Mistake(
        "tier that is not on sale",
        "components/regional_cluster.py",
        'name="Base", tier=args["tier"]',
        'name="Base", tier="Gold"',
        r"-cluster: sku\.tier: 'Gold' is not one of 'Premium', 'Standard', 'Free'",
    ),
    Mistake(
        "number where a text is due",
        "components/regional_cluster.py",
        'kubernetes_version=args.get("kubernetes_version"),',
        "kubernetes_version=1.33,",
        r"-cluster: kubernetesVersion: expected a string, got a number",
    ),
    Mistake(
        "pod CIDR that the arguments' class adds",
        "components/regional_cluster.py",
        NETWORK_PROFILE,
        NETWORK_PROFILE_CLASS,
        r"-cluster: networkProfile\.podCidr: only an overlay network has a pod CIDR",
    ),
    Mistake(
        "DNS address outside the services' range",
        "components/regional_cluster.py",
        '"dns_service_ip": args["dns_service_ip"]',
        '"dns_service_ip": "10.9.0.10"',
        r"networkProfile\.dnsServiceIP: 10\.9\.0\.10 must be in the service CIDR 10\.0\.0\.0/16",
    ),
    Mistake(
        "more pods than the subnet has addresses for",
        "components/node_pools.py",
        '"max_pods": pool["max_pods"]',
        '"max_pods": 250',
        r'Code="InsufficientSubnetSize" Message="Pre-allocated IPs 753 exceeds IPs available 251 in Subnet Cidr 10\.',
    ),
    Mistake(
        "administrator's kubeconfig where there are no local accounts",
        "components/regional_cluster.py",
        "list_managed_cluster_user_credentials_output",
        "list_managed_cluster_admin_credentials_output",
        r"Getting static credential is not allowed because this cluster is set to disable local accounts",
        stack="prod",
    ),
    Mistake(
        "object on a member before the role on its cluster",
        "components/access.py",
        "pulumi.ResourceOptions(parent=parent, depends_on=grants)",
        "pulumi.ResourceOptions(parent=parent)",
        r'app-entry-point.* is forbidden: User "[-\w]+" cannot create resource "multiclusterservices" in API group',
        stack="prod",
        late="east-deployer",
        until="app-entry-point",
    ),
    # The fleet and its hub.
    Mistake(
        "fleet without a hub",
        "components/fleet_hub.py",
        "hub_profile=containerservice",
        "hub_profile=None and containerservice",
        r"fleet '/subscriptions/.*/fleets/gbb-fleet' has no hub, hence no credentials",
    ),
    Mistake(
        "log-in to the hub that waits for a person",
        "components/kubeconfig.py",
        '"--login", str(mode), *kept',
        '"--login", "devicecode", *kept',
        r"getting credentials: exec: kubelogin --login devicecode waits for a person to sign in; .* such as azurecli",
    ),
    Mistake(
        "kubeconfig of the hub as Azure lists it",
        "components/kubeconfig.py",
        "with_login(base64.b64decode(value).decode(), mode)",
        "base64.b64decode(value).decode()",
        r"getting credentials: exec: kubelogin --login devicecode waits for a person to sign in; .* such as azurecli",
    ),
    Mistake(
        "object on the hub before the role on it",
        "components/access.py",
        "pulumi.ResourceOptions(parent=parent, depends_on=grants)",
        "pulumi.ResourceOptions(parent=parent)",
        r'"app-namespace" .* namespaces is forbidden: User "[-\w]+" cannot create resource "namespaces" in API group',
        late="hub-deployer",
        until="app-namespace",
    ),
    # The fleet's updates.
    Mistake(
        "channel by the name that the SDK's enumeration has for it",
        "components/fleet_updates.py",
        'channel=args["channel"]',
        "channel=containerservice.UpgradeChannel.STABLE",
        r"updates-profile: channel: 'stable' is not one of 'NodeImage', 'Rapid', 'Stable'",
        stack="prod",
    ),
    # The app on the hub.
    Mistake(
        "forgotten skipAwait on the hub",
        "components/kubernetes_object.py",
        '"annotations": {"pulumi.com/skipAwait": "true"}',
        '"annotations": {} if manifest["kind"] == "Deployment" else {"pulumi.com/skipAwait": "true"}',
        r"'\S+' timed out waiting to be Ready: .* is forbidden: .* no such key: fleet\.azure\.com/reconcile",
    ),
    Mistake(
        "namespace that belongs to Kubernetes",
        "apps.py",
        "namespace=app.namespace",
        'namespace="kube-shop"',
        r"\"fleet\.namespace\.guardrail\.validating\" denied the request: .* not allowed to CREATE .*/kube-shop",
    ),
    Mistake(
        "namespace that every cluster has",
        "apps.py",
        "namespace=app.namespace",
        'namespace="default"',
        r'namespaces "default" already exists',
    ),
    Mistake(
        "fleet's objects on a member",
        "__main__.py",
        "internal=app.internal,\n            hub=fleet.kubernetes",
        'internal=app.internal,\n            hub=clusters["east"].kubernetes',
        r'"app-placement" with kind placement\.kubernetes-fleet\.io/v1/ClusterResourcePlacement failed because',
    ),
    # The placement.
    Mistake(
        "labels that no member has",
        "manifests/fleet/cluster-resource-placement.yaml",
        "values: ${members}",
        "values: [east, west]",
        r'"app-placement" .* timed out waiting for the condition: .* no condition ClusterResourcePlacementAvailable .*'
        r"last seen: ClusterResourcePlacementScheduled=True SchedulingPolicyFulfilled: .* found 0 cluster\(s\)",
    ),
    Mistake(
        "placement of one region only",
        "manifests/fleet/cluster-resource-placement.yaml",
        "values: ${members}",
        "values: [aks-eastus2]",
        r'"app-placement" .*: timed out .* \{\.status\.placementStatuses\[1\]\.clusterName\} selected nothing; '
        r"last seen: .*found 1 cluster\(s\).*ClusterResourcePlacementAvailable=True",
    ),
    Mistake(
        "placement of a namespace that is not there, which counts as available",
        "manifests/fleet/cluster-resource-placement.yaml",
        "kind: Namespace\n      name: ${namespace}",
        "kind: Namespace\n      name: ${service}",
        r'"app-entry-point" was not successfully created .*: namespaces "aks-store-demo" not found',
    ),
    Mistake(
        "number of clusters left out",
        "manifests/fleet/cluster-resource-placement.yaml",
        "placementType: PickAll",
        "placementType: PickN",
        r"spec\.policy: Invalid value: .* numberOfClusters must be set when placementType is PickN",
    ),
    # The export and the entry point.
    Mistake(
        "export that has not the name of a service",
        "manifests/fleet/service-export.yaml",
        "name: ${service}",
        "name: ${service}-export",
        r'"app-entry-point" .* Valid=Unknown .* please verify that service has been exported',
    ),
    Mistake(
        "entry point on the hub",
        "__main__.py",
        "kubernetes=clusters[entry.region].kubernetes",
        "kubernetes=fleet.kubernetes",
        r'"app-entry-point" .* timed out waiting for the condition: .* no condition Valid .*; last seen: no conditions',
    ),
    Mistake(
        "entry point in another version than the cluster serves",
        "manifests/fleet/multi-cluster-service.yaml",
        "networking.fleet.azure.com/v1alpha1",
        "networking.fleet.azure.com/v1beta1",
        r'"app-entry-point" with kind networking\.fleet\.azure\.com/v1beta1/MultiClusterService failed because',
    ),
    Mistake(
        "entry point that counts as done before it has an address",
        "components/entry_point.py",
        '"condition=Valid", "jsonpath={.status.loadBalancer.ingress[0].ip}"',
        '"condition=Valid"',
        r"outputs are unknown after an update: {.*'externalIp'",
    ),
    Mistake(
        "condition that the provider cannot read",
        "components/entry_point.py",
        '"condition=Valid", ',
        '"conditions=Valid", ',
        r'expected a "jsonpath=" or "condition=" prefix, got "conditions=Valid"',
    ),
    Mistake(
        "two entry points for one service",
        "__main__.py",
        "pulumi.run(outputs)\n",
        f"{SECOND_ENTRY_POINT}\npulumi.run(outputs)\n",
        r'"second-entry-point" .* Valid=Unknown .* service has been exported by other multiClusterService',
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])
def test_mistake_is_refused_with_its_reason(mistake: Mistake, tmp_path: Path) -> None:
    with pytest.raises((RefusedError, pulumi.RunError, KeyError, AssertionError), match=mistake.message):
        run_with(mistake, tmp_path)


def test_waiting_for_the_schedule_alone_ends_before_the_app_runs(tmp_path: Path) -> None:
    mistake = Mistake(
        "placement that counts as done once it is scheduled",
        "components/multi_cluster_app.py",
        '"ClusterResourcePlacementAvailable"',
        '"ClusterResourcePlacementScheduled"',
        "the placement is not available yet",
    )
    cloud = Cloud(idle_seconds=0.2)
    available: list[bool] = []

    def look(operation: Operation) -> None:
        if operation.call.name == "app-entry-point":
            placements = in_memory(cloud).hubs()[0].objects("ClusterResourcePlacement.placement.kubernetes-fleet.io")
            available.extend(is_true(each, "ClusterResourcePlacementAvailable") for each in placements)

    cloud.interceptors.append(Interceptor(before=look))
    run_with(mistake, tmp_path, cloud)
    assert available == [False]


def slow_cloud(late: str | None, until: str | None) -> Cloud:
    """Return a cloud that does one thing only after it has done another: what a missing edge allows now and then."""
    cloud, done = Cloud(idle_seconds=0.2), threading.Event()

    def wait(operation: Operation) -> None:
        if operation.call.name == late:
            done.wait(timeout=10)  # times out only if the dependency is there, so that there is no mistake

    def note(operation: Operation) -> None:
        if operation.call.name == until:
            done.set()

    cloud.interceptors.append(Interceptor(before=wait, after=note))
    return cloud


UNREACHABLE_PODS = [
    Mistake(
        "overlay network",
        "components/regional_cluster.py",
        NETWORK_PROFILE,
        NETWORK_PROFILE.replace('"azure",', '"azure",\n                "network_plugin_mode": "overlay",'),
        "no cluster may use an overlay network",
    ),
    Mistake(
        "peering that keeps the other network's traffic out",
        "components/peered_networks.py",
        "allow_virtual_network_access=True,",
        "allow_virtual_network_access=False,",
        "with allowVirtualNetworkAccess",
    ),
    Mistake(
        "peering in one direction",
        "components/peered_networks.py",
        "((a, b), (b, a)) for a, b in",
        "((a, b),) for a, b in",
        "the peering of both VNets as Connected",
    ),
]


@pytest.mark.parametrize("mistake", UNREACHABLE_PODS, ids=lambda mistake: mistake.name)
def test_pods_that_the_entry_point_cannot_reach_are_told_by_failed_requests(mistake: Mistake, tmp_path: Path) -> None:
    """Azure and Fleet accept these programs: they know the addresses, and do not ask whether a route leads there."""
    program = run_with(mistake, tmp_path)
    (result,) = (each for each in checked(program).values() if not each.ok)
    assert result.check == program.outputs["url"]
    assert re.fullmatch(r"answers \d+ of 20 requests: \d+ × 504 Gateway Timeout", result.found)  # noqa: RUF001
    assert mistake.message in result.remedy


def run_with(mistake: Mistake, root: Path, cloud: Cloud | None = None) -> Program:
    """Run a copy of the program in which the mistake is made."""
    copy(mistake, root)

    def program() -> None:
        asyncio.get_running_loop().set_exception_handler(say_nothing)
        runpy.run_path(str(root / "__main__.py"), run_name="__main__")

    with imports_from(root):
        config = stack_config(mistake.stack)
        cloud = cloud or slow_cloud(mistake.late, mistake.until)
        return run(program, stack=mistake.stack, config=config, cloud=cloud)


def say_nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep quiet about all that fails with a program after its first failure."""
    del loop, context


def copy(mistake: Mistake, root: Path) -> None:
    """Copy the program and make the mistake in the copy."""
    for folder in ("changes", "components", "manifests", "settings"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("__main__.py", "apps.py", "regions.py"):
        shutil.copy(ROOT / file, root)
    text = (root / mistake.file).read_text()
    assert text.count(mistake.old) == 1, f"{mistake.file} no longer has this once: {mistake.old}"
    (root / mistake.file).write_text(text.replace(mistake.old, mistake.new))


@contextmanager
def imports_from(root: Path) -> Generator[None]:
    """Import the program's modules from a copy, then from where they were before."""

    def forget() -> dict[str, ModuleType]:
        copied = {"apps", "changes", "components", "regions", "settings"}
        names = [name for name in sys.modules if name.partition(".")[0] in copied]
        return {name: sys.modules.pop(name) for name in names}

    imported = forget()
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        forget()
        sys.modules |= imported
