"""What a cluster's NetworkPolicies let into a pod, as Cilium has it. Traffic out of pods is not judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Final

from rehearsal.cluster.objects import Object, child, labels_of, matches, name_of, namespace_of

Caller = Object | IPv4Network | None
"""A pod of the same cluster; addresses outside the cluster; or None for another node of the cluster.

For Cilium, addresses are never those of the cluster's own pods and nodes (learn: aks/azure-cni-powered-by-cilium).
"""
CLIENT: Final = IPv4Network("203.0.113.1/32")
"""A client on the internet: an address for documentation (RFC 5737)."""


@dataclass(frozen=True)
class NetworkPolicies:
    """A cluster's policies, and the namespaces that they select.

    Args:
        policies: the NetworkPolicies.
        namespaces: the Namespaces.
    """

    policies: Sequence[Object]
    namespaces: Sequence[Object]

    def admit(self, pod: Object, port: int, caller: Caller) -> bool:
        """Return whether a TCP packet gets into a pod: always if no policy isolates it.

        Source: Kubernetes docs: concepts/services-networking/network-policies.
        """
        isolating = [policy for policy in self.policies if _isolates(policy, pod)]
        return not isolating or any(
            self._allows(rule, pod, port, caller)
            for policy in isolating
            for rule in child(policy, "spec").get("ingress") or ()
        )

    def isolate(self, pod: Object) -> bool:
        """Return whether a pod gets only the packets that a policy allows."""
        return any(_isolates(policy, pod) for policy in self.policies)

    def ranges(self, pod: Object) -> list[IPv4Network]:
        """Return the ranges that the policies of a pod tell apart, outside the cluster, the narrowest first."""
        blocks = [
            peer["ipBlock"]
            for policy in self.policies
            if _isolates(policy, pod)
            for rule in child(policy, "spec").get("ingress") or ()
            for peer in rule.get("from") or ()
            if "ipBlock" in peer
        ]
        texts = {text for block in blocks for text in (block["cidr"], *(block.get("except") or ()))}
        known = {each for text in texts if isinstance(each := ip_network(text, strict=False), IPv4Network)}
        return sorted({*known, IPv4Network("0.0.0.0/0")}, key=lambda each: -each.prefixlen)

    def _allows(self, rule: Object, pod: Object, port: int, caller: Caller) -> bool:
        peers, ports = rule.get("from"), rule.get("ports")
        return (not ports or any(_is_port(each, pod, port) for each in ports)) and (
            not peers or any(self._is_peer(each, pod, caller) for each in peers)
        )

    def _is_peer(self, peer: Object, pod: Object, caller: Caller) -> bool:
        if caller is None:
            return False
        if isinstance(caller, IPv4Network):
            return "ipBlock" in peer and _is_in(peer["ipBlock"], caller)
        if "ipBlock" in peer:
            return False
        if "namespaceSelector" in peer:
            own = [labels_of(each) for each in self.namespaces if name_of(each) == namespace_of(caller)]
            here = any(matches(peer["namespaceSelector"], labels) for labels in own)
        else:
            here = namespace_of(caller) == namespace_of(pod)
        return here and matches(child(peer, "podSelector"), labels_of(caller))


def seen_from(node: str, pod: Object) -> Caller:
    """Return as whose a pod sees a packet of a load balancer that a node of its cluster received.

    On the pod's own node, it is the client's; from another one, it is that node's, which no NetworkPolicy selects
    (docs.cilium.io: security/policy/caveats, native routing).
    """
    return CLIENT if node == child(pod, "spec").get("nodeName") else None


def _isolates(policy: Object, pod: Object) -> bool:
    spec: Mapping[str, object] = child(policy, "spec")
    types: Iterable[str] = child(policy, "spec").get("policyTypes") or ("Ingress",)
    return (
        namespace_of(policy) == namespace_of(pod)
        and "Ingress" in types
        and matches(child(spec, "podSelector"), labels_of(pod))
    )


def _is_port(wanted: Object, pod: Object, port: int) -> bool:
    if wanted.get("protocol", "TCP") != "TCP":
        return False
    first = wanted.get("port")
    if first is None:
        return True
    if isinstance(first, int):
        return first <= port <= wanted.get("endPort", first)
    containers: Sequence[Object] = pod["spec"].get("containers") or ()
    named = (each for container in containers for each in container.get("ports") or () if each.get("name") == first)
    return any(each["containerPort"] == port for each in named)


def _is_in(block: Object, addresses: IPv4Network) -> bool:
    def within(text: str) -> bool:
        outer = ip_network(text, strict=False)
        return isinstance(outer, IPv4Network) and addresses.subnet_of(outer)

    return within(block["cidr"]) and not any(within(each) for each in block.get("except") or ())
