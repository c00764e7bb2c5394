"""Credentials are nowhere in clear but where they belong, also when something fails."""

import base64
import json
import os
import shutil
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from rehearsal.azure import credentials
from rehearsal.azure.arm import Subscription
from rehearsal.core import certificate
from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor
from rehearsal.stack import rehearsing
from tests.support.program import PROJECT, ROOT
from tests.support.stack import Stack, copy_program

PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nplanted-private-key\n-----END OPENSSH PRIVATE KEY-----\n"
# The program logs in with these, so the key is one.
MEMBER = certificate.issued("planted", "member")
MEMBER_KEY, MEMBER_CERTIFICATE = (base64.b64encode(each.encode()).decode() for each in (MEMBER.key, MEMBER.certificate))
MEMBER_TOKEN, HUB_TOKEN = "planted-member-token", "planted-hub-token"
APP_PASSWORD = "planted-app-password"
APP_SECRET = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: own}}\nstringData: {{password: {APP_PASSWORD}}}\n"


def forms(secret: str) -> list[str]:
    """Return a secret as it is, and what base64 makes of it wherever in a text it stands."""
    text = secret.encode()
    shifted = (base64.b64encode(b"-" * shift + text)[4 * (shift > 0) : -4].decode() for shift in range(3))
    return [secret, *shifted]


def leaks(text: str, *secrets: str) -> list[str]:
    return [secret for secret in secrets if any(form in text for form in forms(secret))]


class Watch:
    """What the engine says and does, and what all processes show of themselves at each of its operations."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.said: list[str] = []
        self.processes: set[str] = set()
        stack.cloud.interceptors.append(Interceptor(before=self._look))

    def run(self, operation: Callable[..., object], **options: Any) -> None:  # noqa: ANN401 - the Automation API's
        """Run an operation of the engine and listen to it."""
        operation(on_output=self.said.append, on_error=self.said.append, on_event=self._note, **options)

    @property
    def text(self) -> str:
        """The whole output and all errors."""
        return "\n".join(self.said)

    def _note(self, event: auto.EngineEvent) -> None:
        if not event.prelude_event:  # the configuration, which the user has in a file
            self.said.append(json.dumps(event, default=vars))

    def _look(self, _: Operation) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            for file in ("cmdline", "environ"):
                try:
                    self.processes.add((process / file).read_bytes().decode(errors="replace"))
                except OSError:
                    continue  # it has ended


def files(root: Path) -> Iterator[Path]:
    """Yield what a rehearsal has written, but for what stands for the imaginary cloud itself."""
    return (file for file in (root / ".rehearsal").rglob("*") if file.is_file() and not file.name.startswith("cloud."))


@contextmanager
def nothing_masked() -> Generator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdk_debug: Callable[..., None]) -> Iterator[Stack]:
    """A stack, not yet deployed, whose credentials we know; its Secret of the app is ours too."""
    monkeypatch.setattr(pulumi.log, "debug", sdk_debug)

    def user(*_: object) -> dict[str, str]:
        return {"client-certificate-data": MEMBER_CERTIFICATE, "client-key-data": MEMBER_KEY, "token": MEMBER_TOKEN}

    def token(*_: object) -> str:
        return MEMBER_TOKEN

    entra = credentials._exec_user  # pyright: ignore[reportPrivateUsage] - where the hub's credentials begin

    def entra_user(subscription: Subscription) -> dict[str, Any]:
        return entra(subscription) | {"token": HUB_TOKEN}

    monkeypatch.setattr(credentials, "_certificate_user", user)
    monkeypatch.setattr(credentials, "_token", token)
    monkeypatch.setattr(credentials, "_exec_user", entra_user)
    root = copy_program(tmp_path / "program")
    (root / "manifests").unlink()
    shutil.copytree(ROOT / "manifests", root / "manifests")
    (root / "manifests" / "app" / "own.yaml").write_text(APP_SECRET)
    # The folder of the program, that is, not the one of our links to it.
    (root / "__main__.py").unlink()
    shutil.copy(ROOT / "__main__.py", root)
    with nothing_masked(), rehearsing("dev", root) as rehearsal:
        yield Stack(root, rehearsal)


def test_credentials_are_shown_and_written_nowhere(planted: Stack) -> None:
    watch = Watch(planted)
    watch.run(planted.rehearsal.stack.up, debug=True)
    watch.run(planted.rehearsal.stack.refresh)
    outputs = planted.outputs()
    kubeconfigs = outputs["kubeconfigs"].value
    assert all(MEMBER_KEY in kubeconfigs[name] and MEMBER_TOKEN in kubeconfigs[name] for name in ("east", "west"))
    assert HUB_TOKEN in outputs["hubKubeconfig"].value
    secrets = [MEMBER_KEY, MEMBER_TOKEN, HUB_TOKEN, APP_PASSWORD, *planted.queue_credentials()]
    assert leaks((planted.root / ".rehearsal/dev/cloud.json").read_text(), *secrets) == secrets[3:]
    assert "resource registration prepared: ty=" in watch.text  # the SDK's debugging lines, too
    assert leaks(watch.text, *secrets) == []
    assert leaks("".join(watch.processes), *secrets) == []
    written = {file: leaks(file.read_text(errors="replace"), *secrets) for file in files(planted.root)}
    assert {"backups", "history", "stacks"} <= {part for file in written for part in file.parts}
    assert {file: found for file, found in written.items() if found} == {}


@pytest.mark.parametrize(
    "name", [pytest.param("app-secret-own", marks=pytest.mark.slow), "app-secret-rabbitmq", "app-entry-point"]
)
def test_failures_quote_no_credential(planted: Stack, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The stand-in itself breaks, with everything that it was asked in its error's message."""

    def break_down(operation: Operation) -> None:
        if operation.call.name == name:
            raise ValueError(operation, MEMBER_KEY, MEMBER_TOKEN, HUB_TOKEN, APP_PASSWORD)

    planted.cloud.interceptors.append(Interceptor(before=break_down))
    watch = Watch(planted)
    with pytest.raises(auto.CommandError) as failed:
        watch.run(planted.rehearsal.stack.up, debug=True)
    said = "\n".join([watch.text, str(failed.value), *capfd.readouterr()])
    secrets = [MEMBER_KEY, MEMBER_TOKEN, HUB_TOKEN, APP_PASSWORD]
    assert name in said
    assert leaks(said, *secrets) == []
    assert [file for file in files(planted.root) if leaks(file.read_text(errors="replace"), *secrets)] == []


