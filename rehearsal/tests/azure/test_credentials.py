"""The kubeconfigs that Azure lists."""

import base64
import json

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import (
    Subscription,
)


def kubeconfig(result: Properties) -> Properties:
    return json.loads(base64.b64decode(result["kubeconfigs"][0]["value"]))


@pytest.mark.recording("hub-kubeconfig")
def test_a_hubs_kubeconfig_asks_entra_id(sub: Subscription) -> None:
    sub.group()
    _, outputs = sub.fleet(hubProfile={})
    config = kubeconfig(sub.invoke("listFleetCredentials", resourceGroupName="rg", fleetName="fleet"))
    assert config["current-context"] == "hub"
    assert config["users"][0]["name"] == "clusterUser_FL_rg_fleet_eastus2_hub"
    assert config["clusters"][0]["cluster"]["server"] == f"https://{outputs['hubProfile']['fqdn']}:443"
    plugin = config["users"][0]["user"]["exec"]
    assert plugin["command"] == "kubelogin"
    assert plugin["args"][-2:] == ["--login", "devicecode"]
    assert "6dae42f8-4368-4678-94ff-3960e28e3630" in plugin["args"]


def test_a_fleet_without_a_hub_has_no_credentials(sub: Subscription) -> None:
    sub.group()
    sub.fleet()
    with pytest.raises(RefusedError, match="no hub"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg", fleetName="fleet")


@pytest.mark.recording("cluster-kubeconfig")
def test_local_accounts_have_a_certificate_of_their_own(sub: Subscription) -> None:
    inputs = sub.place()
    users: list[Properties] = []
    for name in ("aks", "aks2"):
        sub.create("ManagedCluster", **{**inputs, "resourceName": name})
        result = sub.invoke("listManagedClusterUserCredentials", resourceGroupName="rg", resourceName=name)
        assert result == sub.invoke("listManagedClusterUserCredentials", resourceGroupName="rg", resourceName=name)
        assert kubeconfig(result)["current-context"] == name
        assert kubeconfig(result)["users"][0]["name"] == f"clusterUser_rg_{name}"
        users.append(kubeconfig(result)["users"][0]["user"])
    for key in ("client-certificate-data", "client-key-data", "token"):
        assert users[0][key] != users[1][key]
    assert b"PRIVATE KEY-----" in base64.b64decode(users[0]["client-key-data"])


def test_credentials_differ_between_subscriptions() -> None:
    def token() -> str:
        sub = Subscription()
        sub.create("ManagedCluster", **sub.place())
        result = sub.invoke("listManagedClusterUserCredentials", resourceGroupName="rg", resourceName="aks")
        return kubeconfig(result)["users"][0]["user"]["token"]

    assert token() != token()


def test_without_local_accounts_there_are_no_admin_credentials(sub: Subscription) -> None:
    inputs = sub.place()
    args = {"resourceGroupName": "rg", "resourceName": "aks"}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    assert "token" in kubeconfig(sub.invoke("listManagedClusterAdminCredentials", **args))["users"][0]["user"]
    sub.update("ManagedCluster", cluster_id, **inputs, disableLocalAccounts=True, aadProfile={"managed": True})
    with pytest.raises(RefusedError, match="Getting static credential is not allowed"):
        sub.invoke("listManagedClusterAdminCredentials", **args)
    assert "exec" in kubeconfig(sub.invoke("listManagedClusterUserCredentials", **args))["users"][0]["user"]
    old = kubeconfig(sub.invoke("listManagedClusterUserCredentials", **args, format="azure"))
    assert "auth-provider" in old["users"][0]["user"]
