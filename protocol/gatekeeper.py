"""Who may finish a CURVE handshake: the allow-list, asked by ZeroMQ over ZAP (RFC 27) for every connection.

CURVE alone lets in any client that knows the server's public key.
"""

from __future__ import annotations

import threading

import zmq
from zmq.utils import z85

DOMAIN = b"tweenfield"


def admit(context: zmq.Context[zmq.Socket[bytes]], allowed: frozenset[str]) -> threading.Thread:
    """Starts the thread that answers for this context. It ends when the context is terminated."""
    # A socket that ``context`` does not count as its own: ``context.destroy()`` must not close it from another thread.
    gate: zmq.Socket[bytes] = zmq.Context.shadow(context).socket(zmq.REP)
    gate.linger = 0
    gate.bind("inproc://zeromq.zap.01")
    thread = threading.Thread(target=_watch, args=(gate, allowed), name="gatekeeper", daemon=True)
    thread.start()
    return thread


def _watch(gate: zmq.Socket[bytes], allowed: frozenset[str]) -> None:
    try:
        while True:
            version, request, domain, _address, _identity, mechanism, *credentials = gate.recv_multipart()
            known = domain == DOMAIN and mechanism == b"CURVE" and len(credentials) == 1
            welcome = known and z85.encode(credentials[0]).decode("ascii") in allowed
            status, text = (b"200", b"OK") if welcome else (b"400", b"this client key is not allowed")
            gate.send_multipart([version, request, status, text, b"", b""])
    except zmq.ContextTerminated:
        pass
    finally:
        gate.close(linger=0)
