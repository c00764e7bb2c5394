"""Lets `verify`, which knows no rehearsal, look at what is rehearsed."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from rehearsal import door
from rehearsal.cloud import Cloud
from rehearsal.kubernetes import traffic
from rehearsal.kubernetes.kubeconfig import resolve
from rehearsal.real.network import Networks
from rehearsal.real.world import World as RealWorld

_SECONDS = 10  # for an answer; a connection to an address that nobody has fails after three


class _Internet:
    """What a client before the real clusters' networks gets."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def request(self, url: str) -> Mapping[str, str]:
        return self._networks.request(url, _SECONDS)

    def connect(self, host: str, port: int) -> None:
        self._networks.reach(host, port, _SECONDS)


@contextmanager
def verifiable(cloud: Cloud, outputs: Mapping[str, Any]) -> Generator[tuple[str, dict[str, str]]]:
    """Make a rehearsed deployment reachable on loopback, until the end of the block.

    Args:
        cloud: where it is.
        outputs: its stack's outputs, in clear.

    Yields:
        the outputs as JSON, with kubeconfigs that lead to the clusters; and the environment in which the URL answers.
    """
    world = cloud.world
    if isinstance(world, RealWorld):
        opened = door.open_door(_Internet(world.networks))
    else:
        opened = door.open_door(traffic.Internet(world), world)
    with opened as entrance:

        def kubeconfig(text: str) -> str:
            cluster = world.at(resolve({"kubeconfig": text}).server)
            if cluster is None:
                return text  # it is gone
            return (
                world.kubeconfig(cluster.id).read_text(encoding="utf-8")
                if isinstance(world, RealWorld)
                else entrance.kubeconfig(cluster.id)
            )

        leading = dict(outputs)
        if outputs:
            leading["hubKubeconfig"] = kubeconfig(outputs["hubKubeconfig"])
            leading["kubeconfigs"] = {name: kubeconfig(text) for name, text in outputs["kubeconfigs"].items()}
        yield json.dumps(leading), entrance.environment()
