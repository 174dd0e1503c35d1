"""Where the backend listens, who may talk to it, and the connection file that tells a client both."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import zmq

from protocol.gatekeeper import DOMAIN, admit
from protocol.limits import SOCKET_FRAME
from protocol.messages import PROTOCOL

MAX_FILE = 64 * 1024  # bytes of a connection file


class EndpointError(ValueError):
    """An address, key or connection file that is not used; the message says why and what to do."""


@dataclass(frozen=True)
class CurveKeys:
    """A CURVE key pair, each key as 40 characters of Z85."""

    public: str
    secret: str


@dataclass(frozen=True)
class CurveServer:
    """What a server needs to be reachable from other machines."""

    keys: CurveKeys
    allowed: frozenset[str]  # public keys of the clients that are let in


@dataclass(frozen=True)
class Endpoint:
    """What the connection file says. Whoever can read it can use the backend."""

    address: str  # tcp://HOST:PORT
    token: str  # secret for Hello, 32 random bytes in hexadecimal
    session: str  # of the server; another one after a restart
    pid: int  # of the server
    protocol: tuple[int, int]
    server_key: str = ""  # the server's public CURVE key; empty on loopback without CURVE
    client_public: str = ""  # a key pair the server lets in, where it made one for this file
    client_secret: str = ""


def make_keys() -> CurveKeys:
    public, secret = zmq.curve_keypair()
    return CurveKeys(public.decode(), secret.decode())


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST``, ``HOST:PORT`` or ``tcp://HOST:PORT``. Port 0: any free one. IPv6 in brackets."""
    text = address.removeprefix("tcp://")
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    host, _, port = text.rpartition(":") if ":" in text.rpartition("]")[2] else (text, "", "0")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise EndpointError(f"{address!r} is no address; give HOST, HOST:PORT or [IPv6]:PORT")
    return ("127.0.0.1" if host == "localhost" else host.strip("[]")), int(port)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(address: str, *, remote: bool = False, curve: CurveServer | None = None) -> tuple[str, int]:
    """Host and port if the backend may listen there, else ``EndpointError``.

    Loopback is always allowed. Any other address needs all three: ``remote``, CURVE, and a list of allowed clients.
    """
    host, port = split_address(address)
    if is_loopback(host):
        return host, port
    if not remote:
        raise EndpointError(f"{host} can be reached from other machines; listening there must be asked for explicitly")
    if curve is None:
        raise EndpointError(f"{host} can be reached from other machines; the connection must be encrypted with CURVE")
    if not curve.allowed:
        raise EndpointError(f"{host} can be reached from other machines; name the public keys of the allowed clients")
    return host, port


