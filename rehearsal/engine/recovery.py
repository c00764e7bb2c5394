"""Puts a stack in order after a run that was killed, with nothing but Pulumi's own commands.

What a kill leaves behind (pulumi v3.274.1, pkg/backend/snapshot.go and pkg/resource/deploy/step.go):

- The engine's lock on the stack: `pulumi cancel`.
- Updates and deletions under way: `pulumi refresh` reads back how they ended. It comes first, because the program reads
  the credentials of each cluster that the state has.
- Creations under way. The state remembers them as pending, but not whether the cloud has carried them out; if it has,
  it refuses to create the same again. Those are taken into the state with `pulumi import`, the others are forgotten
  with `pulumi refresh --clear-pending-creates`.
- Creations that the cloud has carried out, but that failed for the engine because the provider died. The state knows
  nothing of them: what `pulumi preview` would create and what exists all the same is imported, too.
- Deletions that were never asked for: what goes with something else (`deleted_with`) is forgotten before that is
  deleted. If its deletion does not succeed, they are found as such creations are.

`pulumi refresh --import-pending-creates` does not help: it marks the operation as an import, which nothing carries out
(v3.274.1, pkg/cmd/pulumi/operations/refresh.go), so that the resource is in the cloud and nowhere in the state.
"""

import json
import tempfile
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from pulumi import automation as auto

from rehearsal.azure.access import ROLE_ASSIGNMENT
from rehearsal.cloud import Cloud
from rehearsal.cluster.objects import ApiError, name_of, namespace_of
from rehearsal.core.protocol import Properties
from rehearsal.core.wire import SECRET, SIGNATURE, UNKNOWNS
from rehearsal.providers import readiness as waiting

_PROVIDER: Final = "pulumi:providers:kubernetes"
_CREATING: Final = {auto.OpType.CREATE, auto.OpType.CREATE_REPLACEMENT}
# In place of secrets that the engine's events hide. The next update finds the difference, and puts it right.
_HIDDEN: Final[Properties] = {SIGNATURE: SECRET, "plaintext": "{}"}


@dataclass(frozen=True, eq=False)
class _Creation:
    """A creation that the state does not know the end of.

    Attributes:
        inputs: what was to be created, secrets closed.
        parent: the parent's URN.
        provider: the URN of the provider instance.
    """

    urn: str
    token: str
    inputs: Properties
    parent: str
    provider: str

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[1]


