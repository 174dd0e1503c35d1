"""Which versions of the protocol can talk to each other, and what an older side does not know."""

from __future__ import annotations

from protocol.messages import MATCHINGS, PROTOCOL, Bake, First, Match, Reconstruct, Refine, Surface

Version = tuple[int, int]  # (major, minor)


def negotiate(client: Version, server: Version = PROTOCOL) -> Version | None:
    """The version both speak: the same major, the lower minor. None where the majors differ."""
    return (server[0], min(client[1], server[1])) if client[0] == server[0] else None


def unknown_to(spoken: Version, message: First) -> str:
    """What of a submission the other side would pass over or refuse, in words; empty: nothing."""
    if isinstance(message, Refine):
        return "outlines that a frame shall match" if spoken < (1, 4) else ""
    if isinstance(message, Reconstruct):
        return "shapes from an image" if spoken < (1, 4) else ""
    if isinstance(message, Surface):
        return "surfaces of points, curves and meshes" if spoken < (1, 3) else ""
    if isinstance(message, Match):
        return "matching without a morph" if spoken < (1, 2) else ""
    if isinstance(message, Bake):
        return ""
    request = message.request
    if spoken < (1, 2) and request.landmarks is not None and len(request.landmarks):
        return "landmarks"
    if spoken < (1, 2) and request.correspondence in MATCHINGS:
        return f"the correspondence {request.correspondence}"
    return "poses between source and target" if spoken < (1, 1) and request.stops else ""
