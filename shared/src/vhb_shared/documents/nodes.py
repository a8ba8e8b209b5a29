"""From YAML's node tree to plain data, remembering places; refuses what a person cannot have meant."""

from typing import Any

import yaml

from vhb_shared.documents.base import Loc, Mark

MAX_PARTS = 200_000
"""With aliases written out; a few lines of aliases can mean billions."""
_PLAIN_MAP = "tag:yaml.org,2002:map"
_PLAIN_SEQ = "tag:yaml.org,2002:seq"
_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class Refused(Exception):  # noqa: N818 - becomes a UserError with the file's name
    """A part of the file that cannot be taken, and where it is."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


class Builder:
    """Makes data of one document's nodes."""

    def __init__(self, loader: Any) -> None:
        self.keys: dict[Loc, Mark] = {}
        self.values: dict[Loc, Mark] = {}
        self._loader = loader
        self._parts = 0
        self._open: set[int] = set()

    def build(self, node: yaml.Node, loc: Loc = ()) -> Any:
        """Data of a node.

        Raises:
            Refused: a key twice, a key that is not text, a tag of Python, an alias within itself, too much of it.
            yaml.YAMLError: a value that its tag does not allow.
        """
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Refused(_mark(node), f"more than {MAX_PARTS} parts, with aliases written out")
        self.values[loc] = _mark(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise Refused(_mark(node), "an alias that contains itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _PLAIN_SEQ:
                return [self.build(item, (*loc, number)) for number, item in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == _PLAIN_MAP:
                return self._mapping(node, loc)
        finally:
            self._open.discard(id(node))
        raise Refused(_mark(node), f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not allowed here")

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == _TIMESTAMP:
            return node.value  # nothing in our files is a date; a version like 2024-01-01 is text
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise Refused(_mark(node), f"the tag {node.tag} is not allowed here")
        try:
            return self._loader.construct_object(node, deep=True)
        except (ValueError, OverflowError) as error:  # `!!int x`, or a number of ten thousand digits
            raise Refused(_mark(node), f"the value is not what {node.tag.rsplit(':', 1)[-1]} means") from error

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        written: dict[str, Mark] = {}
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merges.append(value_node)
                continue
            key = self._key(key_node)
            mark = _mark(key_node)
            if key in written:
                raise Refused(mark, f"key {key!r} is given twice (first on line {written[key].line}): keep one of them")
            written[key] = self.keys[(*loc, key)] = mark
            data[key] = self.build(value_node, (*loc, key))
        for merge in merges:
            for source in merge.value if isinstance(merge, yaml.SequenceNode) else [merge]:
                self._merge(data, source, loc)
        return data

    def _merge(self, data: dict[str, Any], source: yaml.Node, loc: Loc) -> None:
        if not isinstance(source, yaml.MappingNode):
            raise Refused(_mark(source), "<< merges mappings only")
        places = self.keys, self.values
        self.keys, self.values = {}, {}  # what is merged in is written elsewhere
        merged = self.build(source, loc)
        self.keys, self.values = places
        for key, value in merged.items():
            data.setdefault(key, value)

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise Refused(_mark(node), "a key has to be text")
        return str(node.value)


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)