@pytest.mark.slow
def test_private_key_in_place_of_the_public_one_is_not_repeated(empty: Stack) -> None:
    east, west = empty.config["regions"]
    for mistake in (PRIVATE_KEY, f"ssh-rsa AAAA me\n{PRIVATE_KEY}"):
        empty.configure(regions=[east | {"sshPublicKey": mistake}, west])
        watch = Watch(empty)
        with pytest.raises(auto.CommandError, match="is not a public key of OpenSSH") as failed:
            watch.run(empty.rehearsal.stack.up)
        assert leaks(f"{watch.text}{failed.value}", "planted-private-key") == []


@pytest.mark.slow
def test_secret_of_the_configuration_is_not_repeated(empty: Stack) -> None:
    for key in ("nameSuffix", "nameSufix"):
        empty.rehearsal.stack.set_config(f"{PROJECT}:{key}", auto.ConfigValue("planted-setting!", secret=True))
        watch = Watch(empty)
        with pytest.raises(auto.CommandError, match="The configuration has mistakes") as failed:
            watch.run(empty.rehearsal.stack.up)
        assert leaks(f"{watch.text}{failed.value}", "planted-setting") == []
    written = [file for file in files(empty.root) if leaks(file.read_text(errors="replace"), "planted-setting")]
    assert written == []


def test_only_the_owner_can_reach_what_a_rehearsal_writes_whatever_the_umask(planted: Stack) -> None:
    planted.preview()
    folder = planted.root / ".rehearsal"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("cloud.json", "lock"):
        assert stat.S_IMODE((folder / "dev" / name).stat().st_mode) == 0o600
