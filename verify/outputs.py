"""A stack's outputs, including the kubeconfigs."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

# What the state has for an output of a resource that an `up` with --continue-on-error has not reached
# (pulumi v3.274.1, sdk/go/common/resource/plugin/rpc.go, UnknownStringValue).
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class OutputsError(Exception):
    """The outputs cannot be used. The message has the reason and the remedy, and never quotes an output."""


class Port(BaseModel):
    """A port of the Service that all regions share."""

    model_config = ConfigDict(frozen=True)

    port: int
    protocol: str

    def __str__(self) -> str:
        return str(self.port) if self.protocol == "TCP" else f"{self.port}/{self.protocol}"


class App(BaseModel):
    """What clients of an app's Service use, and what is behind it.

    Attributes:
        url: the Service's URL; None if it does not speak HTTP.
        external_ip: the entry point's address.
        ports: the address's ports; empty for a stack of a program version without this output.
        service: namespace and name of the app's Service that all regions share, as in `aks-store-demo/store-front`.
        entry_services: the names of the Services that the entry points import, by the name of their region.
        entry_addresses: the addresses of the entry points, by the name of their region.
        global_address: the address in front of the entry points, if there is one.
        frontend_ids: the Azure IDs of the load balancer frontends that it leads to, by the name of their region.
        regions: the names of the regions that the app is placed in; empty for all.
    """

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, hide_input_in_errors=True)

    url: str | None = None
    external_ip: str
    ports: tuple[Port, ...] = ()
    service: str = Field(pattern=r"^[^/]+/[^/]+$")
    entry_services: Mapping[str, str] = Field(min_length=1)
    entry_addresses: Mapping[str, str]
    global_address: str | None = None
    frontend_ids: Mapping[str, str] = {}
    regions: tuple[str, ...] = ()

    @property
    def url_port(self) -> int | None:
        """The port of the URL."""
        parts = urlsplit(self.url or "")
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class Outputs(BaseModel):
    """The outputs that a verification needs.

    Attributes:
        apps: each shared Service, by the name of the app and of the Service.
        fleet_id: the fleet's Azure ID.
        owns_fleet: whether the fleet is deleted with the stack; true for earlier versions of the program.
        platform: the stack that has made the fleet and the app's namespace, if it is another one. Users of this
            stack may then have no rights on anything else.
        cluster_ids: the clusters' Azure IDs by the name of their region.
        member_names: the names of the fleet's members by the name of their region; a list in no order, or nothing, from
            earlier versions of the program.
        lost_members: the names of the members that the app is left out of, by the name of their region.
        hub_kubeconfig: log-in to the fleet's hub, secret.
        kubeconfigs: log-in to the clusters by the name of their region, secret.
    """

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, hide_input_in_errors=True)

    apps: Mapping[str, Mapping[str, App]]
    fleet_id: str
    owns_fleet: bool = True
    platform: str | None = None
    cluster_ids: Mapping[str, str]
    member_names: Mapping[str, str] | Sequence[str] = ()
    lost_members: Mapping[str, str] = {}
    hub_kubeconfig: str = Field(repr=False)
    kubeconfigs: Mapping[str, str] = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _of_one_app(cls, outputs: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Read the outputs of a stack with one app, which are not grouped by app."""
        if not isinstance(outputs, dict) or "apps" in outputs:
            return cast("object", outputs)
        found = cast("dict[str, object]", outputs)
        keys = [str(field.alias) for field in App.model_fields.values()]
        return {**found, "apps": {"": {"": {key: found[key] for key in keys if key in found}}}}

    @property
    def members(self) -> dict[str, str]:
        """The names of the fleet's members by region."""
        if isinstance(self.member_names, Mapping):
            return dict(self.member_names)
        # The default name is the cluster's, in lower case (learn: rest/api/fleet).
        return {region: cluster_id.rsplit("/", 1)[-1].lower() for region, cluster_id in self.cluster_ids.items()}


def of_stack(stack: str | None) -> str:
    """Return a stack's outputs as JSON, including secrets. They pass through a pipe only, never through a file.

    Args:
        stack: the stack's name; None is the selected one.

    Raises:
        OutputsError: `pulumi` is not found, or fails. Pulumi's own error is then on standard error.
    """
    command = ["pulumi", "stack", "output", "--json", "--show-secrets", *(["--stack", stack] if stack else [])]
    try:
        # Pulumi may ask for a passphrase, so its input and standard error stay the terminal's.
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - no shell
    except FileNotFoundError:
        raise OutputsError("there is no `pulumi` on PATH; pass a file of outputs: --outputs FILE") from None
    except subprocess.CalledProcessError:
        raise OutputsError("`pulumi stack output` failed; it says why above") from None


def of_file(path: Path) -> str:
    """Return the content of a file of outputs.

    Raises:
        OutputsError: the file cannot be read.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise OutputsError(f"cannot read {path}: {reason}") from None


def _key(where: Sequence[int | str]) -> str:
    """Return the name of the output at the place of an error."""
    named = [part for part in where[3:] if isinstance(part, str)] if where[:1] == ("apps",) else where
    return str(named[0] if named else where[0] if where else "no JSON")


def parse(text: str) -> Outputs:
    """Read outputs as `pulumi stack output --json --show-secrets` prints them.

    Raises:
        OutputsError: something is missing, or secrets are hidden.
    """
    if text.strip() in ("", "{}"):
        raise OutputsError("the stack has no outputs: `pulumi up` has them once it has succeeded")
    try:
        outputs = Outputs.model_validate_json(text.replace(_UNKNOWN, ""))
    except ValidationError as error:
        # Names only: the values may be secret.
        wrong = ", ".join(sorted({_key(each["loc"]) for each in error.errors()}))
        raise OutputsError(
            f"these are not the outputs of this program ({wrong}): `pulumi up` writes them anew"
        ) from None
    if "[secret]" in (outputs.hub_kubeconfig, *outputs.kubeconfigs.values()):
        raise OutputsError("the kubeconfigs are hidden: `pulumi stack output --json --show-secrets`")
    services = [service for app in outputs.apps.values() for service in app.values()]
    if not all(service.url or service.ports for service in services):
        raise OutputsError("these are not the outputs of this program (url, ports): `pulumi up` writes them anew")
    regions = outputs.cluster_ids.keys()
    if not (regions == outputs.kubeconfigs.keys() == outputs.members.keys()) or not all(
        service.entry_services.keys() == service.entry_addresses.keys() <= regions >= {*service.regions}
        for service in services
    ):
        raise OutputsError(
            "entryServices, entryAddresses, clusterIds, memberNames and kubeconfigs do not name the same regions: "
            "`pulumi up`"
        )
    return outputs
