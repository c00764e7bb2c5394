"""Subscriptions: an Azure provider for each that an id names, and a check that a request goes to the right one."""

import inspect
import json
import re
from typing import Any

import pulumi
import pulumi_azure_native as azure_native
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG
from pulumi_azure_native import authorization

from .existing import ExistingError, part_of, readable, unreadable

HAND_ON = "give the component a provider of that subscription (`AzureProviders`)"
"""What to do where a program's part asks in another subscription than that of an id."""


class AzureProviders:
    """The Azure providers of a program: the default one, and one for each other subscription that an id names.

    azure-native reads a resource by its id, whatever the subscription in it; all else, credentials and children among
    it, it asks for in its own subscription, by group and name (provider/pkg/provider/provider.go, `Read`, `Invoke`,
    `Create`).
    """

    def __init__(self) -> None:
        self._own = ""
        self._others: dict[str, azure_native.Provider] = {}

    def of(self, resource_id: str | None) -> azure_native.Provider | None:
        """Return the provider of the subscription that a resource is in; None where that is the default one's.

        Raises:
            ExistingError: there is no log-in to Azure that tells the default one.
        """
        if resource_id is None:
            return None
        self._own = self._own or own_subscription()
        subscription = part_of(resource_id, "subscriptions").lower()
        if subscription == self._own:
            return None
        if subscription not in self._others:
            settings: dict[str, Any] = {**_settings(), "subscription_id": subscription}
            self._others[subscription] = azure_native.Provider(
                f"azure-{subscription}", azure_native.ProviderArgs(**settings)
            )
        return self._others[subscription]


def own_subscription() -> str:
    """Return the subscription in which the default Azure provider works, in lower case.

    Raises:
        ExistingError: there is no log-in to Azure that tells it.
    """
    try:
        return authorization.get_client_config().subscription_id.lower()
    except Exception as error:  # noqa: BLE001 - the SDK raises just that
        raise unreadable("the Azure provider's subscription", error) from None


def in_subscription(resource_id: pulumi.Input[str], asked: pulumi.InvokeOptions, remedy: str) -> pulumi.Output[str]:
    """Return a resource's id, once it is sure that a request by its names would go to it and not to a namesake.

    Args:
        resource_id: the resource.
        asked: what tells the provider that would be asked: `provider`, or a `parent` that has one.
        remedy: what to do if it works in another subscription.

    Raises:
        ExistingError: it does.
    """

    def check(found: list[str]) -> str:
        checked, own = found
        there = part_of(checked, "subscriptions")
        if there.lower() != own.lower():
            raise ExistingError(f"{checked} is in another subscription than the Azure provider's, {own}: {remedy}")
        return checked

    config = readable("the Azure provider's subscription", authorization.get_client_config_output(asked))
    return pulumi.Output.all(resource_id, config.subscription_id).apply(check)


def _settings() -> dict[str, Any]:
    """Return what the stack says to azure-native: an explicit provider, unlike the default one, is not told it."""
    known, said = inspect.signature(azure_native.ProviderArgs).parameters, dict[str, Any]()
    for key, text in CONFIG.get().items():
        package, _, name = key.partition(":")
        name = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
        if package == "azure-native" and name in known:
            value = json.loads(text) if text in ("true", "false") or text.startswith("[") else text
            said[name] = pulumi.Output.secret(value) if is_config_secret(key) else value
    return said
