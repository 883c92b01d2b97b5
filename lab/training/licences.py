"""The licence notes that travel with the pictures: each source, its version, its licence and whom to thank."""

from lab.training.vector_sets import EMOJIBASE, STYLES, Style

LICENCE_LINKS = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "MIT": "https://opensource.org/license/mit",
}
APACHE_COPY = "Apache-2.0.txt"  # the text of the licence, beside the notes wherever they are committed

MIT_TEXT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def picture_licences() -> str:
    """LICENSES.md of a picture folder."""
    rows = [
        f"| {style.word} style | {credit(style)} | {style.package.name} {style.package.version} |" for style in STYLES
    ]
    return f"""\
# Where these pictures come from

The pictures were rendered from vector drawings at a small size on a white background; the captions were rewritten
from the names of the drawings. The column `source` of `index.csv` names the set of each picture, `name` its name there.

| captions say | drawings | npm package |
| --- | --- | --- |
{chr(10).join(rows)}

Labels, keywords and groups: emojibase-data {EMOJIBASE.version} by Miles Johnson (https://github.com/milesj/emojibase),
{_link("MIT")}.

{licence_texts()}"""


def credit(style: Style) -> str:
    """Title, author, home and licence of a vector set, as the licences ask for."""
    return f"{style.title} by {style.author} ({style.home}), {_link(style.licence)}"


def licence_texts() -> str:
    """The notices that must travel with copies."""
    return f"""\
## Apache License 2.0 (Noto Emoji)

Copyright Google Inc. The drawings were changed: rendered as pixels.
The licence text is in [{APACHE_COPY}]({APACHE_COPY}).

## Creative Commons Attribution 4.0 (Twemoji, EmojiOne)

Copyright Twitter, Inc and other contributors (Twemoji). Copyright EmojiOne (EmojiOne 2.3; continued as EmojiTwo).
The drawings were changed: rendered as pixels. Text: {LICENCE_LINKS["CC-BY-4.0"]}legalcode

## MIT License (Fluent Emoji, emojibase-data)

Copyright (c) Microsoft Corporation (Fluent Emoji).
Copyright (c) 2017-2019 Miles Johnson (emojibase-data).

{MIT_TEXT}"""


def _link(licence: str) -> str:
    return f"[{licence}]({LICENCE_LINKS[licence]})"
