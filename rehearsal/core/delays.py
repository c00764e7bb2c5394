"""Durations of background work of Azure, Kubernetes and Fleet, in simulated seconds, each with its source.

The durations of Azure's operations are in `rehearsal/timing/durations.yaml`.
"""

from typing import Final

# Azure
CLUSTER_UPDATING: Final = 60
"""After a member has joined, its cluster is changed, for 30 to 120 s: 24 of 26 recordings of
Azure/azure-cli-extensions, test_fleet_hubful and test_fleet_hubless."""
LOAD_BALANCER: Final = 120
"""Until a load balancer has an address, about two minutes: MicrosoftDocs/azure-docs issue 10465."""

# Kubernetes
POD_START: Final = 1
"""Pods of kwok, and the store demo's probes, are ready in about one second."""
AUTOSCALER_PERIOD: Final = 15
"""kube-controller-manager, --horizontal-pod-autoscaler-sync-period."""
NAMESPACE_PASS: Final = 5
"""The namespace controller waits before it deletes anything (namespace_controller.go, namespaceDeletionGracePeriod),
and then works in passes (measured: 5.3, 10.6, 15.9 s)."""

# Fleet
LEAVE: Final = 7
"""A member with live agents leaves: measured."""
FORCED_LEAVE: Final = 15 * 60
"""A member without live agents leaves: hubagent --force-delete-wait-time."""
SNAPSHOT_INTERVAL: Final = 30
"""hubagent --resource-snapshot-creation-minimum-interval (charts/hub-agent/values.yaml)."""
RECHECK: Final = 5
"""The first pause before an applied object that was not available is checked again: the member agent's default for
--work-applier-requeue-rate-limiter-fixed-delay-seconds. Fleet's later pauses are longer, and here all are equal."""
