"""Listening for other machines: encrypted, with a list of clients, or not at all."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.commands.parser import CommandError, Parser
from backend.commands.serve import add_arguments, run
from protocol.endpoint import CurveKeys, Endpoint, make_keys
from protocol.messages import Frame
from tests.chaos.tcp_proxy import TcpProxy
from tests.service.harness import Backend, Follower, backend_environment, scripted


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--remote"],
        ["--remote", "--keys", "keys.json"],
        ["--client-key"],
        ["--allow", "k" * 40],
    ],
)
def test_other_addresses_need_all_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    parser = Parser("serve", "")
    add_arguments(parser)
    given = ["--address", "0.0.0.0", "--connection-file", "connection.json", "--journal", "journal", *options]
    with pytest.raises(CommandError, match="can be reached from other machines"):
        run(parser.read(given))
    assert {path.name for path in tmp_path.iterdir()} <= {"keys.json"}


def test_the_command_line_refuses_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend", "serve", "--address", "0.0.0.0", "--journal", str(tmp_path / "j")]
    done = subprocess.run(
        command, env=backend_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "0.0.0.0 can be reached from other machines" in done.stderr
    assert "Traceback" not in done.stderr


def refused(endpoint: Endpoint, keys: CurveKeys | None = None) -> str:
    """Why a client does not come in."""
    with Follower(endpoint, keys=keys) as follower:
        follower.until(lambda: follower.client.state == "refused" or follower.client.welcome)
        assert follower.client.welcome is None
        return follower.client.reason


def test_only_listed_clients_and_nothing_to_overhear(tmp_path: Path, warm_backend: Backend) -> None:
    listed = make_keys()
    journal = tmp_path / "journal"
    journal.mkdir()
    (journal / "catalogue.bin").write_bytes((warm_backend.journal / "catalogue.bin").read_bytes())
    options = ["--address", "0.0.0.0", "--remote", "--advertise", "127.0.0.1"]
    options += ["--keys", str(tmp_path / "server.json"), "--allow", listed.public, "--client-key"]
    with Backend(tmp_path, *options) as backend:
        endpoint = backend.endpoint
        plain = replace(endpoint, server_key="")
        foreign = make_keys()
        assert "not let this client's key in" in refused(endpoint, foreign)
        assert refused(replace(endpoint, server_key=foreign.public), listed)  # an impostor's or an old server key
        assert refused(plain)
        assert "secret" in refused(replace(endpoint, token="0" * 64), listed)

        with TcpProxy(endpoint) as proxy, Follower(proxy.endpoint, keys=listed) as follower:
            follower.run(scripted(follower, steps=0, frames=4), "overheard")
            assert len(follower.of(Frame, "overheard")) == 4
            assert b"CURVE" in proxy.seen
            for secret in (b"overheard", endpoint.token.encode(), b"Submit", b"scripted"):
                assert secret not in proxy.seen
        with Follower(endpoint) as follower:  # with the key pair of the connection file
            follower.welcome()
    with TcpProxy(warm_backend.endpoint) as proxy, Follower(proxy.endpoint) as follower:
        follower.welcome()
        assert warm_backend.endpoint.token.encode() in proxy.seen  # on loopback it can be read: the test can fail


def test_the_server_keeps_its_key(tmp_path: Path) -> None:
    options = ["--keys", str(tmp_path / "server.json"), "--client-key"]
    with Backend(tmp_path, *options) as backend:
        first = backend.endpoint
    with Backend(tmp_path, *options) as backend:
        second = backend.endpoint
    assert first.server_key == second.server_key != ""
    assert first.token != second.token
    assert first.client_public != second.client_public