class Recovery:
    """Recovers one stack.

    Args:
        stack: the Automation API's handle.
        cloud: where to look what exists.
        standin: the stand-in's address.
        say: tells the user what is done.
    """

    def __init__(
        self,
        stack: auto.Stack,
        cloud: Cloud,
        *,
        standin: str,
        say: Callable[[str], object],
    ) -> None:
        self._stack = stack
        self._workspace = cast("auto.LocalWorkspace", stack.workspace)
        self._cloud = cloud
        self._standin = standin
        self._say = say
        self._left = self._export()  # by the last run

    def has_resources(self) -> bool:
        """Say whether the state has anything that the cloud would have, too."""
        resources: list[Properties] = self._left.get("resources") or []
        return any(each["type"].startswith(("azure-native:", "kubernetes:")) for each in resources)

    def run(self, *, crashed: bool) -> None:
        """Do what is necessary; nothing, if the last run came to an end.

        Each step leaves what the ones after it need, so that it may be killed itself.

        Args:
            crashed: whether the state may lack what exists: the stand-in was killed, or a destruction did not succeed.
        """
        if not crashed and not self._left.get("pending_operations"):
            return
        if crashed:
            self._say("The last run was killed, or was a destruction that did not succeed. pulumi refresh")
            # Of what is gone, the program could not read the credentials.
            self._stack.refresh(show_secrets=False, suppress_outputs=True)
        # What is inside something that the state lacks can be planned only when that is back.
        while self._pass(crashed=crashed) and crashed:
            pass

    def _pass(self, *, crashed: bool) -> bool:
        """Take what is found into the state, and say whether there may be more to find now."""
        deployment = self._export()
        pending: list[Properties] = deployment.get("pending_operations") or []
        creations = {
            operation["resource"]["urn"]: _creation(operation["resource"])
            for operation in pending
            if operation["type"] == "creating"
        }
        if pending:
            self._say(f"The last run was interrupted during {len(pending)} operations.")
        if crashed:
            self._say("pulumi preview: what would be created, though it exists?")
            creations = {creation.urn: creation for creation in self._planned()} | creations
        recorded: list[Properties] = deployment.get("resources") or []
        resources = {each["urn"]: each for each in recorded}
        planned = {creation.urn: creation.inputs for creation in creations.values()}
        found = {
            creation: resource_id
            for creation in creations.values()
            if (resource_id := self._locate(creation, resources, planned)) is not None
            and not _is_recorded(resources.get(creation.urn), resource_id)
        }
        for creation in found:
            if creation.urn in resources:
                # The creation was half of a replacement. What is replaced keeps its place, or is still to be deleted;
                # under another name, which the program does not have, the next update sees to that.
                self._say(f"pulumi state rename: {creation.name}, which was being replaced")
                self._pulumi("state", "rename", "--yes", creation.urn, f"{creation.name}-replaced")
        # Nothing can be imported through a provider that the state lacks.
        ready = {each: found[each] for each in found if each.provider in resources}
        if ready:
            self._import(ready)
        if ready or pending:
            self._say("pulumi refresh --clear-pending-creates")
            self._stack.refresh(show_secrets=False, suppress_outputs=True, clear_pending_creates=True)
        missing = {each.provider for each in found} - set(resources)
        if missing:
            self._create_providers([each for each in creations.values() if each not in found])
            recorded = self._export().get("resources") or []
            missing -= {each["urn"] for each in recorded}
        # What is left, if anything, the next update meets, and says what it is.
        return bool(ready) or (len(ready) < len(found) and not missing)

    def _create_providers(self, planned: Collection[_Creation]) -> None:
        """Create what is planned of clusters' providers and of what lets them in; else, whatever can be created."""
        targets = [
            each for each in planned if each.token.startswith(("random:", _PROVIDER)) or each.token == ROLE_ASSIGNMENT
        ]
        self._say(f"pulumi up --target: {', '.join(each.name for each in targets)}")
        try:
            self._stack.up(target=[each.urn for each in targets], show_secrets=False, suppress_outputs=True)
        except auto.CommandError:
            # Some cluster is gone, and the program cannot do without it.
            self._say("pulumi up, as far as it comes")
            with suppress(auto.CommandError):
                self._stack.up(show_secrets=False, suppress_outputs=True)

    def _planned(self) -> list[_Creation]:
        """Return what the next update would create."""
        events: list[auto.StepEventMetadata] = []

        def note(event: auto.EngineEvent) -> None:
            if event.resource_pre_event:
                events.append(event.resource_pre_event.metadata)

        self._stack.preview(on_event=note)
        creations = [step.new for step in events if step.op in _CREATING and step.new and step.new.custom]
        return [
            _Creation(
                new.urn,
                new.type,
                {key: _HIDDEN if _is_secret(value) else value for key, value in (new.inputs or {}).items()},
                new.parent,
                _urn_of(new.provider),
            )
            for new in creations
            # What is not known yet cannot have been created.
            if not any(unknown in json.dumps(new.inputs) for unknown in UNKNOWNS)
        ]

    def _locate(
        self, creation: _Creation, resources: Mapping[str, Properties], planned: Mapping[str, Properties]
    ) -> str | None:
        """Return the id, as the providers know it, of what a creation has left in the cloud; None if it left nothing.

        On Azure, people find it out like this:

        - azure-native: the resource's ARM id, made of the names that `pulumi preview --diff` shows:
          `/subscriptions/<subscription>/resourceGroups/<group>/providers/<namespace>/<type>/<name>`, followed by
          `/<type>/<name>` for what is inside another resource; for role assignments
          `<scope>/providers/Microsoft.Authorization/roleAssignments/<GUID>`. It is also in the error, "cannot create
          already existing resource '<id>'". `az resource show --ids <id>` says whether it exists.
        - kubernetes: `<namespace>/<name>`, or `<name>` alone where there are no namespaces; `kubectl get`.
        - random: nothing is left, as its values exist in the state alone. Neither do providers or components.
        """
        package = creation.token.partition(":")[0]
        provider = (resources.get(creation.provider) or {}).get("inputs") or planned.get(creation.provider) or {}
        if package == "azure-native":
            return self._cloud.azure.find(creation.token, creation.inputs, provider)
        if package != "kubernetes":
            return None
        cluster = self._cloud.world.get(provider.get("clusterIdentifier", ""))
        name, namespace = name_of(creation.inputs), namespace_of(creation.inputs)
        try:
            if cluster is None or not cluster.reachable:
                return None
            cluster.get(creation.inputs["apiVersion"], creation.inputs["kind"], name, namespace)
        except ApiError:
            return None
        return f"{namespace}/{name}" if namespace else name

    def _import(self, found: Mapping[_Creation, str]) -> None:
        """Take resources into the state as if the engine had recorded their creation.

        A plain import records every default that Azure has filled in as if the program had asked for it, and the next
        update would replace a cluster in order to be rid of them (pulumi/pulumi-azure-native issue 4401). So the
        preview of an import only reads, and the import then states both: the inputs of the creation, and the outputs
        that were read (import files can since pulumi v3.254.0).

        What a program waits for is imported plainly: the provider then knows no more of it than its name, and the next
        update applies it again, and waits.
        """
        # Resources refer to others by names of the file's own; URNs do as such.
        table = {urn: urn for creation in found for urn in (creation.parent, creation.provider)}
        plain = {
            creation.urn: {
                "type": creation.token,
                "name": creation.name,
                "id": resource_id,
                "parent": creation.parent,
                "provider": creation.provider,
            }
            for creation, resource_id in found.items()
        }
        for creation, resource_id in found.items():
            self._say(f"pulumi import: {creation.name}, {resource_id}")
        with self._importing(table, plain.values()) as read:
            outputs = {
                event["metadata"]["urn"]: event["metadata"]["new"]["outputs"]
                for line in read("--preview-only", "--json").splitlines()
                if line and (event := json.loads(line).get("resOutputsEvent")) and event["metadata"]["op"] == "import"
            }
        full = [
            plain[creation.urn]
            if _is_awaited(creation)
            else plain[creation.urn] | _recorded(creation, outputs[creation.urn])
            for creation in found
        ]
        with self._importing(table, full) as run:
            run("--skip-preview", "--yes")

    @contextmanager
    def _importing(self, table: Mapping[str, str], resources: Collection[Properties]) -> Generator[Callable[..., str]]:
        # An import asks the language host which plugins the program needs, although it does not run the program. A
        # bare engine has no host for Python; this project's is the stand-in, which knows no such question, and that
        # will do (pkg/engine/plugins.go).
        project: Properties = {
            "name": self._workspace.project_settings().name,
            "runtime": {"name": "client", "options": {"address": self._standin}},
        }
        with tempfile.TemporaryDirectory(dir=Path(self._workspace.work_dir).parent) as folder:
            (Path(folder) / "Pulumi.yaml").write_text(json.dumps(project), encoding="utf-8")
            file = Path(folder) / "import.json"
            file.touch(mode=0o600)  # its values may be secret
            file.write_text(json.dumps({"nameTable": table, "resources": list(resources)}), encoding="utf-8")
            yield lambda *options: self._pulumi(
                "import", "--file", str(file), "--protect=false", "--generate-code=false", *options, folder=folder
            )

    def _export(self) -> Properties:
        # Without --show-secrets, which the Automation API's export has.
        return json.loads(self._pulumi("stack", "export"))["deployment"] or {}

    def _pulumi(self, *args: str, folder: str | None = None) -> str:
        environment = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
        return self._workspace.pulumi_command.run(list(args), folder or self._workspace.work_dir, environment).stdout


