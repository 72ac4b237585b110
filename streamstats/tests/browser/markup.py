"""Whether a page is HTML as the standard has it, and what the standard leaves to good sense."""

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib
from html5lib.html5parser import ParseError

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
INTERACTIVE = ("a", "button", "input", "select", "textarea", "summary")
NAMED_BY = ("aria-labelledby", "aria-describedby", "aria-controls", "for")
NEEDS_LABEL = ("input", "select", "textarea")
NO_LABEL = ("hidden", "submit", "button")


def faults(text: str) -> list[str]:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    try:
        page = parser.parse(text)
    except ParseError as error:
        line, _ = parser.errors[-1][0]
        return [f"{error}: {text.splitlines()[line - 1].strip()[:200]}"]
    return [*_ids(page), *_headings(page), *_labels(page), *_nested(page)]


def _ids(page: Element) -> Iterator[str]:
    ids = Counter(element.get("id") for element in page.iter() if element.get("id"))
    yield from (f"{count} elements have the id {name}" for name, count in ids.items() if count > 1)
    for element in page.iter():
        for attribute in NAMED_BY:
            for name in element.get(attribute, "").split():
                if name not in ids:
                    yield f"{attribute} of a {element.tag} names {name}, and nothing has that id"


def _headings(page: Element) -> Iterator[str]:
    levels = [HEADINGS.index(element.tag) + 1 for element in page.iter() if element.tag in HEADINGS]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} first headings"
    for before, level in zip([0, *levels], levels, strict=False):
        if level > before + 1:
            yield f"a heading of level {level} follows one of level {before}"


def _labels(page: Element) -> Iterator[str]:
    labelled = {element.get("for") for element in page.iter("label")}
    wrapped = {field for label in page.iter("label") for field in label.iter() if field.tag in NEEDS_LABEL}
    for field in page.iter():
        if field.tag not in NEEDS_LABEL or field.get("type") in NO_LABEL or field in wrapped:
            continue
        if field.get("id") not in labelled and not field.get("aria-label"):
            yield f"a {field.tag} called {field.get('name')} has no label"


def _nested(page: Element) -> Iterator[str]:
    for outer in page.iter():
        if outer.tag in ("a", "button"):
            inner = next(
                (element for element in outer.iter() if element is not outer and element.tag in INTERACTIVE), None
            )
            if inner is not None:
                yield f"a {inner.tag} is inside a {outer.tag}"
