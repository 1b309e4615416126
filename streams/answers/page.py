"""The frame of a page that a person reads: plain HTML, without scripts or anything from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}"
    "th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{width:14rem;background:#f3f3f3}"
)


def document(title: str, body: Iterable[str], lang: str, style: str = "") -> str:
    """The whole page. `body`: HTML, with everything that is not ours escaped already. `style`: CSS of ours beside that
    of every page."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def named_values(rows: Iterable[tuple[str, str]]) -> str:
    """A table of a name and a text in each row; nothing where there are none."""
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table>{lines}</table>" if lines else ""