def _creation(resource: Properties) -> _Creation:
    return _Creation(
        resource["urn"],
        resource["type"],
        resource.get("inputs", {}),
        resource.get("parent", ""),
        _urn_of(resource.get("provider", "")),
    )


def _urn_of(reference: str | None) -> str:
    """Return the URN of a reference to a provider instance, `<urn>::<id>`."""
    return (reference or "").rpartition("::")[0]


def _is_recorded(resource: Properties | None, resource_id: str) -> bool:
    # Of a replacement that deletes first, the state keeps what is gone until the creation has ended, too.
    return resource is not None and resource.get("id") == resource_id and not resource.get("pendingReplacement")


def _is_awaited(creation: _Creation) -> bool:
    return creation.token.startswith("kubernetes:") and waiting.awaited(creation.inputs) is not None


def _recorded(creation: _Creation, outputs: Properties) -> Properties:
    """Return what an import file says of a creation whose outputs were read, secrets closed as the inputs have them."""
    return {
        "inputs": creation.inputs,
        "outputs": {
            key: creation.inputs.get(key, _HIDDEN)
            if _is_secret(value) or _is_secret(creation.inputs.get(key))
            else value
            for key, value in outputs.items()
        },
    }


def _is_secret(value: object) -> bool:
    return SIGNATURE in json.dumps(value)
