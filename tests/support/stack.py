"""A stack under test: the program in its own folder, the engine's steps, and the requests to the cloud."""

import base64
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation as auto

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, Operation
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Profile
from rehearsal.interception import Interceptor
from rehearsal.stack import Rehearsal, rehearsing
from rehearsal.tests.objects import in_memory
from tests.support.program import PROJECT, ROOT


def copy_program(root: Path) -> Path:
    """Put the program into a folder: its own stack files, the rest by links."""
    root.mkdir()
    for name in (
        "__main__.py",
        "apps.py",
        "regions.py",
        "changes",
        "components",
        "fleet_clusters",
        "manifests",
        "settings",
    ):
        (root / name).symlink_to(ROOT / name)
    for file in ROOT.glob("Pulumi*.yaml"):
        (root / file.name).write_text(file.read_text())
    return root


@contextmanager
def copied(deployed: Path, root: Path) -> Generator["Stack"]:
    """Copy a program and its deployed dev stack, and yield the copy."""
    shutil.copytree(deployed, root, symlinks=True)
    with rehearsing("dev", root) as rehearsal:
        yield Stack(root, rehearsal)


@dataclass
class Done:
    """The steps and the output of an engine's operation.

    Attributes:
        steps: the kinds of steps (`create`, `update`, `replace`, …), by the resources' logical names.
        diffs: the properties that changed, by the resources' logical names.
        asked: the requests to the stand-in, in order: verb and logical name. Real clusters are not included.
        began: the last start of each step, by kind and logical name (`time.monotonic`).
        ended: the last end of each step, likewise.
        output: everything that the engine printed.
    """

    steps: dict[str, str] = field(default_factory=dict[str, str])
    diffs: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    began: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    ended: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    output: list[str] = field(default_factory=list[str])

    @property
    def changes(self) -> dict[str, str]:
        """The steps that change something."""
        return {name: step for name, step in self.steps.items() if step not in {"same", "read", "refresh"}}

    @property
    def text(self) -> str:
        """The whole output."""
        return "\n".join(self.output)


@dataclass(frozen=True)
class FirstUpdate:
    """A new stack's first preview and update.

    Attributes:
        root: the program's folder.
        planned: the preview.
        done: the update.
        outputs: the stack's outputs.
        failed: the finding of each check of `verify` that failed.
    """

    root: Path
    planned: Done
    done: Done
    outputs: Mapping[str, auto.OutputValue]
    failed: Mapping[str, str]


