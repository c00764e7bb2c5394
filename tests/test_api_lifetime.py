"""The versions of Azure's API: those that the SDK takes by default, and how long they are good for."""

import importlib
import inspect
import re
from datetime import date, timedelta

import pytest

from rehearsal.providers.azure_native import TYPES

FLEET = "azure-native:containerservice:Fleet"

# When somebody last read learn: kubernetes-fleet/concepts-preview-api-lifecycle, which had no date for this version.
LAST_LOOK = date(2026, 11, 25)
FREQUENTLY = timedelta(days=90)  # the first retirement was announced on 2024-12-16 for 2025-04-14


def default_version(token: str) -> str:
    """Return the version that the SDK's documentation of a type names."""
    _, module, name = token.split(":")
    source = inspect.getsource(getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name))
    (version,) = set(re.findall(r"Uses Azure REST API version ([\w-]+\w)", source))
    return version


@pytest.mark.parametrize("token", TYPES)
def test_model_speaks_the_versions_of_the_sdk(token: str) -> None:
    assert TYPES[token].api_version == default_version(token)


@pytest.mark.watch
def test_preview_that_the_fleet_rests_on_was_looked_after() -> None:
    version = default_version(FLEET)
    due = LAST_LOOK + FREQUENTLY
    assert not version.endswith("-preview") or date.today() <= due, (  # noqa: DTZ011 - a day more or less does not matter
        f"The fleet's API version {version} is a preview, and nobody has looked since {LAST_LOOK} whether Microsoft "
        "retires it. Read learn: kubernetes-fleet/concepts-preview-api-lifecycle. No date: set LAST_LOOK to today. "
        'A date: do what docs/operations.md says under "Another version of Azure\'s API".'
    )
