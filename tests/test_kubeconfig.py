"""How the program logs in to clusters."""

import pytest
import yaml

from components.kubeconfig import KubeloginMode, with_login
from tests.support.program import run_stack

ENTRA_ID = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "hub", "cluster": {"server": "https://hub.example:443"}}],
    "users": [
        {
            "name": "clusterUser",
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1beta1",
                    "command": "kubelogin",
                    "args": [
                        "get-token",
                        "--environment",
                        "AzurePublicCloud",
                        "--server-id",
                        "the-server",
                        "--client-id",
                        "the-client",
                        "--tenant-id",
                        "the-tenant",
                        "--login",
                        "devicecode",
                    ],
                    "provideClusterInfo": False,
                }
            },
        }
    ],
}


@pytest.mark.parametrize(
    ("mode", "flags"),
    [
        (KubeloginMode.AZURECLI, []),
        (KubeloginMode.WORKLOADIDENTITY, []),
        (KubeloginMode.MSI, []),
        (
            KubeloginMode.SPN,
            ["--client-id", "the-client", "--tenant-id", "the-tenant", "--environment", "AzurePublicCloud"],
        ),
    ],
)
def test_login_is_the_one_that_kubelogin_itself_would_write(mode: KubeloginMode, flags: list[str]) -> None:
    converted = yaml.safe_load(with_login(yaml.safe_dump(ENTRA_ID), mode))
    login = converted["users"][0]["user"]["exec"]
    assert login["args"] == ["get-token", "--login", mode, "--server-id", "the-server", *flags]
    assert login["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    assert converted["clusters"] == ENTRA_ID["clusters"]


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5", "token": "t"},
        {"exec": {"apiVersion": "v1", "command": "another-login", "args": ["--login", "devicecode"]}},
    ],
)
def test_other_ways_to_log_in_stay_as_they_are(user: dict[str, object]) -> None:
    config = ENTRA_ID | {"users": [{"name": "clusterUser", "user": user}]}
    assert yaml.safe_load(with_login(yaml.safe_dump(config), KubeloginMode.SPN)) == config


@pytest.mark.parametrize("mode", list(KubeloginMode))
def test_whole_program_logs_in_the_same_way_everywhere(mode: KubeloginMode) -> None:
    program = run_stack("prod", access={"kubeloginMode": mode})
    kubeconfigs = {"hub": program.outputs["hubKubeconfig"], **program.outputs["kubeconfigs"]}
    assert len(kubeconfigs) == 4
    for name, kubeconfig in kubeconfigs.items():
        (user,) = yaml.safe_load(kubeconfig)["users"]
        login = user["user"]["exec"]
        assert (login["command"], login["args"][:3]) == ("kubelogin", ["get-token", "--login", mode])
        assert "devicecode" not in kubeconfig
        assert user["user"].keys() == {"exec"}, "no local account"
        assert program[f"{name}-kubernetes"].inputs["kubeconfig"] == kubeconfig
