"""Numbers of things in words, for whatever the page says."""


def quantity(count: int, noun: str, form: str = "") -> str:
    """A number with its noun: "1 step", "20 steps". `form` is how the number is written: "," for "1,000 steps"."""
    return f"{count:{form}} {plural(noun, count)}"


def plural(noun: str, count: int) -> str:
    """The noun as a number of things has it."""
    return noun if count == 1 else f"{noun}s"
