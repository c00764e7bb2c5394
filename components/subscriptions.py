"""Azure subscriptions: a provider for each that an ID names, and a check that a request goes to the right one."""

import inspect
import json
import re
from typing import Any

import pulumi
import pulumi_azure_native as azure_native
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG
from pulumi_azure_native import authorization

from .errors import ExistingError
from .existing import checked, id_part
from .sdk import readable, unreadable

GIVE_PROVIDER = "give the component a provider of that subscription (`AzureProviders`)"
"""The remedy if a component works in another subscription than the one in an ID."""


class AzureProviders:
    """The Azure providers of a program: the default one, and one for each other subscription that an ID names.

    azure-native reads a resource by its ID, in the subscription that the ID names. It looks for everything else, such
    as credentials and child resources, by group and name in its own subscription (provider/pkg/provider/provider.go,
    `Read`, `Invoke`, `Create`).
    """

    def __init__(self) -> None:
        self._own = ""
        self._others: dict[str, azure_native.Provider] = {}

    def of(self, resource_id: str | None) -> azure_native.Provider | None:
        """Return the provider for a resource's subscription; None if that is the default provider's.

        Raises:
            ExistingError: nobody is logged in to Azure, so the default provider's subscription is unknown.
        """
        if resource_id is None:
            return None
        self._own = self._own or own_subscription()
        subscription = id_part(resource_id, "subscriptions").lower()
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
        ExistingError: nobody is logged in to Azure.
    """
    try:
        return authorization.get_client_config().subscription_id.lower()
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more specific
        raise unreadable("the Azure provider's subscription", error) from None


def require_subscription(
    resource_id: pulumi.Input[str], opts: pulumi.InvokeOptions, remedy: str
) -> pulumi.Output[None]:
    """Check that a request by a resource's group and name reaches this resource, and not another one of the same name.

    Args:
        resource_id: the resource.
        opts: the request's options, which decide the provider: `provider`, or a `parent` that has one.
        remedy: what to do if that provider works in another subscription.
    """

    def check(found: list[str]) -> None:
        resource, own = found
        if id_part(resource, "subscriptions").lower() != own.lower():
            raise ExistingError(f"{resource} is in another subscription than the Azure provider's, {own}: {remedy}")

    config = readable("the Azure provider's subscription", authorization.get_client_config_output(opts))
    return pulumi.Output.all(resource_id, config.subscription_id).apply(check)


def resource_group_of(
    resource_id: pulumi.Input[str], opts: pulumi.InvokeOptions, remedy: str = GIVE_PROVIDER
) -> pulumi.Output[str]:
    """Return the name of a resource's group, for requests with these options.

    Raises:
        ExistingError: see `require_subscription`.
    """
    own = checked(resource_id, require_subscription(resource_id, opts, remedy))
    return own.apply(lambda known: id_part(known, "resourceGroups"))


def _settings() -> dict[str, Any]:
    """Return the stack's configuration of azure-native, which only the default provider gets by itself."""
    known, settings = inspect.signature(azure_native.ProviderArgs).parameters, dict[str, Any]()
    for key, text in CONFIG.get().items():
        package, _, name = key.partition(":")
        name = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
        if package == "azure-native" and name in known:
            value = json.loads(text) if text in ("true", "false") or text.startswith("[") else text
            settings[name] = pulumi.Output.secret(value) if is_config_secret(key) else value
    return settings
