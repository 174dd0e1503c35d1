"""Which versions of the protocol can talk to each other."""

from __future__ import annotations

from protocol.messages import PROTOCOL

Version = tuple[int, int]  # (major, minor)


def negotiate(client: Version, server: Version = PROTOCOL) -> Version | None:
    """The version both speak: the same major, the lower minor. None where the majors differ."""
    return (server[0], min(client[1], server[1])) if client[0] == server[0] else None