class Stack:
    """The dev stack of a program in a folder of its own."""

    def __init__(self, root: Path, rehearsal: Rehearsal) -> None:
        self.root = root
        self.rehearsal = rehearsal
        self.cloud = rehearsal.cloud
        self._config_file = Path(rehearsal.environment["PULUMI_OPTION_CONFIG_FILE"])
        self._done = Done()
        self.cloud.interceptors.append(Interceptor(before=self._note))

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The requests to the cloud during the last operation, even if it failed."""
        return self._done.asked

    @property
    def text(self) -> str:
        """The engine's output of the last operation, even if it failed."""
        return self._done.text

    @property
    def config(self) -> dict[str, Any]:
        """The stack's configuration, its keys without the namespace."""
        return {
            key.removeprefix(f"{PROJECT}:"): value
            for key, value in yaml.safe_load(self._config_file.read_text())["config"].items()
        }

    def configure(self, **changes: Any) -> None:  # noqa: ANN401 - any JSON value
        """Change keys of the stack's configuration, for this run and for the next ones."""
        self.configure_all(self.config | changes)

    def configure_all(self, config: Mapping[str, Any]) -> None:
        """Replace the stack's whole configuration."""
        for file in (self.root / "Pulumi.dev.yaml", self._config_file):
            content = yaml.safe_load(file.read_text())
            content["config"] = {f"{PROJECT}:{key}": value for key, value in config.items()}
            file.write_text(yaml.safe_dump(content))

    def configure_azure(self, **keys: str) -> None:
        """Change keys of the Azure provider; `configure_all` removes them."""
        for file in (self.root / "Pulumi.dev.yaml", self._config_file):
            content = yaml.safe_load(file.read_text())
            content["config"] |= {f"azure-native:{key}": value for key, value in keys.items()}
            file.write_text(yaml.safe_dump(content))

    def refuse(self, verb: str, name: str, *messages: str) -> None:
        """Refuse an operation on a resource, each time with the next of the messages."""
        left = list(messages)

        def refuse(operation: Operation) -> None:
            if left and (operation.verb, operation.call.name) == (verb, name):
                raise RefusedError(left.pop(0))

        self.cloud.interceptors.append(Interceptor(before=refuse))

    @contextmanager
    def locked(self, *groups: str) -> Generator[None]:
        """Lock resource groups and everything in them against deletion."""
        with Faults(Profile(locks=groups)).in_force(self.cloud):
            yield

    def preview(self) -> Done:
        """Preview, and return the engine's plan."""
        return self._run(self.rehearsal.stack.preview)

    def up(self, **options: Any) -> Done:  # noqa: ANN401 - the engine's
        """Update."""
        return self._run(partial(self.rehearsal.stack.up, **options))

    def move_back(self) -> None:
        """Bring the entry point back to the first region."""
        self.up()

    def refresh(self) -> Done:
        """Refresh."""
        return self._run(self.rehearsal.stack.refresh)

    def destroy(self, *, run_program: bool = False) -> Done:
        """Destroy; with the program, whose hooks retry temporary errors."""
        return self._run(partial(self.rehearsal.stack.destroy, run_program=run_program))

    def pulumi(self, *command: str) -> str:
        """Run another command of the engine's, and return its output."""
        workspace: Any = self.rehearsal.stack.workspace
        return workspace.pulumi_command.run([*command], workspace.work_dir, self.rehearsal.environment).stdout

    def outputs(self) -> Mapping[str, auto.OutputValue]:
        """Return the stack's outputs."""
        return self.rehearsal.stack.outputs()

    def lose_region(self, region: str) -> None:
        """Stop a region's cluster and its agents."""
        in_memory(self.cloud).set_reachable(self.outputs()["clusterIds"].value[region], reachable=False)

    def mark_lost(self, *lost: str, app: dict[str, Any] | None = None) -> None:
        """Set or remove `lost` in the regions of the stack's file, and change keys of the app."""
        regions = [
            {key: value for key, value in region.items() if key != "lost"}
            | ({"lost": True} if region["name"] in lost else {})
            for region in self.config["regions"]
        ]
        self.configure(regions=regions, **({"app": app} if app else {}))

    def delete_behind_the_programs_back(self, name: str) -> None:
        """Delete a resource, without the engine."""
        resource = self.recorded(name)
        call = Call(resource["type"], name, provider=self._provider_of(resource))
        self.cloud.provider(call.token).delete(call, resource["id"], resource["outputs"])

    def change_behind_the_programs_back(self, name: str, **properties: object) -> None:
        """Give a resource in Azure other properties, without the engine."""
        resource = self.recorded(name)
        call = Call(resource["type"], name)
        inputs = {**resource["inputs"], **properties}
        self.cloud.provider(call.token).update(call, resource["id"], resource["outputs"], inputs)

    def recorded(self, name: str) -> dict[str, Any]:
        """Return a resource of the state, by its logical name."""
        return next(each for each in self.resources() if each["urn"].endswith(f"::{name}"))

    def _provider_of(self, resource: dict[str, Any]) -> dict[str, Any]:
        urn = resource["provider"].rpartition("::")[0]
        inputs = next(each for each in self.resources("--show-secrets") if each["urn"] == urn)["inputs"]
        return {"kubeconfig": json.loads(inputs["kubeconfig"]["plaintext"])} if "kubeconfig" in inputs else {}

    def queue_credentials(self) -> list[str]:
        """Return the app's credentials for its queue, from the hub."""
        hub = in_memory(self.cloud).hubs()[0]
        secret = hub.get("v1", "Secret", "rabbitmq", "aks-store-demo")
        return [base64.b64decode(value).decode() for value in secret["data"].values()]

    def resources(self, *options: str) -> list[dict[str, Any]]:
        """Return the resources of the exported state. Decrypting their secrets takes longer than the rest."""
        return json.loads(self.pulumi("stack", "export", *options))["deployment"].get("resources", [])

    def _note(self, operation: Operation) -> None:
        self._done.asked.append((operation.verb, operation.call.name))

    def _run(self, operation: Callable[..., object]) -> Done:
        self._done = done = Done()

        def on_event(event: auto.EngineEvent) -> None:
            if event.resource_pre_event:
                metadata = event.resource_pre_event.metadata
                name = metadata.urn.rsplit("::", 1)[1]
                if done.steps.get(name) not in {"replace", "update"}:
                    done.steps[name] = metadata.op.value
                done.diffs[name] = sorted(metadata.detailed_diff or {})
                done.began[metadata.op.value, name] = time.monotonic()
            if event.res_outputs_event:
                metadata = event.res_outputs_event.metadata
                name = metadata.urn.rsplit("::", 1)[1]
                done.ended[metadata.op.value, name] = time.monotonic()
                if done.steps.get(name) == "refresh":  # only its end has the result
                    done.steps[name] = metadata.op.value

        operation(on_event=on_event, on_output=done.output.append, on_error=done.output.append)
        return done


def count(asked: list[tuple[str, str]]) -> Counter[str]:
    """Count the requests to the cloud by verb."""
    return Counter(verb for verb, _ in asked)


def entry_point(service: str, step: str) -> dict[str, str]:
    """Return the changes when an entry point comes or goes, by its Service on the fleet."""
    suffix = "" if service == "store-front" else f"-{service}"
    own = ("app-serviceexport-", "app-service-") if suffix else ("app-serviceexport-",)
    return dict.fromkeys(
        [f"app-entry-point{suffix}", f"app-endpoints{suffix}", *(f"{each}{service}" for each in own)], step
    )


MOVED_WEST = entry_point("store-front-west", "create") | entry_point("store-front", "delete")
"""The changes of dev when its entry point moves from east to west."""
