"""The command: what it prints, its status, how it waits, and where it gets its outputs."""

import base64
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from typing_extensions import override

from rehearsal.cluster.objects import Object
from rehearsal.tests.machine import command
from rehearsal.tests.objects import USER, service
from tests.support.program import ROOT
from tests.verify.conftest import Deployed
from verify import table
from verify.__main__ import main

WELL = [
    ("member east", "joined"),
    ("member west", "joined"),
    ("members of others", "none"),
    ("placement of shop", "available on 2 of 2"),
    ("pods on east", "2 of 2 ready"),
    ("pods on west", "2 of 2 ready"),
    ("export on east", "valid, no conflict"),
    ("export on west", "valid, no conflict"),
    ("entry point on east", "valid, {}"),
    ("endpoints of east", "2 behind the entry point"),
    ("endpoints of west", "2 behind the entry point"),
    ("http://{}", "answers 20 of 20 requests"),
]


def _delete_endpoints(deployed: Deployed, member: str) -> list[Object]:
    """Take a region's endpoints away, and return them."""
    slices = [
        item
        for item in deployed.east.list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system")
        if item["metadata"]["name"].startswith(f"{member}-")
    ]
    for item in slices:
        deployed.east.delete("discovery.k8s.io/v1", "EndpointSlice", item["metadata"]["name"], "fleet-system")
    return slices


def test_all_is_well(deployed: Deployed) -> None:
    status, text, progress = deployed.run()
    rows = [tuple(part.strip() for part in line.split("  ") if part.strip()) for line in text.splitlines()]
    address = deployed.outputs["externalIp"]
    assert rows == [("✓", check.format(address), found.format(address)) for check, found in WELL]
    assert (status, progress) == (0, "")


