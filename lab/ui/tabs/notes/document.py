"""A chapter of the notes as a whole HTML page, to read, to check and to print; the tab shows the same page's contents."""

from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby

from lab.notes.history import READING, TOOK, WORKS, Work, slug
from lab.notes.notation import SYMBOLS
from lab.notes.places import line_of
from lab.notes.step import Chapter, Number, Shown, Source, Step
from lab.notes.ways import NEEDS, WAYS
from lab.papers import PAPERS
from lab.ui import INSTRUMENTS
from lab.ui.shell.sources import beside
from lab.ui.tabs.notes.equations import display, prose
from lab.ui.tabs.notes.timeline import picture

CARDS = {f"{row.authors} {row.year}" for row in PAPERS}
STYLE = beside(__file__, "style.css") + beside(__file__, "page.css")


def page(title: str, body: str, pages: Sequence[tuple[str, str]], here: str, face: str, script: str) -> str:
    """A whole page around `body`. `pages` are the names and titles of all of them, `here` the name of this one,
    `face` the style of its font and `script` its script's file. A link with `data-at` is a place of the notes, which the tab
    shows by itself."""
    links = "".join(
        f'<a href="{name}" data-at="{name}"{" aria-current=page" if name == here else ""}>{escape(label)}</a>'
        for name, label in pages
    )
    names = [name for name, _ in pages]
    after = pages[names.index(here) + 1 :][:1]
    onward = "".join(
        f'<p><a class="onward" href="{name}" data-at="{name}">Next: {escape(label)}</a></p>' for name, label in after
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Diffusion Lab</title><style>{face}{STYLE}</style></head><body>"
        f'<main class="notes"><nav aria-label="Chapters">{links}</nav>{body}{onward}</main>'
        f"<script type=module>import {{ begin }} from './{script}'; begin(document.querySelector('.notes'));</script></body></html>"
    )


def start(chapters: Sequence[Chapter]) -> str:
    """Where to begin, and in which order to go on."""
    numbers = {one.name: i for i, one in enumerate(chapters, 1)}
    titles = {one.name: f"{numbers[one.name]} {one.title}" for one in chapters}

    def link(name: str, words: str) -> str:
        return f'<a href="{name}" data-at="{name}">{escape(words)}</a>'

    def stop(one: str | Shown) -> str:
        return link(one, titles[one]) if isinstance(one, str) else f"the tab {_shown(one)}"

    ways = "".join(f"<dt>{escape(way.who)}</dt><dd>{', then '.join(map(stop, way.stops))}</dd>" for way in WAYS)
    rows = "".join(
        f"<li><b>{link(one.name, one.title)}</b> <small>{_needs(one.name, numbers, link)}</small><span>{prose(one.about)}</span></li>"
        for one in chapters
    )
    count = sum(len(one.steps) for one in chapters)
    return (
        '<header><h2>Where to begin</h2><p class="about">'
        f"{len(chapters)} chapters derive what the tabs show, in {count} steps. Each step has a check, which computes both sides of its equation "
        "on numbers that you can change. The first chapter is what the others take for granted.</p></header>"
        f'<dl class="ways">{ways}</dl><h3>The chapters</h3><ol class="chapters">{rows}</ol>'
        f"<p>What a symbol means is said where you point at it, tap it, or reach it by the arrow keys; {link('notation', 'Notation')} has them all. "
        f"{link('history', 'History')} says who found what, and what to read besides.</p>"
    )


def _needs(name: str, numbers: dict[str, int], link: Callable[[str, str], str]) -> str:
    """Which chapters are to be read before it."""
    needs = " and ".join(link(one, str(numbers[one])) for one in NEEDS[name])
    return f"after {needs}" if needs else "needs none of the others"


def chapter(one: Chapter, place: str) -> str:
    """The contents of a chapter's page. `place` is what stands before its title: its number."""
    steps = "".join(_step(f"{one.name}.{step.name}", f"{place}.{i}", step) for i, step in enumerate(one.steps, 1))
    count = len(one.steps)
    return (
        f'<header><h2>{place} {escape(one.title)}</h2><p class="about">{prose(one.about)}</p>'
        f'<p class="all"><button type="button" class="check-all">Check all {count} steps</button> '
        f'<a class="print" href="{one.name}" target="_blank" rel="noopener">This chapter as a page to print</a>'
        '<button type="button" class="paper">Print</button> '
        f'<span class="all-said" role="status"></span></p></header>{steps}{_symbols()}'
    )


