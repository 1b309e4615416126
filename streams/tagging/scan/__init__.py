"""People inside text: what a free text says of whom, as kinds, scores and places, never as text."""

from streams.tagging.scan.column import Scanned, Scanner, load_recognisers
from streams.tagging.scan.finding import CATEGORIES, FLOOR, PROVEN, Finding, Recogniser
from streams.tagging.scan.text import DEFAULT, Limits, scan

__all__ = [
    "CATEGORIES",
    "DEFAULT",
    "FLOOR",
    "PROVEN",
    "Finding",
    "Limits",
    "Recogniser",
    "Scanned",
    "Scanner",
    "load_recognisers",
    "scan",
]