def bind_router(
    context: zmq.Context[zmq.Socket[bytes]],
    address: str = "127.0.0.1",
    *,
    curve: CurveServer | None = None,
    remote: bool = False,
    advertise: str = "",
) -> tuple[zmq.Socket[bytes], Endpoint]:
    """A ROUTER socket that listens at ``address``, and the endpoint to write into the connection file.

    ``advertise`` is the host that clients are told, where the one that is listened on (0.0.0.0) cannot be connected to.
    With CURVE a thread of the context decides who is let in; it ends with ``context.term()``.
    """
    host, port = check_address(address, remote=remote, curve=curve)
    router = context.socket(zmq.ROUTER)
    try:
        router.linger = 0
        router.router_mandatory = True  # a client that is gone is an error, not silence
        router.maxmsgsize = SOCKET_FRAME
        router.ipv6 = ":" in host
        router.handshake_ivl = 5000  # ms
        if curve is not None:
            admit(context, curve.allowed)
            router.curve_server = True
            router.curve_secretkey = curve.keys.secret.encode()
            router.curve_publickey = curve.keys.public.encode()
            router.zap_domain = DOMAIN
        router.bind(f"tcp://{_bracketed(host)}:{port or '*'}")
    except zmq.ZMQError as problem:
        router.close(linger=0)
        raise EndpointError(f"cannot listen on {host} port {port}: {problem}; try another address or port") from None
    bound = int(router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0").rpartition(":")[2])
    endpoint = Endpoint(
        address=f"tcp://{_bracketed(advertise or host)}:{bound}",
        token=secrets.token_hex(32),
        session=secrets.token_hex(16),
        pid=os.getpid(),
        protocol=PROTOCOL,
        server_key=curve.keys.public if curve else "",
    )
    return router, endpoint


def make_dealer(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: Endpoint, keys: CurveKeys | None = None
) -> zmq.Socket[bytes]:
    """A DEALER socket for ``connect(endpoint.address)``. It never connects again by itself: the client decides that."""
    keys = keys or CurveKeys(endpoint.client_public, endpoint.client_secret)
    if endpoint.server_key and not keys.secret:
        raise EndpointError("this backend asks for a client key; give the key file whose public key it allows")
    dealer = context.socket(zmq.DEALER)
    try:
        dealer.linger = 0
        dealer.maxmsgsize = SOCKET_FRAME
        dealer.reconnect_ivl = -1
        dealer.handshake_ivl = 5000  # ms
        dealer.ipv6 = "[" in endpoint.address
        if endpoint.server_key:
            dealer.curve_serverkey = endpoint.server_key.encode()
            dealer.curve_publickey = keys.public.encode()
            dealer.curve_secretkey = keys.secret.encode()
    except zmq.ZMQError:
        dealer.close(linger=0)
        raise EndpointError(
            "a CURVE key is not 40 characters of Z85; read the connection and key files again"
        ) from None
    return dealer


def write_connection_file(path: str | os.PathLike[str], endpoint: Endpoint) -> None:
    """Writes the file at once and whole, readable by its owner alone from its first moment on."""
    _write_private(Path(path), json.dumps(asdict(endpoint), indent=1) + "\n")


def read_connection_file(path: str | os.PathLike[str]) -> Endpoint:
    """The endpoint of a connection file; ``EndpointError`` if others could read it or it is not one."""
    values = _read_private(Path(path))
    known = {field.name: field for field in fields(Endpoint)}
    try:
        values["protocol"] = tuple(values["protocol"])
        endpoint = Endpoint(**{name: value for name, value in values.items() if name in known})
        texts = [getattr(endpoint, name) for name in known if name not in ("pid", "protocol")]
        sound = all(isinstance(text, str) for text in texts) and type(endpoint.pid) is int
        sound = sound and len(endpoint.protocol) == 2 and all(type(part) is int for part in endpoint.protocol)
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise EndpointError(f"{path} is no connection file of Tweenfield; name the one that the backend printed")
    return endpoint


def write_keys(path: str | os.PathLike[str], keys: CurveKeys) -> None:
    """A client's key pair, readable by its owner alone."""
    _write_private(Path(path), json.dumps(asdict(keys), indent=1) + "\n")


def read_keys(path: str | os.PathLike[str]) -> CurveKeys:
    values = _read_private(Path(path))
    public, secret = values.get("public"), values.get("secret")
    if not (isinstance(public, str) and isinstance(secret, str) and len(public) == len(secret) == 40):
        raise EndpointError(f"{path} is no key file of Tweenfield; make a new one")
    return CurveKeys(public, secret)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # O_EXCL: made here and now with this mode, never an existing file or link of somebody else's.
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _read_private(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
                raise EndpointError(f"{path} can be read by other users; run: chmod 600 '{path}'")
            if os.name == "posix" and status.st_uid not in (os.geteuid(), 0):
                raise EndpointError(f"{path} belongs to another user; use a file of your own")
            data = file.read(MAX_FILE + 1)
    except OSError as problem:
        raise EndpointError(f"cannot read {path}: {problem.strerror}; is the backend running?") from None
    try:
        values = json.loads(data) if len(data) <= MAX_FILE else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise EndpointError(f"{path} is no JSON file of Tweenfield; name the one that the backend printed")
    return values
