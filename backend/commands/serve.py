"""``serve``: the backend as a process of its own, for Blender or another command line, here or elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.parser import CommandError, Parser, seconds, whole_number

if TYPE_CHECKING:
    from protocol.endpoint import CurveKeys, CurveServer


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--connection-file", type=Path, metavar="PATH", help="where to write how to connect (default: a folder of ours)"
    )
    add("--parent-pid", type=whole_number(1, 2**31 - 1), metavar="PID", help="end when this process ends")
    add("--journal", type=Path, metavar="DIR", help="where jobs and results are kept (default: a folder of the user)")
    add("--journal-gib", type=whole_number(1, 2**20), default=4, metavar="N", help="size it may reach (default: 4 GiB)")
    add("--journal-days", type=whole_number(1, 36500), default=14, metavar="N", help="how long results stay there")
    add("--threads", type=whole_number(1, 1024), metavar="N", help="threads of a computation (default: half the cores)")
    add("--stall", type=seconds, default=900.0, metavar="S", help="give a job up that takes no step for so long")
    add("--hang", type=seconds, default=5.0, metavar="S", help="replace a worker that stands still for so long")
    add("--address", default="127.0.0.1", metavar="HOST[:PORT]", help="where to listen (default: this machine only)")
    remote = parser.add_argument_group(
        "other machines", "Any address but this machine's needs --remote, encryption, and clients that are let in."
    )
    add = remote.add_argument
    add("--remote", action="store_true", help="listen on an address that other machines can reach")
    add("--advertise", default="", metavar="HOST", help="the host name that the connection file tells")
    add("--keys", type=Path, metavar="FILE", help="the server's key pair, made if it is not there (default: a new one)")
    add("--allow", action="append", default=[], metavar="KEY", help="public key of a client that is let in; repeatable")
    add("--client-key", action="store_true", help="make a client's key pair and put it into the connection file")


def run(arguments: argparse.Namespace) -> int:
    from backend.service.journal import JournalInUse, JournalLimits
    from backend.service.scheduler import Patience
    from backend.service.server import ServerOptions, serve
    from protocol.endpoint import EndpointError, make_keys

    client = make_keys() if arguments.client_key else None
    options = ServerOptions(
        address=arguments.address,
        remote=arguments.remote,
        curve=_curve(arguments, client),
        client_keys=client,
        advertise=arguments.advertise,
        parent_pid=arguments.parent_pid,
        journal=arguments.journal,
        limits=JournalLimits(bytes=arguments.journal_gib << 30, seconds=86400.0 * arguments.journal_days),
        patience=Patience(hang=arguments.hang, stall=arguments.stall),
        threads=arguments.threads,
    )
    try:
        return serve(arguments.connection_file, options)
    except JournalInUse as error:
        raise CommandError(str(error)) from error
    except EndpointError as error:
        raise CommandError(f"{error} (see the options --remote, --allow, --client-key and --keys)") from error


def _curve(arguments: argparse.Namespace, client: CurveKeys | None) -> CurveServer | None:
    """The server's keys and the clients that are let in; nothing of it unless something of it was asked for."""
    from protocol.endpoint import CurveServer, make_keys, read_keys, write_keys

    allowed = set(arguments.allow) | ({client.public} if client is not None else set())
    for key in allowed:
        if len(key) != 40:
            raise CommandError(f"--allow {key!r} is no public key; a key has 40 characters")
    if arguments.keys is None and not allowed:
        return None
    if arguments.keys is None:
        keys = make_keys()
    elif arguments.keys.exists():
        keys = read_keys(arguments.keys)
    else:
        keys = make_keys()
        write_keys(arguments.keys, keys)
    return CurveServer(keys, frozenset(allowed))
