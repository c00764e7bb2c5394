"""The components for other programs: a package that can be installed, a provider with a schema that says everything."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components.alerts import AlertsArgs
from components.budget import BudgetArgs
from components.entry_guard import EntryGuardArgs
from components.existing_cluster import ExistingClusterArgs
from components.fleet_hub import FleetHubArgs
from components.fleet_updates import FleetUpdatesArgs
from components.global_address import GlobalAddressArgs
from components.global_load_balancer import GlobalLoadBalancerArgs
from components.maintenance import MaintenanceWindowsArgs
from components.monitoring import MonitoredClusterArgs, MonitoredFleetArgs, MonitoringArgs
from components.multi_cluster_app import MultiClusterAppArgs
from components.peered_networks import PeeredNetworksArgs
from components.regional_cluster import RegionalClusterArgs
from components.team_namespace import TeamNamespaceArgs
from tests.support.program import ROOT

ARGS: dict[str, tuple[Any, set[str]]] = {
    "RegionalCluster": (
        RegionalClusterArgs,
        {
            *("virtualNetwork", "networkGroup", "subnet", "subnetRole", "apiSubnetRole", "egress"),
            *("cluster", "userPool", "kubeconfig", "kubernetes"),
        },
    ),
    "ExistingCluster": (
        ExistingClusterArgs,
        {"virtualNetwork", "networkGroup", "subnet", "cluster", "kubeconfig", "kubernetes"},
    ),
    "PeeredNetworks": (PeeredNetworksArgs, {"last"}),
    "FleetHub": (FleetHubArgs, {"fleet", "group", "virtualNetwork", "members", "kubeconfig", "kubernetes"}),
    "FleetUpdates": (FleetUpdatesArgs, {"strategy", "profile"}),
    "Budget": (BudgetArgs, {"budget"}),
    "MultiClusterApp": (
        MultiClusterAppArgs,
        {"externalIp", "entryAddresses", "frontendIds", "url", "ports", "services"},
    ),
    "TeamNamespace": (TeamNamespaceArgs, set()),
    "EntryGuard": (EntryGuardArgs, set()),
    "GlobalAddress": (GlobalAddressArgs, {"ipAddress", "address", "group"}),
    "GlobalLoadBalancer": (GlobalLoadBalancerArgs, {"ipAddress"}),
    "Alerts": (AlertsArgs, set()),
    "MaintenanceWindows": (MaintenanceWindowsArgs, set()),
    "MonitoredCluster": (MonitoredClusterArgs, set()),
    "MonitoredFleet": (MonitoredFleetArgs, set()),
    "Monitoring": (
        MonitoringArgs,
        {"group", "workspaceId", "metricsWorkspaceId", "metricsLocation", "logRule", "metricsRule"},
    ),
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """What the provider says of itself, as `pulumi package get-schema` asks for it."""
    no_engine = "127.0.0.1:1"  # none is needed for that
    command = [sys.executable, str(ROOT / "provider"), no_engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as provider:  # noqa: S603 - our own
        try:
            assert provider.stdout
            port = provider.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)
                return json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
        finally:
            provider.terminate()


def test_provider_has_the_components_with_every_input_and_output(schema: Mapping[str, Any]) -> None:
    assert schema["resources"].keys() == {f"fleet-l4-lb:index:{name}" for name in ARGS}
    for name, (args, outputs) in ARGS.items():
        component = schema["resources"][f"fleet-l4-lb:index:{name}"]
        assert component["inputProperties"].keys() == {_camel(key) for key in args.__annotations__}
        assert set(component.get("requiredInputs", [])) == {_camel(key) for key in args.__required_keys__}
        assert component["properties"].keys() == outputs


def test_everything_in_the_schema_is_described(schema: Mapping[str, Any]) -> None:
    for token, what in (schema["resources"] | schema["types"]).items():
        assert what["description"], token
        for part in ("inputProperties", "properties"):
            for key, described in what.get(part, {}).items():
                assert described.get("description"), f"{token}: {key}"
        for value in what.get("enum", []):
            assert value.get("description"), f"{token}: {value['name']}"


@pytest.mark.slow
def test_package_installs_beside_a_folder_that_is_called_components(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("components", "fleet_clusters"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    target = tmp_path / "site-packages"
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)  # noqa: S603 - our own
    assert (target / "fleet_l4_lb" / "py.typed").exists()
    program = tmp_path / "program"
    (program / "components").mkdir(parents=True)
    (program / "components" / "__init__.py").touch()
    (program / "__main__.py").write_text(
        f"import sys; sys.path.insert(1, {str(target)!r})\nimport fleet_l4_lb\nprint(fleet_l4_lb.__file__)\n"
    )
    told = subprocess.run([sys.executable, program], check=True, capture_output=True, text=True)  # noqa: S603 - our own
    assert Path(told.stdout.strip()) == target / "fleet_l4_lb" / "__init__.py"


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(map(str.title, rest))
