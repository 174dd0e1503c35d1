"""The connection file, the addresses that may be listened on, and keys."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from protocol.endpoint import (
    CurveServer,
    EndpointError,
    bind_router,
    check_address,
    make_keys,
    read_connection_file,
    read_keys,
    split_address,
    write_connection_file,
    write_keys,
)
from protocol.messages import PROTOCOL

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files mean something on POSIX only")


@pytest.fixture
def endpoint():  # type: ignore[no-untyped-def]
    with zmq.Context() as context:
        router, made = bind_router(context)
        router.close()
        yield made


def test_an_endpoint_is_loopback_with_fresh_secrets(endpoint) -> None:  # type: ignore[no-untyped-def]
    with zmq.Context() as context:
        router, other = bind_router(context)
        router.close()
    assert endpoint.address.startswith("tcp://127.0.0.1:")
    assert int(endpoint.address.rpartition(":")[2]) >= 1024
    assert len(bytes.fromhex(endpoint.token)) == 32
    assert endpoint.token != other.token
    assert endpoint.session != other.session
    assert (endpoint.pid, endpoint.protocol) == (os.getpid(), PROTOCOL)


def test_the_connection_file_comes_back_whole(endpoint, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "folder" / "connection.json"
    write_connection_file(file, endpoint)
    assert read_connection_file(file) == endpoint
    write_connection_file(file, replace(endpoint, pid=1))  # over the old one
    assert read_connection_file(file).pid == 1
    assert [entry.name for entry in file.parent.iterdir()] == ["connection.json"]


@posix
def test_nobody_else_can_read_the_file_at_any_moment(endpoint, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A watcher looks at everything in the folder while the file is written many times, with a wide umask."""
    modes: set[int] = set()
    ending = threading.Event()

    def watch() -> None:
        while not ending.is_set():
            for entry in os.scandir(tmp_path):
                try:
                    modes.add(stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=watch)
    before = os.umask(0)
    watcher.start()
    try:
        for _ in range(60):
            write_connection_file(tmp_path / "connection.json", endpoint)
    finally:
        ending.set()
        watcher.join()
        os.umask(before)
    assert modes == {0o600}


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o610])
def test_a_file_that_others_can_read_is_refused(endpoint, tmp_path: Path, mode: int) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "connection.json"
    write_connection_file(file, endpoint)
    file.chmod(mode)
    with pytest.raises(EndpointError, match="chmod 600"):
        read_connection_file(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"address": 1, "token": "", "session": "", "pid": 1, "protocol": [1, 0]}',
        '{"address": "a", "token": "", "session": "", "pid": "1", "protocol": [1, 0]}',
        '{"address": "a", "token": "", "session": "", "pid": 1, "protocol": [1]}',
        '{"address": "a", "token": "", "session": "", "pid": 1, "protocol": 1}',
        "[" * 100_000,
        "{" + " " * 70_000 + "}",
        "\xff",
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "connection.json"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(EndpointError, match="of Tweenfield"):
        read_connection_file(file)


def test_a_missing_file_asks_whether_the_backend_runs(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="is the backend running"):
        read_connection_file(tmp_path / "none.json")


def test_unknown_entries_of_a_newer_file_are_passed_over(endpoint, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "connection.json"
    write_connection_file(file, endpoint)
    file.write_text(file.read_text().replace("{", '{"newer": [1],', 1))
    assert read_connection_file(file) == endpoint


def test_keys_come_back_and_nonsense_does_not(tmp_path: Path) -> None:
    keys = make_keys()
    write_keys(tmp_path / "key.json", keys)
    assert read_keys(tmp_path / "key.json") == keys
    write_keys(tmp_path / "short.json", replace(keys, secret="short"))
    with pytest.raises(EndpointError, match="no key file"):
        read_keys(tmp_path / "short.json")


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1", ("127.0.0.1", 0)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("tcp://127.3.2.1:80", ("127.3.2.1", 80)),
        ("localhost", ("127.0.0.1", 0)),
        ("::1", ("::1", 0)),
        ("[::1]:5", ("::1", 5)),
    ],
)
def test_loopback_is_always_allowed(address: str, parts: tuple[str, int]) -> None:
    assert check_address(address) == parts


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5:80", "::", "[fe80::1]:5", "example.org", "*", "128.0.0.1"])
def test_any_other_address_needs_the_flag_and_curve_and_a_list(address: str) -> None:
    keys = make_keys()
    full = CurveServer(keys, frozenset({make_keys().public}))
    with pytest.raises(EndpointError, match="asked for explicitly"):
        check_address(address)
    with pytest.raises(EndpointError, match="asked for explicitly"):
        check_address(address, curve=full)
    with pytest.raises(EndpointError, match="encrypted with CURVE"):
        check_address(address, remote=True)
    with pytest.raises(EndpointError, match="public keys of the allowed clients"):
        check_address(address, remote=True, curve=CurveServer(keys, frozenset()))
    assert check_address(address, remote=True, curve=full)[1] in (0, 80, 5)


@pytest.mark.parametrize("address", ["", "a:b", "tcp://", "127.0.0.1:70000", "127.0.0.1:-1", ":5"])
def test_nonsense_is_no_address(address: str) -> None:
    with pytest.raises(EndpointError, match="is no address"):
        split_address(address)


def test_nothing_is_bound_where_it_is_not_allowed_or_not_possible(endpoint) -> None:  # type: ignore[no-untyped-def]
    with zmq.Context() as context:
        with pytest.raises(EndpointError, match="asked for explicitly"):
            bind_router(context, "0.0.0.0")
        router, made = bind_router(context)
        with pytest.raises(EndpointError, match="try another address or port"):
            bind_router(context, made.address)
        router.close()
