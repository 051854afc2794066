"""Ports on 127.0.0.1 of the machine through which people and tools reach the cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass

from recsys_local.network import GATEWAY_ADDRESS, NODE_ADDRESS, S3_ADDRESS


@dataclass(frozen=True)
class Forward:
    """One relayed port: where it listens on the machine and where it leads inside the namespace."""

    name: str
    port: int
    address: str
    inner_port: int

    @property
    def argument(self) -> str:
        return f"{self.port}:{self.address}:{self.inner_port}"


def _port(variable: str, default: int) -> int:
    return int(os.environ.get(variable, default))


def forwards() -> tuple[Forward, ...]:
    """The relay's ports; each can be moved by an environment variable."""
    return (
        Forward("api", _port("RECSYS_LOCAL_API_PORT", 36443), NODE_ADDRESS, 6443),
        Forward("gateway", _port("RECSYS_LOCAL_GATEWAY_PORT", 36080), GATEWAY_ADDRESS, 80),
        Forward("s3", _port("RECSYS_LOCAL_S3_PORT", 36333), S3_ADDRESS, 8333),
    )


def port_of(name: str) -> int:
    """The machine's port of a relayed service: api, gateway or s3."""
    return next(forward.port for forward in forwards() if forward.name == name)
