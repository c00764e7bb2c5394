"""Azure's global load balancer: it leads one address to the nearest healthy entry point."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

import pulumi
from pulumi_azure_native import network

from .app_manifests import ServicePort
from .errors import GlobalAddressError
from .retries import BALANCER_RETRY

_FRONTEND: Final = "global"


class GlobalPool(TypedDict):
    """The entry points of one Service."""

    frontends: Mapping[str, pulumi.Input[str]]
    """The Azure IDs of the frontends of regional public load balancers, by region."""
    ports: pulumi.Input[Sequence[ServicePort]]
    """The ports, which the frontends have too."""


class GlobalLoadBalancerArgs(TypedDict):
    """The address, and what it leads to."""

    address: network.PublicIPAddress
    """A static public address of the tier Global."""
    resource_group_name: pulumi.Input[str]
    """Name of the address's resource group."""
    pools: Mapping[str, GlobalPool]
    """The entry points of each Service by any name, such as `regions`. No port is in two of them."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Tags on everything that takes tags."""


class GlobalLoadBalancer(pulumi.ComponentResource):
    """A global load balancer over regional ones.

    Raises:
        GlobalAddressError: Azure has accepted the load balancer, but has not taken all frontends.
    """

    ip_address: pulumi.Output[str]
    """The address, once it leads to all frontends."""

    def __init__(self, name: str, args: GlobalLoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:GlobalLoadBalancer", name, {}, opts)
        # It depends on all frontends, so the engine deletes it before them. Azure refuses to delete a regional load
        # balancer, or the group that it is in, while a global one refers to it
        # (Azure/azure-rest-api-specs issue 16327).
        balancer = network.LoadBalancer(
            f"{name}-regions",
            resource_group_name=args["resource_group_name"],
            load_balancer_name=name,
            location=args["address"].location.apply(lambda found: found or ""),
            sku=network.LoadBalancerSkuArgs(name="Standard", tier="Global"),
            frontend_ip_configurations=[
                network.FrontendIPConfigurationArgs(
                    name=_FRONTEND, public_ip_address=network.PublicIPAddressArgs(id=args["address"].id)
                )
            ],
            # All in one request, as in the specification's example (Azure/azure-rest-api-specs,
            # LoadBalancerCreateGlobalTier.json). Untried on Azure, so the answer is compared with the request.
            backend_address_pools=[
                network.BackendAddressPoolArgs(
                    name=name,
                    load_balancer_backend_addresses=[
                        _backend(region, pulumi.Output.from_input(frontend))
                        for region, frontend in pool["frontends"].items()
                    ],
                )
                for name, pool in args["pools"].items()
            ],
            load_balancing_rules=pulumi.Output.all(
                **{name: pool["ports"] for name, pool in args["pools"].items()}
            ).apply(lambda ports: [_rule(pool, port) for pool in ports for port in ports[pool]]),
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self, hooks=BALANCER_RETRY.hooks()),
        )
        wanted = sum(len(pool["frontends"]) for pool in args["pools"].values())
        self.ip_address = pulumi.Output.all(
            address=args["address"].ip_address,
            taken=balancer.backend_address_pools.apply(lambda pools: _require_all(pools, wanted)),
        ).apply(lambda found: str(found["address"]))
        self.register_outputs({"ipAddress": self.ip_address})


def _backend(region: str, frontend: pulumi.Output[str]) -> network.LoadBalancerBackendAddressArgs:
    """Return a region's place in the pool.

    It is named after the frontend too. An address that changes to another frontend keeps the old one "referenced"
    (Azure/azure-rest-api-specs issue 16327); with another name, one is removed and one is added.
    """
    return network.LoadBalancerBackendAddressArgs(
        name=frontend.apply(lambda found: f"{region}-{found.rpartition('/')[2][1:9]}"),
        load_balancer_frontend_ip_configuration=network.SubResourceArgs(id=frontend),
    )


def _rule(pool: str, port: ServicePort) -> network.LoadBalancingRuleArgs:
    number, protocol = int(port["port"]), port["protocol"]
    return network.LoadBalancingRuleArgs(
        name=f"{protocol.lower()}-{number}",
        protocol=protocol.capitalize(),
        frontend_port=number,
        backend_port=number,
        frontend_ip_configuration=network.SubResourceArgs(id=f"$self/frontendIPConfigurations/{_FRONTEND}"),
        backend_address_pools=[network.SubResourceArgs(id=f"$self/backendAddressPools/{pool}")],
        # Without it, "not one relayed packet reached either region's nodes" (diagridio/charts, region-group/main.tf).
        enable_floating_ip=True,
        enable_tcp_reset=protocol == "TCP",
        idle_timeout_in_minutes=4,
        load_distribution="Default",
    )


def _require_all(pools: Sequence[Any] | None, wanted: int) -> None:
    found = sum(len(pool.load_balancer_backend_addresses or ()) for pool in pools or ())
    if found != wanted:
        raise GlobalAddressError(
            f"the global load balancer has {found} of {wanted} entry points, although Azure has accepted all of them: "
            'see docs/first-run.md, "The pool"'
        )
