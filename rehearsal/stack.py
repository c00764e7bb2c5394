"""One stack of the program under the real engine, with its state in a folder that git ignores."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from pulumi import automation as auto

from rehearsal.api_servers import ApiServers
from rehearsal.azure import kubelogin
from rehearsal.cloud import Cloud
from rehearsal.cluster.http_gateway import HttpGateway, open_http_gateway
from rehearsal.cluster.objects import annotations_of, name_of
from rehearsal.core.environment import neutral, reach_loopback
from rehearsal.core.errors import ApiError, RefusedError, RehearsalError, UnknownTypeError, UnreadableError
from rehearsal.core.parsing import parsed
from rehearsal.core.protocol import Call
from rehearsal.core.store import Store
from rehearsal.engine.command import EngineCommand
from rehearsal.engine.grpc_server import serve
from rehearsal.engine.handle import FolderWorkspace, Handle
from rehearsal.engine.install import find_engine
from rehearsal.engine.program import Program, adapt_sdk, failures, served
from rehearsal.fleet import traffic
from rehearsal.real.clusters import RealClusters, real_clusters
from rehearsal.real.internet import Internet

ROOT = Path(__file__).parents[1]

_HELD_BACK = "fleet-l4-lb/held-back"  # the annotation of the program's guard

# Not a secret: the state is of a cloud that does not exist, and only its owner can read the folder.
_PASSPHRASE = "rehearsal"  # noqa: S105

_ENGINE_END_SECONDS = 15  # seconds until an engine has ended after its program and its providers were killed

_LANGUAGE = Path(__file__).parent / "engine" / "plugins" / "language.py"

_RUNS_PROGRAM = ("preview", "up", "refresh", "destroy")  # commands that may run the program

_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)  # of a stack (pulumi v3.274.1, sdk/go/common/tokens/names.go)

_LEAST_FREE = 50 * 2**20  # bytes; 20 regions take about a tenth of it, and each update adds to the history

KEPT_LOGS = 20  # files, of the last two or three runs

_KEPT = ("backend", "cloud.json", "clusters", "project")  # parts of a stack's folder: state, cloud, salt

_LONG_AGO = 600  # simulated seconds after which Fleet has rolled a change out and noticed stopped parts

_NOTHING = 2  # `verify`'s exit status if it cannot read the outputs

_VERIFIED: Final = {"clusterIds", "fleetId", "hubKubeconfig", "kubeconfigs"}  # outputs for `verify`
_VERIFIED_APP: Final = {"entryAddresses", "entryServices", "externalIp"}  # or `apps`, which has them for each

_DONE: Final = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
}

_T = TypeVar("_T")


class Rehearsal:
    """A stack with its running engine and stand-in, as `rehearsing` yields it.

    Attributes:
        stack: the Automation API's handle.
        cloud: the model behind the stand-in.
        environment: all of the engine's environment.
        cluster_environment: the environment variables with which a program reaches the clusters.
        gateway: the HTTP proxy through which other programs reach the clusters and the internet.
    """

    def __init__(  # noqa: PLR0913 - the parts that `rehearsing` creates
        self,
        stack: Handle,
        cloud: Cloud,
        engine: EngineCommand,
        root: Path,
        *,
        cluster_environment: Mapping[str, str],
        gateway: HttpGateway,
    ) -> None:
        self.stack = stack
        self.cloud = cloud
        self.cluster_environment = cluster_environment
        self.gateway = gateway
        self.environment = engine.environment
        self._engine = engine
        self._root = root

    def preview(self, policies: Sequence[Path] = (), policy_configs: Sequence[Path] = ()) -> None:
        """Show what `up` would do.

        Args:
            policies: the folders of policy packs to check the plan against.
            policy_configs: their configurations, in the same order.

        Raises:
            RehearsalError: if it fails, or if the engine used other providers than the stand-in's.
        """
        asked, planned = self.cloud.asked, False

        def note(event: auto.EngineEvent) -> None:
            nonlocal planned
            step = event.resource_pre_event
            planned = planned or (step is not None and step.metadata.type.partition(":")[0] in self.cloud.packages)

        self._stream(
            self.stack.preview,
            on_event=note,
            policy_packs=list(map(str, policies)),
            policy_pack_configs=list(map(str, policy_configs)),
        )
        if planned and self.cloud.asked == asked:
            raise RehearsalError("the engine did not ask the stand-in for this plan; nothing was done")

    def up(self) -> int:
        """Preview, update, check and report; return 1 if a check of `verify` fails."""
        changes: dict[auto.OpType, int] = {}

        def note(event: auto.EngineEvent) -> None:
            if event.summary_event:
                changes.update(event.summary_event.resource_changes)

        self.preview()
        self._stream(self.stack.up, on_event=note, show_secrets=False, suppress_outputs=True)
        if set(changes) == {"same"}:
            _print("No changes.")
        self._show_outputs()
        status, checks = self._check(self.stack.outputs())
        done = ", ".join(f"{count} {_DONE.get(what, what)}" for what, count in changes.items())
        self._write_report(done, checks)
        return status

    def refresh(self) -> int:
        """Read all resources from the stand-in, and check; return 1 if a check of `verify` fails."""
        self._stream(self.stack.refresh, show_secrets=False, suppress_outputs=True)
        self._show_outputs()
        status, _ = self._check(self.stack.outputs())
        return status

    def verify(self, *options: str) -> int:
        """Run `verify` on the deployment, and return its exit status."""
        outputs = self.stack.outputs()
        if not outputs:
            _warn(f"Stack {self.stack.name} has no outputs to check: `make rehearse` has them once it has succeeded.")
            return _NOTHING
        return self._verify(outputs, *options)

    def destroy(self) -> None:
        """Delete all resources, with the program if possible, because its error hooks retry temporary errors."""
        # The Automation API runs no preview, in which the engine would refuse this before anything is deleted.
        resources: list[dict[str, Any]] = self._ask("export")["deployment"].get("resources") or []
        if protected := [each["urn"].rpartition("::")[2] for each in resources if each.get("protect")]:
            raise RehearsalError(
                f"{', '.join(protected)} are protected: set `protect: false` in Pulumi.{self.stack.name}.yaml and "
                "rehearse that first"
            )
        failed = failures()
        try:
            self._destroy(run_program=True)
        except RehearsalError:
            if failures() == failed:
                raise
            # On an incomplete stack, the engine lacks outputs that the program needs.
            _print("\nThe program cannot run on this incomplete stack. Destroying without it: pulumi destroy\n")
            self._destroy(run_program=False)
        _print(f"Destroyed. You can remove {_shown(Path(self.stack.workspace.work_dir).parent)}.")

    def _destroy(self, *, run_program: bool) -> None:
        over = False

        def print_until_end(line: str) -> None:
            # The engine ends with advice on the history and `pulumi stack rm`, which a rehearsal does not need.
            nonlocal over
            over = over or line.startswith("The resources in the stack have been deleted")
            if not over:
                _print(line)

        self._stream(self.stack.destroy, on_line=print_until_end, show_secrets=False, run_program=run_program)

    def pulumi(self, arguments: Sequence[str]) -> int:
        """Run a `pulumi` command on the stack, at the terminal, and return its exit status."""
        with served(Program(_main(self._root), self.cluster_environment)) as address:
            at = next((index for index, each in enumerate(arguments, 1) if each in _RUNS_PROGRAM), 0)
            client = [f"--client={address}"] if at else []
            return self._engine.run_interactively([*arguments[:at], *client, *arguments[at:]], self._root)

    def _stream(
        self,
        operation: Callable[..., _T],
        on_line: Callable[[str], object] | None = None,
        **options: Any,  # noqa: ANN401 - the operation's own
    ) -> _T:
        color = "always" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else "never"
        try:
            return operation(color=color, on_output=on_line or _print, on_error=_print, **options)
        except auto.CommandError:
            raise RehearsalError(f"{operation.__name__} did not succeed; the engine says why above") from None

    def _check(self, outputs: auto.OutputMap) -> tuple[int, list[tuple[str, bool | None, str]]]:
        """Run `verify`; return its status, and each check's name, whether it passed, and its finding."""
        if not (ROOT / "verify").is_dir():
            _print("Not checked: `verify` is not installed beside the rehearsal.")
            return 0, []
        needed = _VERIFIED if "apps" in outputs else _VERIFIED | _VERIFIED_APP
        if missing := sorted(needed - outputs.keys()):
            _print(
                f"Not checked: the stack lacks outputs that `verify` reads ({', '.join(missing)}): see docs/reuse.md."
            )
            return 0, []
        file = Path(self.stack.workspace.work_dir).resolve().parent / "verified.json"
        file.unlink(missing_ok=True)
        status = self._verify(outputs, "--json", str(file))
        if not file.exists():
            return 0 if status == _NOTHING else status, []
        if status:
            _print("\n`make rehearse-verify` checks again.")
        checks = json.loads(file.read_text(encoding="utf-8"))["checks"]
        return status, [(each["check"], each["ok"], each["found"]) for each in checks]

    def _verify(self, outputs: auto.OutputMap, *options: str) -> int:
        self.cloud.pass_time(_LONG_AGO)
        values = {name: output.value for name, output in outputs.items()}
        # There is no client in the network of a private address.
        command = [sys.executable, "-m", "verify", "--outputs", "-", "--public-only", *options]
        if not isinstance(self.cloud.clusters, RealClusters):
            command += ["--timeout", "0"]  # clusters in memory have finished their work
        environment = {**os.environ, **self.cluster_environment, **self.gateway.environment()}
        return subprocess.run(  # noqa: S603 - no shell, and nothing in it comes from outside
            command, input=json.dumps(values), text=True, cwd=ROOT, env=environment, check=False
        ).returncode

    def _show_outputs(self) -> None:
        outputs: dict[str, object] = self._ask("output", "--json")
        width = max(map(len, outputs), default=0)
        _print("")
        for name, value in sorted(outputs.items()):
            _print(f"{name:{width}}  {value if isinstance(value, str) else json.dumps(value)}")
        _print("")

    def _write_report(self, done: str, checks: Sequence[tuple[str, bool | None, str]]) -> None:
        """Print how long Azure would take, and write the report."""
        from rehearsal.timing import durations, report, schedule, summary  # noqa: PLC0415 - slow to import, and only `up` needs them

        path = Path(self.stack.workspace.work_dir).parent / "report.html"
        try:
            state, table = schedule.resources(self._ask("export")), durations.load()
            outcome = report.Outcome(self.stack.name, done, checks, self._held_back(state))
            lines = summary.summary(state, table)
            report.write(path, outcome, state, table)
        except UnknownTypeError as error:
            _print(f"\nreport  none: {error}")
            return
        _print("\n" + "\n".join(lines))
        _print(f"\nreport  {os.path.relpath(path)}")

    def _held_back(self, state: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
        """Return the names of the EndpointSlices that the guard of each cluster holds back, by the cluster's ID."""
        found: dict[str, list[str]] = {}
        for each in state:
            if cluster := self.cloud.clusters.get(str(each.get("id", ""))):
                with suppress(ApiError):  # its region is lost
                    slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system")
                    found[cluster.id] = [name_of(item) for item in slices if _HELD_BACK in annotations_of(item)]
        return found

    def _ask(self, *command: str) -> dict[str, Any]:
        """Return the JSON output of `pulumi stack`, with secrets hidden at any depth."""
        # The Automation API would first ask for all secrets in clear.
        return json.loads(self._engine.run(["stack", *command], self.stack.workspace.work_dir, {}).stdout)


@contextmanager
def rehearsing(stack: str, root: Path = ROOT, *, real_fleet: bool = False) -> Generator[Rehearsal]:
    """Start the stand-in with the cloud of the stack's earlier runs, and attach the engine to it.

    Args:
        stack: the stack's name; its file `Pulumi.<stack>.yaml` is read, and never written.
        root: the program's folder. All files are written to `.rehearsal/<stack>` in it, or with a real Fleet to
            `.rehearsal/<stack>.real`: two different clouds.
        real_fleet: whether clusters are real API servers with Fleet's own controllers, rather than in memory.

    Raises:
        RehearsalError: if the stack has no file, has encrypted secrets, or is in use; if the files of earlier runs
            cannot be read or do not match; if there is no space, or no right to write.
        EngineError: if there is no usable engine.
    """
    reach_loopback()
    adapt_sdk()
    settings = settings_of(root, stack)
    command = find_engine()
    folder = root / ".rehearsal" / (f"{stack}.real" if real_fleet else stack)
    project = folder / "project"
    backend = folder / "backend"
    home = folder / "home"
    updating = folder / "updating"
    with ExitStack() as resources:
        with _preparing(folder):
            for each in (folder.parent, folder, project, backend, home):
                each.mkdir(mode=0o700, exist_ok=True)
            _require_space(folder)
            lock = resources.enter_context(_locked(folder, stack))
            if updating.exists() or _is_cut_off(backend):
                restore(folder)
                updating.unlink(missing_ok=True)
            _copy(folder, folder / "before")
            prune(home / "logs")
            _install_language(home / "plugins")
            remembered = (folder / "cloud.json").exists()
            clusters = resources.enter_context(real_clusters(folder / "clusters")) if real_fleet else None
            cloud = _cloud(folder / "cloud.json", clusters)
            port = resources.enter_context(serve(cloud))
            gateway, cluster_environment = resources.enter_context(open_gateway(cloud, folder))
            # Commands without a --config-file, such as the creation of a stack, would write the salt of its secrets
            # into the program's own stack file. They run in a folder with a copy of it; other commands get the copy's
            # path.
            copy = project / f"Pulumi.{stack}.yaml"
            copy.write_text(settings + _salt(copy), encoding="utf-8")
            shutil.copy(root / "Pulumi.yaml", project)
            engine = EngineCommand(
                command,
                neutral()
                | cluster_environment
                | {
                    # Hides the user's log-in to Azure.
                    "AZURE_CONFIG_DIR": str(home / "azure"),
                    # No attribute files: they are not written atomically, and a kill during a write would make the
                    # state unreadable (gocloud.dev v0.46, blob/fileblob/attrs.go).
                    "PULUMI_BACKEND_URL": f"file://{quote(str(backend))}?metadata=skip",
                    "PULUMI_CONFIG_PASSPHRASE": _PASSPHRASE,
                    # After the stand-in has ended, nothing answers at this port, and the engine fails.
                    "PULUMI_DEBUG_PROVIDERS": ",".join(f"{package}:{port}" for package in cloud.packages),
                    # No other provider can be started: none is in this home or taken from PATH, and none is downloaded.
                    # With real clusters, the real Kubernetes provider is the exception.
                    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                    "PULUMI_HOME": str(home),
                    "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
                    "PULUMI_OPTION_CONFIG_FILE": str(copy),
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    "PULUMI_STACK": stack,
                }
                | (cloud.clusters.for_engine(home) if isinstance(cloud.clusters, RealClusters) else {}),
                lock,
                updating,
            )
            _require_backend(engine, project)
            if isinstance(cloud.clusters, RealClusters) and not (provider := cloud.clusters.provider).is_of_sdk:
                _warn(
                    f"The Kubernetes provider is {provider.version}, built from source; the SDK's is "
                    f"{provider.expected}, which cannot be downloaded here."
                )
            workspace = FolderWorkspace(
                backend,
                work_dir=str(project),
                secrets_provider="passphrase",  # set at the stack's creation, so that the salt is stored in this folder
                program=Program(_main(root), cluster_environment),
                pulumi_command=engine,
            )
            had_state = any(backend.glob(".pulumi/stacks/**/*.json"))
            handle = Handle(stack, workspace)
            has_state = _has_resources(backend)
            if remembered and not had_state and not cloud.is_empty():
                raise UnreadableError(f"{_shown(folder)} has a cloud (cloud.json) and no state (backend)")
            if not remembered and has_state:
                raise UnreadableError(f"{_shown(folder)} has a state (backend) and no cloud (cloud.json)")
            cloud.azure.runner_network = prepare_existing(cloud, root / "existing.yaml")
        yield Rehearsal(handle, cloud, engine, root, cluster_environment=cluster_environment, gateway=gateway)


def prepare_existing(cloud: Cloud, file: Path) -> str:
    """Make the resources that exist before a program's first `up` in an empty cloud, if the program has a file of them.

    The file has `resources`, each with `type` and `inputs` as the engine would send them, and `runnerNetwork`, the ID
    of the VNet in which the program runs.

    Returns:
        that ID; empty if it is not known.
    """
    if not file.is_file():
        return ""
    content = parsed(file, file.name)
    try:
        for resource in content.get("resources", ()) if cloud.is_empty() else ():
            call = Call(resource["type"], "existing")
            inputs, problems = cloud.azure.check(call, resource["inputs"])
            if problems:
                raise RehearsalError(f"{_shown(file)}: {resource['type']}: {problems[0].path}: {problems[0].reason}")
            cloud.azure.create(call, inputs)
    except (KeyError, TypeError, RefusedError) as error:
        raise RehearsalError(f"{_shown(file)}: a resource cannot be made: {error}") from None
    return str(content.get("runnerNetwork", ""))


def _is_cut_off(backend: Path) -> bool:
    """Return whether an engine was killed: its lock or pending operations are still in the backend."""
    if any(backend.glob(".pulumi/locks/**/*.json")):
        return True
    return any(b'"pending_operations"' in file.read_bytes() for file in backend.glob(".pulumi/stacks/**/*.json"))


def restore(folder: Path) -> None:
    """Restore a stack's folder to the copy from before a killed run, in which state and cloud match.

    Azure has no such copy; docs/operations.md has the way there, which tests/engine/test_interruptions.py tests.
    Clusters of the real Fleet are restored too: their processes end with the rehearsal, however that ends, and their
    data is in the folder.
    """
    before = folder / "before"
    if not before.exists():
        raise UnreadableError(f"the last run in {_shown(folder)} was killed, and there is no copy from before it")
    _warn("The last run was killed: restoring the stack from before it.")
    _copy(before, folder)


def _copy(source: Path, target: Path) -> None:
    """Replace the state and the cloud in a folder by those of another folder."""
    target.mkdir(mode=0o700, exist_ok=True)
    for name in _KEPT:
        shutil.rmtree(target / name, ignore_errors=True)
        (target / name).unlink(missing_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True)
        elif (source / name).exists():
            shutil.copy2(source / name, target / name)


def _main(root: Path) -> Path:
    """Return the folder of a project's program: that of Pulumi.yaml, or another one that it names (`main`)."""
    return (root / str(parsed(root / "Pulumi.yaml", "Pulumi.yaml").get("main") or ".")).resolve()


def _has_resources(backend: Path) -> bool:
    """Return whether the state has resources of the cloud.

    Raises:
        UnreadableError: the state is not JSON.
    """
    for file in backend.glob(".pulumi/stacks/**/*.json"):
        state = file.read_bytes()
        try:
            json.loads(state)
        except ValueError as error:
            raise UnreadableError(f"the state in {_shown(file)} cannot be read: {error}") from None
        if re.search(rb'"type": ?"(azure-native|kubernetes):', state):
            return True
    return False


@contextmanager
def open_gateway(cloud: Cloud, folder: Path) -> Generator[tuple[HttpGateway, dict[str, str]]]:
    """Open the gateway to the rehearsed clusters and the internet.

    Yields:
        the gateway, and the environment variables with which the program reaches the clusters and the internet: real
        clusters are on loopback, clusters in memory behind the gateway.
    """
    clusters = cloud.clusters
    if isinstance(clusters, RealClusters):
        opened = open_http_gateway(Internet(clusters.networks))
    else:
        opened = open_http_gateway(traffic.Internet(clusters), ApiServers(cloud, clusters, kubelogin.token(folder)))
    with opened as gateway:
        cluster_environment = gateway.environment()
        cluster_environment["PATH"] = f"{kubelogin.install(folder)}:{os.environ.get('PATH', os.defpath)}"
        yield gateway, cluster_environment


def _require_backend(engine: EngineCommand, folder: Path) -> None:
    """Check that the engine uses the backend that the rehearsal sets.

    A `pulumi` on PATH may be a shim of a version manager, or a script, that sets its own variables.

    Raises:
        RehearsalError: it uses another backend.
    """
    wanted = engine.environment["PULUMI_BACKEND_URL"]
    found = json.loads(engine.run(["whoami", "--json"], str(folder), {}).stdout)["url"]
    if found != wanted:
        raise RehearsalError(
            f"{engine.command} keeps its states in {found}, although it is told to use the rehearsal's folder: "
            "something sets PULUMI_BACKEND_URL for it, such as a version manager's settings; nothing was done"
        )


@contextmanager
def _preparing(folder: Path) -> Generator[None]:
    """Report an error in a stack's folder in one line."""
    try:
        yield
    except OSError as error:
        said = f"{_shown(Path(error.filename or folder))}: {error.strerror}"
        # A file where a folder should be, or the other way round.
        misplaced = isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError)
        raise RehearsalError(f"{said}; {_anew(folder)}" if misplaced else said) from None
    except UnreadableError as error:
        raise RehearsalError(f"{error}; {_anew(folder)}") from None
    except auto.CommandError as error:
        raise RehearsalError(
            f"the state in {_shown(folder)} cannot be read: {_reason(error)}; {_anew(folder)}"
        ) from None


