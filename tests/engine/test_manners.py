"""What a rehearsal says when something is not as it should be: once, in one line, with what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rehearsal import stack as stacks
from rehearsal.core.errors import RehearsalError
from rehearsal.stack import KEPT_LOGS, prune, rehearsing, settings_of
from tests.engine.test_safety import rehearse
from tests.support.stack import Stack, copy_program

pytestmark = pytest.mark.slow

PROFILES = Path(__file__).parents[2] / "rehearsal" / "faults" / "profiles"


def _truncate(path: Path, size: int = 5000) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _state(folder: Path) -> Path:
    return next((folder / "backend").glob(".pulumi/stacks/*/dev.json"))


BROKEN: dict[str, Callable[[Path], object]] = {
    "truncated cloud": lambda folder: _truncate(folder / "cloud.json"),
    "empty cloud": lambda folder: (folder / "cloud.json").write_text(""),
    "list": lambda folder: (folder / "cloud.json").write_text("[]"),
    "null": lambda folder: (folder / "cloud.json").write_text("null"),
    "folder": lambda folder: _replace_by_folder(folder / "cloud.json"),
    "wrong section": lambda folder: (folder / "cloud.json").write_text('{"azure": 5}'),
    "wrong content": lambda folder: (folder / "cloud.json").write_text('{"kubernetes": {"clusters": [1]}}'),
    "newer version": lambda folder: (folder / "cloud.json").write_text('{"version": 1000}'),
    "no cloud": lambda folder: (folder / "cloud.json").unlink(),
    "no state": lambda folder: shutil.rmtree(folder / "backend"),
    "file for a folder": lambda folder: (shutil.rmtree(folder / "home"), (folder / "home").touch()),
    "folder for a file": lambda folder: _replace_by_folder(folder / "lock"),
    "truncated state": lambda folder: _truncate(_state(folder)),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_folder_that_cannot_be_read_is_named_with_the_way_out(deployed: Path, tmp_path: Path, broken: str) -> None:
    root = Path(shutil.copytree(deployed, tmp_path / "program", symlinks=True))
    folder = root / ".rehearsal" / "dev"
    BROKEN[broken](folder)
    with pytest.raises(RehearsalError) as error, rehearsing("dev", root):
        pass
    assert "\n" not in str(error.value)
    assert f"remove {folder} to start again" in str(error.value)


def test_a_cloud_of_before_versions_is_read(deployed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(deployed, tmp_path / "program", symlinks=True))
    file = root / ".rehearsal" / "dev" / "cloud.json"
    content = json.loads(file.read_text())
    assert content.pop("version") == 1
    file.write_text(json.dumps(content))
    with rehearsing("dev", root) as rehearsal:
        assert Stack(root, rehearsal).preview().changes == {}


def test_where_nothing_can_be_written_one_line_says_so(tmp_path: Path) -> None:
    root = copy_program(tmp_path / "program")
    (root / ".rehearsal").write_text("")
    with (
        pytest.raises(RehearsalError, match=r"\.rehearsal/?.*: (Not a directory|File exists)"),
        rehearsing("dev", root),
    ):
        pass


def test_without_space_nothing_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_LEAST_FREE", 2**60)
    with (
        pytest.raises(RehearsalError, match=r"MB are free .*: free some space"),
        rehearsing("dev", copy_program(tmp_path / "p")),
    ):
        pass


def test_the_engines_logs_do_not_pile_up(empty: Stack) -> None:
    logs = empty.root / ".rehearsal" / "dev" / "home" / "logs"
    logs.mkdir(exist_ok=True)
    for number in range(100):
        (logs / f"{number}.log").touch()
    prune(logs)
    assert len(list(logs.iterdir())) == KEPT_LOGS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"config:\n\tfleet-l4-lb:regions: []\n", r"Pulumi\.dev\.yaml:2: found character '\\t'"),
        ("config:\n  a: k\u00fcche\n".encode("latin-1"), r"Pulumi\.dev\.yaml:2: this is not UTF-8"),
        (b"config:\n  a: \x07\n", r"Pulumi\.dev\.yaml:2: special characters are not allowed"),
        (b"- a\n", r"Pulumi\.dev\.yaml:1: this is not a map"),
        (b"environment: [prod]\nconfig: {}\n", r"Pulumi Cloud environment"),
        (b"secretsprovider: azurekeyvault://v\nconfig: {}\n", r"only their owner can open \(secretsprovider\)"),
        (b"config:\n  a: {b: [{secure: v1:abc}]}\n", r"only their owner can open \(secure\)"),
    ],
)
def test_a_stack_file_that_cannot_be_rehearsed_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    root = copy_program(tmp_path / "program")
    (root / "Pulumi.dev.yaml").write_bytes(content)
    with pytest.raises(RehearsalError, match=message), rehearsing("dev", root):
        pass


@pytest.mark.parametrize(
    "tags", [{"secure": "yes", "team": "shop"}, {"secure": True}, {"environment": "prod"}, {"secretsprovider": "x"}]
)
def test_what_only_looks_like_a_secret_is_none(tmp_path: Path, tags: dict[str, object]) -> None:
    root = copy_program(tmp_path / "program")
    text = yaml.safe_dump({"config": {"fleet-l4-lb:tags": tags}})
    (root / "Pulumi.dev.yaml").write_text(text)
    assert settings_of(root, "dev") == text


@pytest.mark.parametrize(
    ("stack", "folder", "message"),
    [
        ("dev", "nope", "there is no folder .*nope"),
        ("dev", "", r"there is no Pulumi\.yaml in .*"),
        ("../dev", "program", r"there is no stack \.\./dev; the stacks of .*program are: dev, prod"),
    ],
)
def test_a_stack_that_is_not_there_is_named(tmp_path: Path, stack: str, folder: str, message: str) -> None:
    copy_program(tmp_path / "program")
    with pytest.raises(RehearsalError, match=message), rehearsing(stack, tmp_path / folder):
        pass


def test_a_mistake_is_told_once(empty: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    empty.configure(regions=[])
    with pytest.raises(RehearsalError):
        empty.rehearsal.preview()
    told = capsys.readouterr().out
    assert "unhandled" not in told
    assert told.count("regions: ") == 1


@pytest.mark.usefixtures("no_pauses")
def test_a_destruction_waits_for_what_passes(stack: Stack) -> None:
    stack.refuse("delete", "east-group", 'Status=409 Code="AnotherOperationInProgress"')
    stack.rehearsal.destroy()
    assert stack.cloud.is_empty()


def test_a_stack_that_is_not_complete_is_destroyed_without_the_program(
    empty: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.refuse("create", "west-cluster", 'Status=400 Code="QuotaExceeded"')
    with pytest.raises(RehearsalError):
        empty.rehearsal.up()
    empty.rehearsal.destroy()
    assert empty.cloud.is_empty()
    assert "You can remove" in capsys.readouterr().out


def test_faults_that_no_operation_meets_are_named(deployed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(deployed, tmp_path / "program", symlinks=True))
    told = rehearse(root, "up", "--faults", str(PROFILES / "quota.yaml")).stderr
    assert "not injected, because no operation matched it: fault: QuotaExceeded" in told
    assert "make rehearse-destroy" in told


def test_a_locale_without_the_reports_characters_does_not_matter(deployed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(deployed, tmp_path / "program", symlinks=True))
    done = rehearse(root, "up", environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.returncode == 0, done.stderr
    assert "\u2192" in (root / ".rehearsal" / "dev" / "report.html").read_text(encoding="utf-8")


def test_there_is_nothing_to_verify_before_a_deployment(tmp_path: Path) -> None:
    done = rehearse(copy_program(tmp_path / "program"), "verify")
    assert done.returncode == 2
    assert "has no outputs to check" in done.stderr
