"""Where servers of pods listen, and how they are asked: a cluster's pods have IPv4 addresses, IPv6 addresses or both."""

import socket
from collections.abc import Callable

EVERYWHERE = ""
"""Every address of the machine, of IPv4 and IPv6."""
_ANY_IPV4, _ANY_IPV6 = "0.0.0.0", "::"


def in_url(address: str) -> str:
    """An address as the host of a URL: that of IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def bound(address: str, port: int, *, has_both: Callable[[], bool] = socket.has_dualstack_ipv6) -> socket.socket:
    """A TCP socket that is bound and does not listen yet; the caller closes it.

    Args:
        address: one of this machine, or EVERYWHERE: both families where the machine has IPv6, IPv4 where it has none.
        port: 0 for a free one.

    Raises:
        OSError: the address is none of this machine's, or the port is taken.
    """
    both = address == EVERYWHERE and has_both()
    host = address or (_ANY_IPV6 if both else _ANY_IPV4)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends an answer at once only where the socket says that it is TCP
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a restart waits for the last connections
        if ":" in host:
            # not what the kernel's net.ipv6.bindv6only says
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made