def _reason(error: auto.CommandError) -> str:
    """Return the engine's error message."""
    found = re.search(r"\berror: (.+)", str(error))
    return found[1].strip() if found else str(error).strip().splitlines()[-1]


def _anew(folder: Path) -> str:
    return f"remove {_shown(folder)} to start again"


def _cloud(file: Path, clusters: Callable[[Store], RealClusters] | None) -> Cloud:
    try:
        return Cloud(file, real_clusters=clusters)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"{_shown(file)} cannot be read: it is not a saved cloud ({error!r})") from None


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        raise RehearsalError(
            f"{free // 2**20} MB are free in {_shown(folder)}, a rehearsal may need {_LEAST_FREE // 2**20}: "
            "free some space"
        )


def prune(logs: Path) -> None:
    """Delete the engine's logs except the newest."""
    files = sorted((path for path in logs.glob("*") if path.is_file()), key=lambda path: path.stat().st_mtime)
    for path in files[:-KEPT_LOGS]:
        path.unlink()


def _install_language(plugins: Path) -> None:
    """Install a language plugin for policy packs, which an engine without a full installation of Pulumi lacks."""
    target = plugins / "language-python-v0.0.0" / "pulumi-language-python"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(_LANGUAGE)


def settings_of(root: Path, stack: str) -> str:
    """Return the text of a stack's file, after checking that it can be rehearsed."""
    if not (root / "Pulumi.yaml").is_file():
        raise RehearsalError(
            f"there is no {'Pulumi.yaml in the' if root.is_dir() else ''} folder {_shown(root)}".replace("  ", " ")
        )
    file = root / f"Pulumi.{stack}.yaml"
    if not _NAME.fullmatch(stack) or not file.is_file():
        known = ", ".join(
            sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.*.yaml"))
        )
        raise RehearsalError(f"there is no stack {stack}; the stacks of {_shown(root)} are: {known or 'none'}")
    parsed(root / "Pulumi.yaml", "Pulumi.yaml")
    content = parsed(file, file.name)
    if "environment" in content:
        raise RehearsalError(
            f"{file.name} takes values from a Pulumi Cloud environment (environment), which a rehearsal does not read; "
            "rehearse a stack whose file has the values itself"
        )
    secrets = {"encryptedkey", "encryptionsalt", "secretsprovider"}.intersection(content)
    if _has_secret(content.get("config")):
        secrets.add("secure")
    if secrets:
        raise RehearsalError(
            f"{file.name} has secrets that only their owner can open ({', '.join(sorted(secrets))}); "
            "rehearse a stack whose file has none"
        )
    return file.read_text(encoding="utf-8-sig").rstrip() + "\n"


