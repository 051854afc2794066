"""The addresses by which a machine reaches itself."""

import socket

IPV4, IPV6 = "127.0.0.1", "::1"
LOOPBACKS = (IPV4, IPV6) if socket.has_dualstack_ipv6() else (IPV4,)