def notation() -> str:
    """The table of symbols."""
    rows = "".join(
        f'<tr><th scope="row">{", ".join(prose(f"${form}$") for form in symbol.forms)}</th>'
        f"<td>{escape(symbol.meaning)}</td><td>{_code(symbol.place) if symbol.place else ''}</td></tr>"
        for symbol in SYMBOLS
    )
    return (
        '<header><h2>Notation</h2><p class="about">One notation for the whole lab. In every equation of the notes a symbol says its meaning when it '
        'is pointed at.</p></header><div class="wide"><table><thead><tr><th scope="col">Symbol</th><th scope="col">Meaning</th>'
        f'<th scope="col">In the code</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def history() -> str:
    """The timeline of the works, and what to read besides."""
    years = "".join(
        f'<section class="year"><h3>{year}</h3><div>{"".join(map(_work, works))}</div></section>'
        for year, works in groupby(WORKS.values(), key=lambda work: work.year)
    )
    reading = "".join(
        f'<li><a href="{escape(one.link)}" target="_blank" rel="noopener">{escape(one.title)}</a>, {escape(one.author)}. '
        f"{escape(one.good_for)}</li>"
        for one in READING
    )
    return (
        f'<header><h2>History</h2><p class="about">{len(WORKS)} works, oldest first: what each found, what it took from which, who took from it, '
        f"and where in the lab it can be seen (filled dots).</p></header>{picture({key: slug(key) for key in WORKS})}{years}<article><div><h2>What to read besides</h2><ul>{reading}</ul></div></article>"
    )


def _work(work: Work) -> str:
    taken = [f"{_anchor(key)} ({escape(what)})" for key, what in TOOK.get(work.key, {}).items()]
    given = [_anchor(key) for key, took in TOOK.items() if work.key in took]
    shown = [_shown(Shown(one.tab, one.preset)) for one in work.tries]
    lines = "".join(
        f"<span><b>{title}</b> {'; '.join(parts)}</span>"
        for title, parts in (("Took from", taken), ("Gave to", given), ("To be seen in", shown))
        if parts
    )
    return (
        f'<div class="work" id="history-{slug(work.key)}"><p><b>{escape(work.authors)}</b> <a href="{escape(work.link)}" target="_blank" rel="noopener">'
        f'{escape(work.title)}</a></p><p>{escape(work.idea)}</p><p class="links">{lines}</p></div>'
    )


def _anchor(key: str) -> str:
    return f'<a href="#history-{slug(key)}" data-at="history.{slug(key)}">{escape(key)}</a>'


def _step(name: str, number: str, step: Step) -> str:
    text = "".join(f"<p>{prose(paragraph)}</p>" for paragraph in step.text)
    lines = "".join(f'<div class="equation">{display(line)}</div>' for line in step.equation)
    links = []
    if step.sources:
        links.append(f"<span><b>Said in</b> {'; '.join(map(_source, step.sources))}</span>")
    if step.shown:
        links.append(f"<span><b>To be seen in</b> {'; '.join(map(_shown, step.shown))}</span>")
    if step.code:
        links.append(f"<span><b>Computed by</b> {', '.join(map(_code, step.code))}</span>")
    return (
        f'<article id="{name.replace(".", "-")}"><div><h3><a class="here" href="#{name.replace(".", "-")}" data-at="{name}" title="A link to this step">{number}</a> {escape(step.title)}</h3>{text}{lines}</div>'
        f'<div>{_check(name, step)}<p class="links">{"".join(links)}</p></div></article>'
    )


def _check(name: str, step: Step) -> str:
    check = step.check
    numbers = "".join(_number(name, number) for number in check.numbers)
    return (
        f'<form class="check" data-step="{name}" aria-label="Check of {escape(step.title)}"><div class="numbers">{numbers}'
        f'<button type="submit">Check it</button></div><div class="sides" role="status">'
        f'<p class="side"><span>{prose(check.left)}</span><b data-side="left"></b></p>'
        f'<p class="side"><span>{prose(check.right)}</span><b data-side="right"></b></p><p class="said"></p></div></form>'
    )


def _number(step: str, number: Number) -> str:
    id_ = f"{step.replace('.', '-')}-{number.name}"
    spoken = number.name.replace("_", " ")
    return (
        f'<label for="{id_}">{prose(f"${number.symbol}$")}<span class="is">=</span><input id="{id_}" name="{number.name}" value="{number.value:g}" '
        f'inputmode="decimal" autocomplete="off" aria-label="{spoken}, {number.low:g} to {number.high:g}" '
        f'title="{number.low:g} to {number.high:g}" data-low="{number.low:g}" data-high="{number.high:g}"'
        f"{' data-whole=true' if number.whole else ''}></label>"
    )


def _source(source: Source) -> str:
    work = WORKS[source.work]
    card = (
        f' <a class="card" href="../?tab=papers&amp;at={slug(work.key)}" data-tab="papers" data-place="{slug(work.key)}" '
        f'title="The card of {escape(work.key)} in the tab Papers">in Papers</a>'
        if work.key in CARDS
        else ""
    )
    return (
        f'<a href="{escape(work.link)}" title="{escape(work.title)}" target="_blank" rel="noopener">{escape(work.key)}</a>, '
        f"{escape(source.place)}{card}"
    )


def _shown(shown: Shown) -> str:
    title = next(tab.title for tab in INSTRUMENTS if tab.name == shown.tab)
    words = f"{title}: {shown.preset}" if shown.preset else title
    preset = f' data-preset="{escape(shown.preset)}"' if shown.preset else ""
    return f'<a href="../?tab={shown.tab}" data-tab="{shown.tab}"{preset}>{escape(words)}</a>'


def _code(place: str) -> str:
    path, _, name = place.partition(":")
    return f'<code title="line {line_of(place)} of {path}">{path}:{line_of(place)} <b>{name}</b></code>'


def _symbols() -> str:
    """What the page says of a symbol, by its row: read by the script."""
    rows = "".join(
        f'<template data-row="{row}"><b>{escape(symbol.meaning)}</b>'
        f"{f'<code>{escape(symbol.place)}</code>' if symbol.place else ''}</template>"
        for row, symbol in enumerate(SYMBOLS)
    )
    return f'<div class="symbol-rows" hidden>{rows}</div>'
