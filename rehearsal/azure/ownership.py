"""A cluster that is created or updated sets its ownership on its VNet, and fails if the VNet is being written then.

Its node pools are assumed to do the same: their nodes join the VNet, too. So is a private hub, which is a cluster.

Source: learn: troubleshoot/azure/azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error, which also names
several clusters of one VNet at the same time. Azure sets the ownership at some time after it has accepted the cluster
(a creation was "ProvisioningNetworkResources" from the 32nd to the 48th second: Azure/azure-service-operator, recording
Test_AKS_ManagedCluster_20251002preview). Here, any operation at the same time as the cluster's counts.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rehearsal.azure import errors
from rehearsal.azure.arm import last_segment, resource_group_of, subscription_of
from rehearsal.azure.clusters import AGENT_POOL, CLUSTER
from rehearsal.azure.fleets import FLEET
from rehearsal.core.protocol import Call


@dataclass(eq=False)
class _Write:
    """A running operation, with the IDs of the VNets that it writes; another operation also writes those in `met`."""

    call: Call
    networks: frozenset[str]
    met: set[str] = field(default_factory=set[str])


class Ownership:
    """The running operations that write VNets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: list[_Write] = []

    @contextmanager
    def under_way(self, call: Call, networks: frozenset[str]) -> Generator[None]:
        """Count an operation as running, with the IDs of the VNets that it writes."""
        write = _Write(call, networks)
        with self._lock:
            for other in self._under_way:
                both = write.networks & other.networks
                write.met |= both
                other.met |= both
            self._under_way.append(write)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(write)

    def failure(self, call: Call) -> str | None:
        """Return the error of a cluster's creation or update; None if it does not fail."""
        with self._lock:
            met = next((each.met for each in self._under_way if each.call is call), set[str]())
        if call.token not in (CLUSTER, AGENT_POOL, FLEET) or not met:
            return None
        network = min(met)
        values = {
            "subscription": subscription_of(network),
            "group": resource_group_of(network),
            "name": last_segment(network),
            "network": network,
        }
        return errors.SET_VNET_OWNERSHIP_FAILED.printed(values, errors.ACCEPTED)
