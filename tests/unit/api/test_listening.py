"""Servers of pods are reached by IPv4 and by IPv6."""

import asyncio
import errno
import socket

import pytest
from tests.unit.loopbacks import IPV4, IPV6, LOOPBACKS

from recsys_api.listening import EVERYWHERE, bound


def answers(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as caller:
        return caller.connect_ex((address, port)) == 0


def reached(address: str, has_both: bool) -> set[str]:
    """Of the two loopback addresses those that reach a server at `address`."""
    with bound(address, 0, has_both=lambda: has_both) as server:
        server.listen()
        port = server.getsockname()[1]
        return {each for each in LOOPBACKS if answers(each, port)}


CASES = [(EVERYWHERE, False, {IPV4}), ("0.0.0.0", True, {IPV4}), (IPV4, True, {IPV4})]
CASES += [(EVERYWHERE, True, {IPV4, IPV6}), ("::", True, {IPV6}), (IPV6, True, {IPV6})] if IPV6 in LOOPBACKS else []


@pytest.mark.parametrize(("address", "has_both", "expected"), CASES)
def test_a_server_is_reached_by_the_families_of_its_address(address: str, has_both: bool, expected: set[str]) -> None:
    assert reached(address, has_both) == expected


def test_a_port_that_is_taken_in_one_family_is_told() -> None:
    with bound(IPV4, 0) as first:
        first.listen()
        with pytest.raises(OSError) as caught:  # noqa: PT011 (of an errno)
            bound(EVERYWHERE, first.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("address", [EVERYWHERE, *sorted(LOOPBACKS)])
async def test_an_answer_does_not_wait_until_the_one_before_it_is_acknowledged(address: str) -> None:
    """Nagle's algorithm with delayed acknowledgements: 40 ms for each answer. asyncio turns it off for sockets that say TCP."""
    found = asyncio.get_running_loop().create_future()

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with bound(address, 0) as made:
        async with await asyncio.start_server(note, sock=made):
            _, writer = await asyncio.open_connection(address or IPV4, made.getsockname()[1])
            assert await found
            writer.close()
