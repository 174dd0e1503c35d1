"""Who gets in: token, CURVE keys and the allow-list; and what an eavesdropper sees."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import zmq

from protocol.client import Client
from protocol.endpoint import CurveServer, Endpoint, EndpointError, bind_router, make_keys
from protocol.messages import Finished, Hello, Ping, Submit, Welcome
from protocol.wire import decode, encode
from tests.protocol.following import assert_whole, has, poll_until
from tests.protocol.samples import request
from tests.protocol.small_backend import SmallBackend

SERVER, CLIENT = make_keys(), make_keys()
GUARDED = CurveServer(SERVER, frozenset({CLIENT.public}))
Closing = Callable[..., Client]


def test_an_allowed_key_gets_in_and_works(closing: Closing) -> None:
    with SmallBackend(curve=GUARDED) as backend:
        client = closing(backend.endpoint, keys=CLIENT)
        job = client.submit(request())
        assert_whole(poll_until(client, has(Finished)), job, 6)


def test_the_keys_of_the_connection_file_do_as_well(closing: Closing) -> None:
    with SmallBackend(curve=GUARDED) as backend:
        endpoint = replace(backend.endpoint, client_public=CLIENT.public, client_secret=CLIENT.secret)
        poll_until(closing(endpoint), has(Welcome))


def test_a_foreign_key_is_refused_in_words(closing: Closing) -> None:
    with SmallBackend(curve=GUARDED) as backend:
        client = closing(backend.endpoint, keys=make_keys())
        poll_until(client, lambda _: client.state == "refused")
        assert "public key" in client.reason
        assert backend.seen == []


def test_a_wrong_server_key_is_refused_in_words(closing: Closing) -> None:
    with SmallBackend(curve=GUARDED) as backend:
        client = closing(replace(backend.endpoint, server_key=make_keys().public), keys=CLIENT)
        poll_until(client, lambda _: client.state == "refused")
        assert "not the one in the connection file" in client.reason
        assert backend.seen == []


def test_without_encryption_nothing_reaches_a_guarded_backend(closing: Closing) -> None:
    with SmallBackend(curve=GUARDED) as backend:
        client = closing(replace(backend.endpoint, server_key=""))
        poll_until(client, lambda _: client.state == "refused")
        assert "only one side encrypts" in client.reason
        assert backend.seen == []


def test_a_client_without_key_is_told_before_it_connects() -> None:
    with SmallBackend(curve=GUARDED) as backend:
        with pytest.raises(EndpointError, match="asks for a client key"):
            Client(backend.endpoint, "test")
        with pytest.raises(EndpointError, match="40 characters of Z85"):
            Client(replace(backend.endpoint, server_key="short"), "test", keys=CLIENT)


def test_the_right_key_with_a_wrong_token_is_refused(closing: Closing) -> None:
    with SmallBackend(curve=GUARDED) as backend:
        client = closing(replace(backend.endpoint, token="1" * 64), keys=CLIENT)
        poll_until(client, lambda _: client.state == "refused")
        assert "token" in client.reason


def test_nothing_is_done_for_a_connection_without_hello() -> None:
    with SmallBackend() as backend, zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(backend.endpoint.address)
        for message in (Submit("a", request()), Ping(1), Hello((1, 0), "x", "y", "guess")):
            dealer.send_multipart(encode(message))
            assert dealer.poll(5000)
            assert type(decode(dealer.recv_multipart())).__name__ in ("Error", "Refused")
        assert backend.jobs == {}


def test_the_allow_list_knows_other_domains_and_mechanisms_not() -> None:
    """A plain socket of the same context that asks for authentication is let in by nobody."""
    with zmq.Context() as context:
        router, _ = bind_router(context, curve=GUARDED)
        with context.socket(zmq.ROUTER) as plain, context.socket(zmq.DEALER) as dealer:
            plain.zap_domain = b"tweenfield"
            port = plain.bind_to_random_port("tcp://127.0.0.1")
            dealer.linger = plain.linger = 0
            dealer.connect(f"tcp://127.0.0.1:{port}")
            with suppress(zmq.Again):  # refused already
                dealer.send(b"hello", zmq.NOBLOCK)
            assert not plain.poll(300)
        router.close()


@contextmanager
def eavesdropper(endpoint: Endpoint) -> Iterator[tuple[Endpoint, bytearray]]:
    """A relay of bytes in front of the backend that keeps all it sees."""
    heard = bytearray()
    ear = socket.create_server(("127.0.0.1", 0))
    ear.settimeout(10)
    behind = ("127.0.0.1", int(endpoint.address.rpartition(":")[2]))
    sockets = [ear]

    def relay(come: socket.socket, go: socket.socket) -> None:
        try:
            while data := come.recv(65536):
                heard.extend(data)
                go.sendall(data)
        except OSError:
            pass

    def accept() -> None:
        near, _ = ear.accept()
        far = socket.create_connection(behind)
        sockets.extend((near, far))
        back = threading.Thread(target=relay, args=(far, near))
        back.start()
        relay(near, far)
        far.shutdown(socket.SHUT_RDWR)
        back.join()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield replace(endpoint, address=f"tcp://127.0.0.1:{ear.getsockname()[1]}"), heard
    finally:
        thread.join(10)
        for one in sockets:
            one.close()


@pytest.mark.parametrize("guarded", [False, True])
def test_an_eavesdropper_sees_plain_text_without_curve_and_none_with_it(closing: Closing, guarded: bool) -> None:
    with (
        SmallBackend(curve=GUARDED if guarded else None) as backend,
        eavesdropper(backend.endpoint) as (endpoint, heard),
    ):
        client = closing(endpoint, keys=CLIENT)
        client.submit(request())
        poll_until(client, has(Finished))
        client.close()
    assert len(heard) > 2000
    for secret in (backend.endpoint.token.encode(), request().source.vertices.tobytes(), b"Submit"):
        assert (secret in heard) != guarded
