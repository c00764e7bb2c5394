"""The frontends of the load balancers that AKS creates for Services."""

from typing import Final

_LONGEST: Final = 32  # characters


def frontend_name(uid: str) -> str:
    """Return the name of the frontend of the Service with a UID (kubernetes v1.34.1, cloud-provider, cloud.go)."""
    return f"a{uid.replace('-', '')}"[:_LONGEST]
