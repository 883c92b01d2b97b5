"""Captions as a person would type them, from emojibase's labels ("person: blond hair" -> "person with blond hair")."""

import re

from lab.training.vector_sets import Emoji

# Labels that nobody would type for what the picture shows.
TYPED = {
    "automobile": "car",
    "oncoming automobile": "oncoming car",
    "sport utility vehicle": "suv",
    "hot beverage": "cup of hot coffee",
    "deciduous tree": "leafy tree",
    "e-mail": "email",
    "front-facing baby chick": "baby chick from the front",
    "see-no-evil monkey": "monkey covering its eyes",
    "hear-no-evil monkey": "monkey covering its ears",
    "speak-no-evil monkey": "monkey covering its mouth",
    "globe showing Europe-Africa": "globe showing europe and africa",
    "globe showing Asia-Australia": "globe showing asia and australia",
    "ZZZ": "sleeping zzz",
    "pool 8 ball": "billiard ball",
    "hundred points": "number 100",
    "poultry leg": "chicken leg",
    "lady beetle": "ladybug",
    "shallow pan of food": "pan of food",
    "1st place medal": "gold medal",
    "2nd place medal": "silver medal",
    "3rd place medal": "bronze medal",
    "backhand index pointing left": "hand pointing left",
    "backhand index pointing right": "hand pointing right",
    "backhand index pointing up": "hand pointing up",
    "backhand index pointing down": "hand pointing down",
    "index pointing up": "finger pointing up",
    "index pointing at the viewer": "finger pointing at the viewer",
}

# (pattern, replacement), applied in this order to what TYPED does not name.
REWRITES = (
    (r"^keycap: #$", "keycap hash"),
    (r"^keycap: \*$", "keycap asterisk"),
    (r"^keycap: ", "keycap "),
    (r"^(\w+): bald$", r"bald \1"),
    (r"^(\w+): beard$", r"\1 with a beard"),
    (r"^(\w+): (\w+ hair)$", r"\1 with \2"),
    (r": facing right$", " facing right"),
    (r"^kiss: (\w+), (\w+)$", r"\1 and \2 kissing"),
    (r"^couple with heart: (\w+), (\w+)$", r"\1 and \2 with a heart"),
    (r"^family: ", "family of "),
    (r"^(.*) \((.*)\)$", r"\2 \1"),  # A button (blood type)
    (r"^(.*(?:o['’]clock|-thirty))$", r"clock showing \1"),
    (r"[’]", "'"),
    (r"[“”!]", ""),
)
PLURALS = {"man": "men", "woman": "women", "child": "children"}


def caption(emoji: Emoji, style: str) -> str:
    """The caption of an emoji drawn in a style: "red apple, flat style"."""
    return f"{describe(emoji)}, {style} style"


def describe(emoji: Emoji) -> str:
    """An emoji's label in plain lower-case words."""
    text = TYPED.get(emoji.label, "")
    if not text:
        text = emoji.label
        for pattern, replacement in REWRITES:
            text = re.sub(pattern, replacement, text)
    if text.startswith("family of "):
        text = _join_members(text)
    if emoji.subgroup == "zodiac":
        text = f"{text} zodiac sign"
    return " ".join(text.lower().split())


def _join_members(family: str) -> str:
    """ "family of man, woman, boy, boy" -> "family of man, woman and two boys"."""
    members = family.removeprefix("family of ").split(", ")
    *others, last = [
        member if members.count(member) == 1 else f"two {PLURALS.get(member, member + 's')}"
        for member in dict.fromkeys(members)
    ]
    return f"family of {', '.join(others)} and {last}" if others else f"family of {last}"
