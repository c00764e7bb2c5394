"""The stack's configuration as frozen, typed, checked settings.

The settings know the configuration's keys and Azure's rules for names and addresses. They know no Pulumi resource.
`load` reads the running stack, `parse` takes plain values. Both report all mistakes of one kind at once, before
anything is registered.
`Pulumi.yaml` repeats the keys and the defaults for the command line.
"""

import json
from collections.abc import Collection, Mapping

import pulumi
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError

from . import rules
from .models import (
    App,
    ClusterRegion,
    Entry,
    ExistingFleet,
    Hub,
    HubAdmin,
    NewFleet,
    NewRegion,
    Pool,
    Region,
    Section,
    Settings,
    SubnetRegion,
)
from .report import Problem, SettingsError, findings, report, show
from .values import FORBIDDEN_RANGES, short_name

__all__ = [
    "FORBIDDEN_RANGES", "App", "ClusterRegion", "Entry", "ExistingFleet", "Hub", "HubAdmin", "NewFleet", "NewRegion",
    "Pool", "Problem", "Region", "Section", "Settings", "SettingsError", "SubnetRegion", "load", "parse", "report",
    "secret_keys", "short_name", "show",
]  # fmt: skip


def load(config: pulumi.Config | None = None) -> Settings:
    """Read the settings of the running stack.

    Raises:
        SettingsError: see `parse`.
    """
    # pulumi.Config returns only keys that the caller names; a misspelt key is visible only in the whole map.
    prefix = _prefix(config)
    texts = {key.removeprefix(prefix): text for key, text in CONFIG.get().items() if key.startswith(prefix)}
    raw = {key: text if key == "nameSuffix" else _decode(text) for key, text in texts.items()}
    return parse(raw, secret_keys(config))


def secret_keys(config: pulumi.Config | None = None) -> set[str]:
    """Return the running stack's keys whose values must not be shown."""
    prefix = _prefix(config)
    return {key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix) and is_config_secret(key)}


def _prefix(config: pulumi.Config | None) -> str:
    return f"{(config or pulumi.Config()).name}:"


def _decode(text: str) -> object:
    """Decode a value of the configuration. Text that is not JSON stays a string, which the models check."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse(raw: Mapping[str, object], secret: Collection[str] = ()) -> Settings:
    """Make settings of the configuration's values.

    Args:
        raw: The value of each key of the project, as plain data.
        secret: The keys whose values must not be shown.

    Raises:
        SettingsError: The configuration has mistakes. The message lists all mistakes within sections; if there are
            none, all mistakes across sections.
    """
    try:
        settings = Settings.model_validate(raw)
        problems = rules.problems(settings)
    except ValidationError as error:
        settings, problems = None, findings(error, Settings)
    if settings is None or problems:
        heading = f"The configuration has mistakes; nothing was deployed. Fix them in Pulumi.{pulumi.get_stack()}.yaml:"
        raise SettingsError(report(heading, problems, secret))
    return settings
