"""Numbers that a visitor types into one field: a list of them, or a single whole one.

A comma separates in English and marks the decimal in German, French and many more, so one spelling can be two lists.
Here each spelling is read in one way or refused; nothing is guessed:

- Where semicolons stand, they alone separate, and a comma is a decimal: "1,5; 3; 7,5" is 1.5, 3, 7.5.
- Where none stands, commas, blanks and line ends separate, and a point is the decimal: "1.5, 3 7.5".
- A comma right between two digits ("1,5") is then either, and refused. In a list of whole numbers, which have no
  decimals, and in a chain such as "0,1,2,3", which no number is written as, it separates.
"""

import re
import unicodedata
from typing import Any

from lab.requests.base import LabError

# Digits of every script are digits; these stand for the others, and marks that a text program puts in unseen for nothing.
_SPELLINGS = str.maketrans(
    {"\u2212": "-", "\u2010": "-", "\u2011": "-", "\uff0d": "-", "\uff0b": "+", "\u066b": ".", "\uff0e": ".",
     "\u060c": ",", "\u3001": ",", "\uff0c": ",", "\u061b": ";", "\uff1b": ";",
     "\ufeff": None, "\u200b": None, "\u200e": None, "\u200f": None, "\u2060": None}
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?|\.\d+)(e[+-]?\d{1,4})?", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,12}", re.ASCII)
_EITHER = re.compile(r"[+-]?(\d*|[1-9]\d{0,2}(\.\d{3})+),\d+,*", re.ASCII)  # one decimal number, or two
SPELLING = (
    "Write decimals with a point and commas between, like 1.5, 3, 7.5; or with semicolons between, like 1,5; 3; 7,5."
)


def numbers(text: Any, what: str, low: float, high: float) -> tuple[float, ...]:
    """The numbers of a list in their order, each once, all from `low` to `high`.

    Raises LabError with the word that is wrong, where there is none, and where a comma may be a decimal or not.
    """
    values = []
    for word in _words(text, what):
        spelled = word.replace(",", ".")
        if not _NUMBER.fullmatch(spelled):
            raise LabError(f"{what}: '{word[:20]}' is not a number. {SPELLING}")
        number = float(spelled) + 0.0  # no minus before zero
        if not low <= number <= high:
            raise LabError(f"{what}: {word[:20]} is out of range. Numbers from {low:g} to {high:g} are possible.")
        values.append(number)
    return tuple(dict.fromkeys(values))


def whole_numbers(text: Any, what: str, low: int, high: int) -> tuple[int, ...]:
    """The whole numbers of a list in their order, each once, all from `low` to `high`. Raises LabError as `numbers`."""
    values = []
    for word in _words(text, what, whole=True):
        if not _WHOLE.fullmatch(word):
            raise LabError(f"{what}: '{word[:20]}' is not a whole number. Write them like 1, 2, 3.")
        if not low <= int(word) <= high:
            raise LabError(f"{what}: {word[:20]} is out of range. Whole numbers from {low} to {high} are possible.")
        values.append(int(word))
    return tuple(dict.fromkeys(values))


def whole(value: Any, what: str) -> int:
    """A whole number from a field of the page, which may send nothing, NaN or a fraction. Raises LabError for these."""
    try:
        number, exact = int(value), float(value)
    except (TypeError, ValueError, OverflowError):
        raise LabError(f"{what} is not a number. Type a whole number.") from None
    if number != exact:
        raise LabError(f"{what} must be a whole number, and {exact:g} is none.")
    return number


def count(value: Any, what: str, fewest: int, most: int) -> int:
    """A whole number from `fewest` to `most`, of a slider, which may send anything. Raises LabError for all else."""
    number = whole(value, what)
    if not fewest <= number <= most:
        raise LabError(f"{what}: {number} is out of range. Whole numbers from {fewest} to {most} are possible.")
    return number


def _words(text: Any, what: str, whole: bool = False) -> list[str]:
    """The words of a list; a comma that is left in one is a decimal."""
    line = "".join(str(unicodedata.decimal(one, one)) for one in str(text or "").translate(_SPELLINGS))
    if ";" in line:
        words = [word.strip() for word in re.split(r"[;\n\r]", line)]
        mixed = next((word for word in words if len(word.split()) > 1 or word.count(",") > 1), "")
    else:
        words = line.split()
        mixed = "" if whole else next((word for word in words if _EITHER.fullmatch(word)), "")
        words = [one for word in words for one in word.split(",")]
    if mixed:
        raise LabError(f"{what}: '{mixed[:20]}' can be read in two ways. {SPELLING}")
    words = [word for word in words if word]
    if not words:
        raise LabError(f"{what}: type at least one number.")
    return words