def test_remedies_are_in_one_line_each_however_narrow_the_terminal(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _delete_endpoints(deployed, "west")
    status, text, _ = deployed.run()
    assert status == 1
    _, remedies = text.split("\n\n", 1)
    assert remedies.splitlines() == [
        "endpoints of west",
        (
            "  once its Service, its pods and its export are healthy, let Fleet export the endpoints once more: "
            "`kubectl --kubeconfig west.kubeconfig annotate endpointslices --all --namespace shop --overwrite "
            'fleet-l4-lb/asked-again="$(date +%s)"`'
        ),
        "",
        "The kubeconfigs: docs/operations.md, “Kubeconfig files”",
    ]


def test_remedy_of_several_checks_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    table.show([table.Result(check, ok=False, found="dead", remedy="`revive`") for check in ("one", "other")])
    assert capsys.readouterr().out.splitlines()[2:] == ["", "one, other", "  `revive`"]


def test_json_is_one_object_and_nothing_else(deployed: Deployed) -> None:
    _delete_endpoints(deployed, "west")
    status, text, _ = deployed.run("--json")
    answer = json.loads(text)
    assert (status, answer["ok"], answer["url"]) == (1, False, deployed.outputs["url"])
    assert answer["checks"][9] == {
        "check": "endpoints of east",
        "ok": True,
        "found": "2 behind the entry point",
        "remedy": "",
    }
    assert [each["check"] for each in answer["checks"] if not each["ok"]] == ["endpoints of west"]


def test_json_in_a_file_comes_besides_the_table(deployed: Deployed, tmp_path: Path) -> None:
    status, text, _ = deployed.run("--json", str(tmp_path / "checks.json"))
    answer = json.loads((tmp_path / "checks.json").read_text())
    assert (status, answer["ok"], len(answer["checks"])) == (0, True, len(WELL))
    assert len(text.splitlines()) == len(WELL)


def test_file_that_cannot_be_written_is_told(deployed: Deployed, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "checks.json"
    status, _, told = deployed.run("--json", str(file))
    assert (status, told) == (2, f"error: cannot write {file}: No such file or directory\n")


def test_locale_without_the_tables_characters_does_not_matter(deployed: Deployed) -> None:
    deployed.outputs["url"] = "http://127.0.0.1:1"  # where nobody listens
    done = subprocess.run(
        [sys.executable, "-m", "verify", "--outputs", "-", "--timeout", "0"],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        input=json.dumps(deployed.outputs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "answers 0 of 20 requests: 20 ? Connection" in done.stdout


def test_address_is_not_tried_if_no_requests_are_wanted(deployed: Deployed) -> None:
    url = deployed.outputs["url"] = "http://192.0.2.1"  # where nobody answers
    status, text, _ = deployed.run("--json", "--requests", "0")
    (found,) = (each["found"] for each in json.loads(text)["checks"] if each["check"] == url)
    assert (status, found) == (0, "not tried (--requests 0)")


def test_waits_until_all_is_well(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = _delete_endpoints(deployed, "west")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        for item in slices:
            deployed.east.create(item)

    monkeypatch.setattr("verify.__main__.time.sleep", wait)
    status, text, progress = deployed.run(timeout=600)
    assert (status, len(waited)) == (0, 1)
    assert progress.endswith(" s until all checks pass: endpoints of west\n")
    assert "✗" not in text


def test_gives_up_when_the_time_is_over(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    _delete_endpoints(deployed, "west")
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("verify.__main__.time.sleep", wait)
    monkeypatch.setattr("verify.__main__.time.monotonic", lambda: now)
    status, _, progress = deployed.run(timeout=10)
    assert (status, now) == (1, 10)
    assert progress == "waiting up to 10 s until all checks pass: endpoints of west\n"  # once, as nothing changes


def _share(deployed: Deployed, *ports: dict[str, Any], url: str | None) -> str:
    """Give the shared Service other ports; return the address."""
    deployed.hub.apply(service(ports=[*ports]), user=USER)
    deployed.clusters.settle()
    deployed.outputs["ports"] = [{"port": each["port"], "protocol": each.get("protocol", "TCP")} for each in ports]
    address = deployed.outputs["externalIp"]
    deployed.outputs["url"] = url and url.format(address)
    return address


def _tried(deployed: Deployed) -> dict[str, str]:
    status, text, _ = deployed.run("--json")
    checks: list[dict[str, Any]] = json.loads(text)["checks"]
    assert status == int(any(not each["ok"] for each in checks))
    address = deployed.outputs["externalIp"]
    return {each["check"].replace(address, "IP"): each["found"] for each in checks[11:]}


def test_ports_that_are_not_http_are_connected_to_and_udp_is_not_tried(deployed: Deployed) -> None:
    game, both = {"name": "game", "port": 2456, "protocol": "UDP"}, {"name": "dns", "port": 53}
    _share(deployed, {"name": "mqtt", "port": 1883}, game, both, both | {"name": "u", "protocol": "UDP"}, url=None)
    untried = "not tried: UDP has no connections; use a client of its protocol"
    assert _tried(deployed) == {
        "IP:1883": "takes 20 of 20 connections",
        "IP:2456/UDP": untried,
        "IP:53": "takes 20 of 20 connections",
        "IP:53/UDP": untried,
    }


def test_https_is_asked_for_whatever_its_certificate(deployed: Deployed) -> None:
    ports = {"name": "https", "port": 8443}, {"name": "metrics", "port": 9090}
    _share(deployed, *ports, url="https://{}:8443")
    assert _tried(deployed) == {
        "https://IP:8443": "answers 20 of 20 requests, whatever its certificate",
        "IP:9090": "takes 20 of 20 connections",
    }


@pytest.mark.parametrize("url", ["http://{}:1883", "https://{}:1883"])
def test_port_that_speaks_something_else_answers_no_request(deployed: Deployed, url: str) -> None:
    _share(deployed, {"name": "mqtt", "port": 1883}, url=url)
    ((_, found),) = _tried(deployed).items()
    assert found.startswith("answers 0 of 20 requests")


def test_port_that_takes_no_connection_is_told_with_what_to_look_at(deployed: Deployed) -> None:
    address = _share(deployed, {"name": "game", "port": 1884, "protocol": "UDP"}, url=None)
    deployed.outputs["ports"] = [{"port": 1884, "protocol": "TCP"}]
    found, remedy = deployed.wrong()[f"{address}:1884"]
    assert found == "takes 0 of 20 connections: 20 × Tunnel connection failed: 504 Gateway Timeout"  # noqa: RUF001
    assert remedy.endswith(f"at your own firewall; `nc -vz {address} 1884`")


def test_connects_directly_where_there_is_no_proxy(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        deployed.outputs |= {"ports": [{"port": server.getsockname()[1], "protocol": "TCP"}], "url": None}
        deployed.outputs["externalIp"] = "127.0.0.1"
        assert "takes 20 of 20 connections" in deployed.run()[1]


def test_asks_as_often_as_it_is_told(deployed: Deployed) -> None:
    assert "answers 3 of 3 requests" in deployed.run("--requests", "3")[1]


# Where the outputs come from.


def _pulumi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command(folder / "pulumi", script)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_outputs_come_from_pulumi(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outputs.json").write_text(json.dumps(deployed.outputs))
    script = (
        f'test "$*" = "stack output --json --show-secrets --stack dev" && {shutil.which("cat")} {tmp_path}/outputs.json'
    )
    _pulumi(tmp_path / "bin", script, monkeypatch)
    assert main(["--stack", "dev", "--timeout", "0"]) == 0


def test_pulumi_that_fails_says_why_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _pulumi(tmp_path, "echo error: no stack named dev >&2; exit 255", monkeypatch)
    assert main(["--stack", "dev"]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "error: no stack named dev",
        "error: `pulumi stack output` failed; it says why above",
    ]


def test_no_pulumi(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([]) == 2
    assert "there is no `pulumi` on PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "the stack has no outputs: `pulumi up` has them once it has succeeded"),
        ({"url": None}, "these are not the outputs of this program (url, ports): `pulumi up` writes them anew"),
        ({"service": None}, "these are not the outputs of this program (service): `pulumi up` writes them anew"),
        ({"hubKubeconfig": "[secret]"}, "the kubeconfigs are hidden: `pulumi stack output --json --show-secrets`"),
        (
            {"kubeconfigs": {"east": "planted-secret"}},
            (
                "entryServices, entryAddresses, clusterIds, memberNames and kubeconfigs do not name the same regions: "
                "`pulumi up`"
            ),
        ),
        (
            {"kubeconfigs": ["planted-secret"]},
            "these are not the outputs of this program (kubeconfigs): `pulumi up` writes them anew",
        ),
    ],
)
def test_outputs_that_will_not_do(deployed: Deployed, changes: dict[str, Any] | None, message: str) -> None:
    if changes is None:
        deployed.outputs.clear()
    deployed.outputs |= changes or {}
    assert deployed.run() == (2, "", f"error: {message}\n")


def test_file_of_outputs_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--outputs", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"error: cannot read {tmp_path}/none: No such file or directory\n"


def test_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--timeout", "soon"])
    assert ended.value.code == 2


# Secrets.


def test_secrets_are_in_no_output_and_leave_no_file(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = yaml.safe_load(deployed.outputs["hubKubeconfig"])["users"][0]["user"]["token"]
    west = yaml.safe_load(deployed.outputs["kubeconfigs"]["west"])
    key = base64.b64encode(b"planted-key").decode()
    west["clusters"][0]["cluster"] |= {"server": "https://127.0.0.1:1", "certificate-authority-data": key}
    west["users"][0]["user"] |= {"client-certificate-data": key, "client-key-data": key}
    deployed.outputs["kubeconfigs"]["west"] = yaml.safe_dump(west)
    deployed.outputs["kubeconfigs"]["east"] = f"{{planted-text: {token}"
    modes: set[tuple[bool, int]] = set()

    class Seen(TemporaryDirectory[str]):
        @override
        def cleanup(self) -> None:
            files = [Path(self.name), *Path(self.name).rglob("*")]
            modes.update((file.is_dir(), stat.S_IMODE(file.stat().st_mode)) for file in files)
            super().cleanup()

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("verify.__main__.TemporaryDirectory", Seen)
    status, text, progress = deployed.run("--requests", "1")
    assert status == 1
    assert not [secret for secret in (token, key, "planted") if secret in text + progress]
    assert modes == {(True, 0o700), (False, 0o600)}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [None, ["any", "order"], {"east": "east", "west": "west"}])
def test_members_are_known_from_the_outputs_of_every_version(deployed: Deployed, names: object) -> None:
    if names is not None:
        deployed.outputs["memberNames"] = names
    assert deployed.run()[0] == 0


def test_member_is_called_as_the_outputs_say(deployed: Deployed) -> None:
    cluster = deployed.outputs["clusterIds"]["east"]
    deployed.outputs["memberNames"] = {
        region: each.rpartition("/")[2] for region, each in deployed.outputs["clusterIds"].items()
    }
    deployed.outputs["clusterIds"]["east"] = cluster.rpartition("/")[0] + "/AKS-Of-Another-Name"
    assert deployed.run()[0] == 0
