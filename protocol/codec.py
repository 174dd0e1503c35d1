"""Values to msgpack's plain types and back, strictly after the annotations of the message dataclasses.

Arrays leave the value: what stays is their number, and the bytes travel as frames of their own. A field marked
``ASIDE`` is packed by itself and travels the same way.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgpack
import numpy as np
from numpy.typing import NDArray

from protocol.checks import CHECKS
from protocol.limits import LIMITS, Limits, WireError
from protocol.messages import ASIDE, LATER

DTYPES = {code: np.dtype("<" + code) for code in ("f4", "f8", "i4", "u4", "u1")}  # nothing else is ever sent
SCALARS = (bool, int, float, str)

Array = NDArray[np.generic]


def code_of(dtype: np.dtype[Any]) -> str:
    """``f4`` and the like; not by ``dtype.type``, of which Windows has two for the same 32 bits."""
    return f"{dtype.kind}{dtype.itemsize}"


@dataclass
class Transfer:
    """One message on its way: the arrays beside the header, and the limits it is held to."""

    limits: Limits = LIMITS
    arrays: list[Array] = field(default_factory=list)


class Codec(NamedTuple):
    """Both directions of one annotation. The string is the place in the message, for error texts."""

    pack: Callable[[Any, Transfer, str], Any]
    unpack: Callable[[Any, Transfer, str], Any]


def wrong(where: str, value: object, expected: str) -> WireError:
    kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    return WireError("bad-message", f"{where} is {kind}; it must be {expected}")


@cache
def codec(annotation: Any) -> Codec:
    """The codec of a type annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated and ASIDE in arguments[1:]:
        return _document(codec(arguments[0]))
    if origin is Annotated:
        return codec(arguments[0])
    if annotation in SCALARS:
        return _scalar((annotation,))
    if annotation is Any:
        return Codec(_plain, _plain)
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is np.ndarray:
        return _array(get_args(arguments[1])[0])
    if origin is NDArray:  # from numpy 2.5 on the alias is a type of its own
        return _array(arguments[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(arguments[1])
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _dataclass(annotation)
    raise TypeError(f"{annotation} cannot travel")


def _scalar(allowed: tuple[type, ...]) -> Codec:
    expected = " or ".join(kind.__name__ for kind in allowed)

    def pack(value: Any, transfer: Transfer, where: str) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if float in allowed and type(value) is int and int not in allowed:
            value = float(value)
        return unpack(value, transfer, where)

    def unpack(value: Any, transfer: Transfer, where: str) -> Any:
        if type(value) not in allowed:
            raise wrong(where, value, expected)
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise WireError("bad-message", f"{where} is {value}; whole numbers have at most 64 bits")
        if type(value) is str and len(value) > transfer.limits.text:
            raise WireError(
                "too-large", f"{where} is a text of {len(value)} characters: {transfer.limits.text} at most"
            )
        return value

    return Codec(pack, unpack)


def _literal(choices: tuple[Any, ...]) -> Codec:
    def both(value: Any, transfer: Transfer, where: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise WireError("bad-message", f"{where} is {str(value)[:40]!r}; it must be one of {', '.join(choices)}")
        return value

    return Codec(both, both)


def _union(arguments: tuple[Any, ...]) -> Codec:
    kinds = tuple(kind for kind in arguments if kind is not types.NoneType)
    inner = codec(kinds[0]) if len(kinds) == 1 else _scalar(kinds)
    if len(kinds) == len(arguments):
        return inner
    return Codec(
        lambda value, transfer, where: None if value is None else inner.pack(value, transfer, where),
        lambda value, transfer, where: None if value is None else inner.unpack(value, transfer, where),
    )


def _tuple(arguments: tuple[Any, ...]) -> Codec:
    many = len(arguments) == 2 and arguments[1] is Ellipsis
    inner = codec(arguments[0])
    if not many and any(argument is not arguments[0] for argument in arguments):
        raise TypeError("tuples of different kinds cannot travel")

    def walk(value: Any, transfer: Transfer, where: str, step: Callable[[Any, Transfer, str], Any]) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise wrong(where, value, "a list")
        if len(value) > transfer.limits.items:
            raise WireError("too-large", f"{where} has {len(value)} entries: {transfer.limits.items} at most")
        if not many and len(value) != len(arguments):
            raise WireError("bad-message", f"{where} has {len(value)} entries; it must have {len(arguments)}")
        return [step(item, transfer, f"{where}[{i}]") for i, item in enumerate(value)]

    return Codec(
        lambda value, transfer, where: walk(value, transfer, where, inner.pack),
        lambda value, transfer, where: tuple(walk(value, transfer, where, inner.unpack)),
    )


def _mapping(kind: Any) -> Codec:
    inner = codec(kind)

    def walk(value: Any, transfer: Transfer, where: str, step: Callable[[Any, Transfer, str], Any]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong(where, value, "a map")
        if len(value) > transfer.limits.items:
            raise WireError("too-large", f"{where} has {len(value)} entries: {transfer.limits.items} at most")
        return {_key(key, where): step(item, transfer, f"{where}[{key!r}]") for key, item in value.items()}

    return Codec(
        lambda value, transfer, where: walk(value, transfer, where, inner.pack),
        lambda value, transfer, where: walk(value, transfer, where, inner.unpack),
    )


def _key(key: Any, where: str) -> str:
    if type(key) is not str:
        raise wrong(f"a key of {where}", key, "str")
    return key


def _array(kind: type) -> Codec:
    codes = tuple(DTYPES) if kind is np.generic else (code_of(np.dtype(kind)),)
    expected = "an array of " + ", ".join(codes)

    def pack(value: Any, transfer: Transfer, where: str) -> int:
        if not isinstance(value, np.ndarray) or code_of(value.dtype) not in codes:
            raise wrong(where, value, expected)
        if not 1 <= value.ndim <= 4:
            raise WireError("bad-message", f"{where} has {value.ndim} dimensions; it must have 1 to 4")
        if len(transfer.arrays) >= transfer.limits.arrays:
            raise WireError("too-large", f"the message has more than {transfer.limits.arrays} arrays")
        if value.nbytes > transfer.limits.frame:
            raise WireError("too-large", f"{where} has {value.nbytes} bytes: {transfer.limits.frame} at most")
        transfer.arrays.append(value)
        return len(transfer.arrays) - 1

    def unpack(value: Any, transfer: Transfer, where: str) -> Array:
        if type(value) is not int or not 0 <= value < len(transfer.arrays):
            raise wrong(where, value, "the number of an array of this message")
        array = transfer.arrays[value]
        if code_of(array.dtype) not in codes:
            raise wrong(where, array, expected)
        return array

    return Codec(pack, unpack)


def _plain(value: Any, transfer: Transfer, where: str, depth: int = 0) -> Any:
    """None, numbers, texts, and lists and maps of them; the same in both directions."""
    if depth > transfer.limits.depth:
        raise WireError("too-large", f"{where} is nested deeper than {transfer.limits.depth}")
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return None
    if type(value) in SCALARS:
        return ANY_SCALAR.unpack(value, transfer, where)
    if isinstance(value, list | tuple | Mapping) and len(value) > transfer.limits.items:
        raise WireError("too-large", f"{where} has {len(value)} entries: {transfer.limits.items} at most")
    if isinstance(value, list | tuple):
        return [_plain(item, transfer, where, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {_key(k, where): _plain(v, transfer, where, depth + 1) for k, v in value.items()}
    raise wrong(where, value, "a plain value: None, a number, a text, or a list or map of them")


ANY_SCALAR = _scalar(SCALARS)


def _document(inner: Codec) -> Codec:
    array = _array(np.uint8)

    def pack(value: Any, transfer: Transfer, where: str) -> int:
        data = pack_plain(inner.pack(value, Transfer(transfer.limits), where), where)
        if len(data) > transfer.limits.document:
            raise WireError("too-large", f"{where} has {len(data)} bytes: {transfer.limits.document} at most")
        index: int = array.pack(np.frombuffer(data, np.uint8), transfer, where)
        return index

    def unpack(value: Any, transfer: Transfer, where: str) -> Any:
        data: Array = array.unpack(value, transfer, where)
        if data.nbytes > transfer.limits.document:
            raise WireError("too-large", f"{where} has {data.nbytes} bytes: {transfer.limits.document} at most")
        return inner.unpack(unpack_plain(data.tobytes(), transfer.limits, where), Transfer(transfer.limits), where)

    return Codec(pack, unpack)


def _dataclass(kind: type) -> Codec:
    hints = get_type_hints(kind, include_extras=True)
    parts = {f.name: (codec(hints[f.name]), _optional(f)) for f in fields(kind)}
    later = {name for name in parts if LATER in getattr(hints[name], "__metadata__", ())}
    check = CHECKS.get(kind)

    def pack(value: Any, transfer: Transfer, where: str) -> dict[str, Any]:
        if type(value) is not kind:
            raise wrong(where, value, kind.__name__)
        told = {name: getattr(value, name) for name in parts}
        return {
            name: parts[name][0].pack(content, transfer, f"{where}.{name}")
            for name, content in told.items()
            if content is not None or name not in later
        }

    def unpack(value: Any, transfer: Transfer, where: str) -> Any:
        if not isinstance(value, dict):
            raise wrong(where, value, "a map")
        missing = [name for name, (_, optional) in parts.items() if name not in value and not optional]
        if missing:
            raise WireError("bad-message", f"{where} lacks {', '.join(missing)}")
        # Names that are not known come from a newer minor version and are passed over.
        known = {n: p.unpack(value[n], transfer, f"{where}.{n}") for n, (p, _) in parts.items() if n in value}
        made = kind(**known)
        if check is not None:
            check(made, transfer.limits, where)
        return made

    return Codec(pack, unpack)


def _optional(f: Field[Any]) -> bool:
    return f.default is not MISSING or f.default_factory is not MISSING


def pack_plain(value: object, where: str) -> bytes:
    """msgpack bytes of plain types."""
    try:
        data: bytes = msgpack.packb(value, use_bin_type=True)
    except (ValueError, TypeError, OverflowError) as problem:
        raise WireError("bad-message", f"{where} cannot be packed: {problem}") from None
    return data


def unpack_plain(data: bytes, limits: Limits, where: str) -> Any:
    """Plain types of msgpack bytes. No binary, no extension types; no list or map longer than ``limits.items``."""
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_str_len=limits.text,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=limits.items,
            max_map_len=limits.items,
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        code = "too-large" if "exceeds max_" in str(problem) else "bad-message"
        raise WireError(code, f"{where} is not sound msgpack: {problem or type(problem).__name__}") from None


def whole(value: object) -> int:
    """A non-negative whole number, or ``WireError``."""
    if type(value) is not int or value < 0:
        raise wrong("a length", value, "a whole number")
    return operator.index(value)
