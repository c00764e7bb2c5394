"""Who gets into real clusters: the login of the deploying identity, and what API servers are told about it."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.azure import kubelogin
from rehearsal.azure.login import SERVER_ID
from rehearsal.core.protocol import Call, Operation
from rehearsal.real.guard import Guard, guarding

CREATION = {"verb": "create", "group": "", "version": "v1", "resource": "namespaces"}


@pytest.fixture
def guard() -> Iterator[Guard]:
    with guarding("deployer", "a-token") as guard:
        yield guard


def ask(guard: Guard, user: str = "deployer", **attributes: str) -> dict[str, Any]:
    """Ask as an API server does, and return the review's status."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    body = json.dumps({**review, "spec": {"user": user, "resourceAttributes": attributes}}).encode()
    request = urllib.request.Request(guard.url("/fleets/hub") + "?timeout=30s", data=body, method="POST")  # noqa: S310 - loopback
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)["status"]


def run(command: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{command}:{os.environ['PATH']}"}
    return subprocess.run(["kubelogin", *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603, S607 - ours


def test_an_api_server_is_told_what_is_asked_of_which_cluster(guard: Guard) -> None:
    asked: list[tuple[str, Operation]] = []

    def allows(cluster: str, request: Operation) -> bool:
        asked.append((cluster, request))
        return True

    guard.allows = allows
    assert ask(guard, **CREATION) == {"allowed": True}
    assert ask(guard, **CREATION | {"verb": "patch", "group": "apps", "resource": "deployments"}) == {"allowed": True}
    assert ask(guard, **CREATION | {"verb": "list", "resource": "pods"}) == {"allowed": True}
    assert asked == [
        ("/fleets/hub", Operation("create", Call("kubernetes:core/v1:Namespace"))),
        ("/fleets/hub", Operation("update", Call("kubernetes:apps/v1:Deployment"))),
        ("/fleets/hub", Operation("read", Call("kubernetes:core/v1:Pod"))),
    ]


def test_who_has_no_role_is_refused_in_azures_words(guard: Guard) -> None:
    guard.allows = lambda _cluster, _request: False
    status = ask(guard, **CREATION)
    assert not status["allowed"]
    assert status["reason"].startswith("User does not have access to the resource in Azure.")


def test_of_anybody_else_nothing_is_said(guard: Guard) -> None:
    guard.allows = lambda _cluster, _request: True
    assert ask(guard, user="system:serviceaccount:fleet-system:member-east", **CREATION) == {"allowed": False}


def test_an_unattended_login_gets_the_token_that_stays_the_same(tmp_path: Path) -> None:
    token = kubelogin.token(tmp_path)
    result = run(kubelogin.install(tmp_path), "get-token", "--login", "azurecli", "--server-id", SERVER_ID)
    assert json.loads(result.stdout)["status"] == {"token": token}
    assert kubelogin.token(tmp_path) == token


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--server-id", SERVER_ID), "kubelogin --login devicecode waits for a person to sign in"),
        (("--server-id", SERVER_ID, "--login", "interactive"), "kubelogin --login interactive waits for a person"),
        (("--login", "azurecli"), "--server-id (none) is not the application"),
    ],
)
def test_another_login_is_refused(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    token = kubelogin.token(tmp_path)
    result = run(kubelogin.install(tmp_path), "get-token", *arguments)
    assert result.returncode
    assert reason in result.stderr
    assert token not in result.stdout + result.stderr
