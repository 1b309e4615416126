"""What one Avro schema wrote, read with another: what cannot be, and what would be understood wrongly.

Avro specification, "Schema Resolution", "Aliases" and "Logical Types". The avro package decides the same without the
names of fields and without logical types; a property test holds the two together. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

PRIMITIVES = frozenset(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
# Reader: what it also reads (specification, "Schema Resolution").
_PROMOTED = {
    "long": ("int",),
    "float": ("int", "long"),
    "double": ("int", "long", "float"),
    "string": ("bytes",),
    "bytes": ("string",),
}
# On any other type a logical type of these names means nothing (specification, "Logical Types").
_LOGICAL_ON = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "uuid": ("string", "fixed"),
    "decimal": ("bytes", "fixed"),
    "big-decimal": ("bytes",),
    "duration": ("fixed",),
} | {
    f"{local}timestamp-{unit}": ("long",)
    for local in ("", "local-")
    for unit in ("millis", "micros", "nanos")
}

Kind = Literal["no_default", "type", "branch", "symbols", "size", "name", "logical"]


@dataclass(eq=False)
class Type:
    """One Avro type with its names resolved. `logical`: its logical type with parameters, empty for none."""

    kind: str
    name: str = ""
    aliases: frozenset[str] = frozenset()
    logical: str = ""
    size: int = 0
    symbols: tuple[str, ...] = ()
    default: str | None = None
    parts: tuple[Type, ...] = ()
    fields: tuple[Field, ...] = ()

    def __str__(self) -> str:
        return self.logical or (f"{self.kind} {self.name}" if self.name else self.kind)


@dataclass(frozen=True)
class Field:
    name: str
    aliases: tuple[str, ...]
    has_default: bool
    type: Type


@dataclass(frozen=True)
class Mismatch:
    """One thing in the way, at a dotted path in the reader's names (empty: the record itself).

    no_default: a field that was never written and has no default. type, branch: a type (of a union) that the reader has
    not. symbols: of an enum without default. logical: the bytes can be read, what they mean has changed.
    """

    path: str
    kind: Kind
    reader: str = ""
    writer: str = ""


def read_type(schema: Any) -> Type:
    """The tree of a valid Avro schema, given as JSON value."""
    return _Names().read(schema, "")


def mismatches(reader: Any, writer: Any) -> list[Mismatch]:
    """What keeps data of the writer's schema from being read rightly with the reader's (JSON values)."""
    found = _Walk().pair(read_type(reader), read_type(writer), "")
    return list(dict.fromkeys(found))


@dataclass
class _Names:
    known: dict[str, Type] = field(default_factory=dict)

    def read(self, raw: Any, namespace: str) -> Type:
        if isinstance(raw, str):
            return Type(raw) if raw in PRIMITIVES else self._reference(raw, namespace)
        if isinstance(raw, list):
            return Type("union", parts=tuple(self.read(branch, namespace) for branch in raw))
        kind = raw["type"]
        if not isinstance(kind, str):
            return self.read(kind, namespace)
        if kind in ("array", "map"):
            return Type(kind, parts=(self.read(raw["items" if kind == "array" else "values"], namespace),))
        if kind in ("record", "error", "enum", "fixed"):
            return self._named(raw, "record" if kind == "error" else kind, namespace)
        return Type(kind, logical=_logical(raw, kind)) if kind in PRIMITIVES else self.read(kind, namespace)

    def _reference(self, name: str, namespace: str) -> Type:
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        return self.known.get(full) or self.known[name]

    def _named(self, raw: Mapping[str, Any], kind: str, namespace: str) -> Type:
        space, _, name = raw["name"].rpartition(".")
        space = space or raw.get("namespace", namespace)
        made = Type(
            kind,
            name=name,
            # Names are compared without their namespace, as the specification has it.
            aliases=frozenset(alias.rpartition(".")[2] for alias in raw.get("aliases", ())),
            logical=_logical(raw, kind),
            size=raw.get("size", 0),
            symbols=tuple(raw.get("symbols", ())),
            default=raw.get("default") if kind == "enum" else None,
        )
        # Before its fields are read: they may name it.
        self.known[f"{space}.{name}" if space else name] = made
        made.fields = tuple(
            Field(
                item["name"],
                tuple(item.get("aliases", ())),
                "default" in item,
                self.read(item["type"], space),
            )
            for item in raw.get("fields", ())
        )
        return made


def _logical(raw: Mapping[str, Any], kind: str) -> str:
    name = raw.get("logicalType")
    if not isinstance(name, str) or kind not in _LOGICAL_ON.get(name, (kind,)):
        return ""
    if name == "decimal":
        precision, scale = raw.get("precision"), raw.get("scale", 0)
        valid = (
            isinstance(precision, int)
            and isinstance(scale, int)
            and precision > 0
            and 0 <= scale <= precision
        )
        return f"decimal({precision}, {scale})" if valid else ""
    if (name, raw.get("size", 12)) == ("duration", 12) or name != "duration":
        return name
    return ""


@dataclass
class _Walk:
    # Pairs of records that were begun: a record inside itself is compared once.
    begun: set[tuple[int, int]] = field(default_factory=set)

    def pair(self, reader: Type, writer: Type, path: str) -> Iterator[Mismatch]:
        if writer.kind == "union":
            for branch in writer.parts:
                yield from self.pair(reader, branch, path)
        elif reader.kind == "union":
            yield from self._branch(reader.parts, writer, path)
        elif reader.kind != writer.kind:
            if writer.kind not in _PROMOTED.get(reader.kind, ()):
                yield Mismatch(path, "type", str(reader), str(writer))
            else:
                yield from _meaning(reader, writer, path)
        else:
            yield from self._same_kind(reader, writer, path)

    def _branch(self, readers: Sequence[Type], writer: Type, path: str) -> Iterator[Mismatch]:
        """The reader's branch for what was written: of the same type and name if there is one, else the first that
        takes it."""
        same = [item for item in readers if (item.kind, item.name) == (writer.kind, writer.name)]
        others = [item for item in readers if item not in same]
        tried = [list(_Walk(set(self.begun)).pair(item, writer, path)) for item in (*same, *others)]
        if any(not found for found in tried):
            return
        fitting = [found for found in tried if all(item.kind == "logical" for item in found)]
        if fitting or same:
            yield from (fitting or tried)[0]
        else:
            yield Mismatch(path, "branch", "", str(writer))

    def _same_kind(self, reader: Type, writer: Type, path: str) -> Iterator[Mismatch]:
        if reader.name != writer.name and writer.name not in reader.aliases:
            yield Mismatch(path, "name", f"{reader.kind} {reader.name}", f"{writer.kind} {writer.name}")
        if reader.kind == "record":
            if (id(reader), id(writer)) not in self.begun:
                self.begun.add((id(reader), id(writer)))
                yield from self._fields(reader, writer, path)
            return
        for mine, theirs in zip(reader.parts, writer.parts, strict=True):
            yield from self.pair(mine, theirs, path)
        if reader.size != writer.size:
            yield Mismatch(path, "size", str(reader.size), str(writer.size))
        lost = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if lost and reader.default not in reader.symbols:
            yield Mismatch(path, "symbols", reader.name, ", ".join(lost))
        yield from _meaning(reader, writer, path)

    def _fields(self, reader: Type, writer: Type, path: str) -> Iterator[Mismatch]:
        written = {item.name: item for item in writer.fields}
        for mine in reader.fields:
            where = f"{path}.{mine.name}" if path else mine.name
            theirs = next((written[name] for name in (mine.name, *mine.aliases) if name in written), None)
            if theirs is not None:
                yield from self.pair(mine.type, theirs.type, where)
            elif not mine.has_default:
                yield Mismatch(where, "no_default", str(mine.type))


def _meaning(reader: Type, writer: Type, path: str) -> Iterator[Mismatch]:
    # Every UUID is a text, though not every text a UUID.
    name_dropped = (reader.kind, reader.logical, writer.logical) == ("string", "", "uuid")
    if reader.logical != writer.logical and not name_dropped:
        yield Mismatch(path, "logical", str(reader), str(writer))
