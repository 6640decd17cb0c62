"""The little XML that an adapter needs: to write a value into a document, and to find one in it.

Nothing is read from outside the document, and what it declares for itself is passed over: there is
no entity but the five that XML knows and the characters by number.
"""

import re

_ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", "'": "&apos;", '"': "&quot;"})
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "apos": "'", "quot": '"'}

_CDATA = "<![CDATA["
# A piece of a document. A quoted attribute may hold `>`.
_PIECE = re.compile(
    r"""(?P<text>[^<]+)
      | <!--.*?-->
      | <!\[CDATA\[(?P<cdata>.*?)\]\]>
      | <\?.*?\?>
      | (?P<doctype><!DOCTYPE)
      | </(?P<end>[^<>]*)>
      | <(?P<start>[^\s<>/!?](?:[^"'>]|"[^"]*"|'[^']*')*)>""",
    re.DOTALL | re.VERBOSE,
)
_REFERENCE = re.compile(r"&([^;&<]*)(;?)")
# What a declaration of document type is made of, up to where it ends or nests.
_DECLARED = re.compile(r"""<!--.*?-->|<\?.*?\?>|"[^"]*"|'[^']*'|[<>]""", re.DOTALL)


class _Broken(Exception):
    """The document is none from here on."""


def escape(text: str) -> str:
    """A text as it may stand in an element or an attribute."""
    return text.translate(_ESCAPES)


def find(document: str, path: str) -> str | None:
    """The text of the first element at the end of `path`, which may begin anywhere: `Fault/faultcode`.

    Prefixes of names say nothing here. `None` when there is none before the document ends or breaks
    off; an element that holds only others has an empty text.

    >>> answer = "<s:Envelope><s:Fault><faultcode>s:Busy</faultcode></s:Fault></s:Envelope>"
    >>> find(answer, "Fault/faultcode")
    's:Busy'
    >>> find(answer, "Fault/detail") is None
    True
    """
    try:
        return _find(document, path.split("/"))
    except _Broken:
        return None


def _find(document: str, wanted: list[str]) -> str | None:
    place = 0
    open_names: list[str] = []
    found_depth, found = None, ""
    while place < len(document):
        piece = _PIECE.match(document, place)
        if piece is None:
            raise _Broken
        place = piece.end()
        text = None
        match piece.lastgroup:
            case "text":
                text = _resolved(piece["text"])
            case "cdata":
                text = piece["cdata"]
            case "doctype":
                place = _end_of_doctype(document, place)
            case "start":
                tag = piece["start"]
                open_names.append(tag.removesuffix("/").split(None, 1)[0])
                if found_depth is None and _ends_with(open_names, wanted):
                    found_depth = len(open_names)
                if tag.endswith("/"):
                    if found_depth == len(open_names):
                        return found.strip()
                    open_names.pop()
            case "end":
                if not open_names or open_names[-1] != piece["end"].rstrip():
                    raise _Broken
                if found_depth == len(open_names):
                    return found.strip()
                open_names.pop()
        # Text of the element itself, and not of those in it.
        if text is not None and found_depth == len(open_names):
            found += text
    return None


def _ends_with(open_names: list[str], wanted: list[str]) -> bool:
    if len(open_names) < len(wanted):
        return False
    return [name.split(":", 1)[-1] for name in open_names[-len(wanted) :]] == wanted


def _resolved(text: str) -> str:
    return _REFERENCE.sub(_referred, text) if "&" in text else text


def _referred(reference: re.Match[str]) -> str:
    name, closed = reference.groups()
    if not closed:
        raise _Broken
    if name in _ENTITIES:
        return _ENTITIES[name]
    number = re.fullmatch(r"#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))", name, re.ASCII)
    if number is None:
        raise _Broken
    code = int(number[1], 16) if number[1] else int(number[2])
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise _Broken
    return chr(code)


def _end_of_doctype(document: str, place: int) -> int:
    depth = 1
    for part in _DECLARED.finditer(document, place):
        depth += {"<": 1, ">": -1}.get(part.group(), 0)
        if depth == 0:
            return part.end()
    raise _Broken
