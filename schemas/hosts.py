"""Names of hosts in one spelling: an internationalised name is one name, as U-label and as A-label (RFC 5890, 2.3.2.1).

Compared as UTS #46 says, non-transitional: ß and ς are letters of their own, as in the names that registries give out.
"""

from __future__ import annotations

import unicodedata

_A_LABEL = "xn--"
_LONGEST_LABEL = 63


def host_name(text: str) -> str:
    """The name in lower case, in U-labels, without the dot of the root; what is no such name is folded all the same.

    Text in NFKC. U-labels, because that is how people and registers write them; an A-label that stands for none stays.
    """
    lowered = text.lower() if text.isascii() else _mapped(text)
    lowered = lowered.rstrip(".")
    if lowered.isascii() and _A_LABEL not in lowered:
        return lowered
    return ".".join([_u_label(label) for label in lowered.split(".")])


def a_labels(name: str) -> str:
    """The same name in A-labels, as mail programs and certificates write it."""
    return name if name.isascii() else ".".join([_a_label(label) for label in name.split(".")])


def _mapped(text: str) -> str:
    # Not at the top: names in ASCII, nearly all, do without it.
    from idna import IDNAError, uts46_remap

    try:
        return uts46_remap(text, std3_rules=False)
    except IDNAError:
        # Too long, or with characters that no name may have: nobody's name, but still one spelling.
        return text.casefold()


def _u_label(label: str) -> str:
    if not label.startswith(_A_LABEL) or not label.isascii():
        # What cannot be shown, such as a joiner between letters of Persian, is kept in the form that can.
        return label if label.isprintable() else _a_label(label)
    if len(label) > _LONGEST_LABEL:
        return label
    try:
        found = label.removeprefix(_A_LABEL).encode().decode("punycode")
    except UnicodeError:
        return label
    proper = not found.isascii() and found.isprintable() and _a_label(found) == label
    return found if proper and _mapped(found) == found else label


def _a_label(label: str) -> str:
    if label.isascii() or len(label) > _LONGEST_LABEL:
        return label
    return _A_LABEL + unicodedata.normalize("NFC", label).encode("punycode").decode()