def _has_secret(value: object) -> bool:
    """Return whether a value contains something to decrypt: a map whose only key is `secure`, with text.

    Source: pulumi v3.274.1, sdk/go/common/resource/config/object.go, isSecureValue.
    """
    if isinstance(value, dict):
        content = cast("dict[str, object]", value)
        if len(content) == 1 and isinstance(content.get("secure"), str):
            return True
        value = list(content.values())
    return isinstance(value, list) and any(map(_has_secret, cast("list[object]", value)))


def _salt(copy: Path) -> str:
    """Return the salt's line of an earlier run's copy, without which its secrets cannot be decrypted."""
    lines = copy.read_text(encoding="utf-8", errors="replace").splitlines() if copy.exists() else []
    return "".join(f"{line}\n" for line in lines if line.startswith("encryptionsalt:"))


@contextmanager
def _locked(folder: Path, stack: str) -> Generator[int]:
    """Lock the stack's folder. The kernel releases the lock when this process and the engine have ended.

    Yields:
        the descriptor that holds the lock.
    """
    with os.fdopen(
        os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", errors="replace"
    ) as file:
        for _ in range(_ENGINE_END_SECONDS):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                holder = file.read()
                if _alive(holder):
                    raise RehearsalError(
                        f"stack {stack} is in use by process {holder}; wait until it has ended"
                    ) from None
                time.sleep(1)  # the run was killed, and its engine is about to end
        else:
            raise RehearsalError(f"stack {stack} is in use by the engine of a killed run; end that first")
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _warn(line: str) -> None:
    sys.stderr.write(line + "\n")  # another program may read a `pulumi` command's output
