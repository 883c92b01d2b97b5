"""What models know: held to the captions that they were trained on, and what is said of other words."""

import csv

import numpy as np
import pytest

from lab.catalog import MODELS
from lab.requests.fields import Condition
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import ASSETS
from lab.training.corpus import load_corpus
from lab.training.people import random_figure
from lab.training.wording import wordings
from lab.vocabulary import (
    GRAMMAR,
    LEARNED_STYLES,
    PEOPLE,
    as_read,
    dice,
    drawings,
    known,
    learned_words,
    nearest,
    read_emoji,
    suggested,
    suggestion,
    unknown_words,
    words,
)
from tests.test_captions import run

LANE = LaneSettings(steps=2)


@pytest.fixture(scope="module")
def training_texts():
    """Every text that the models trained here can have read, in the styles of their cards."""
    corpus = load_corpus(persons=30).training.in_styles(LEARNED_STYLES)
    rng = np.random.default_rng(0)
    people = [random_figure(rng).caption for _ in range(2000)]
    return [text for texts in wordings(corpus) for text in texts], people


def test_the_words_that_a_model_knows_are_those_of_its_training_texts(training_texts):
    drawn, people = training_texts
    assert [text for text in drawn + people if unknown_words(text)] == []
    read = {word for text in drawn + people for word in words(text)}
    keywords = {word for one in known() for keyword in one.keywords for word in words(keyword)}
    assert learned_words() - keywords <= read  # keywords are drawn at random: not all of them come in one run


def test_the_captions_of_people_are_of_the_training_and_have_all_its_words(training_texts):
    _, people = training_texts
    rng = np.random.default_rng(0)
    assert set(PEOPLE) <= {random_figure(rng).caption for _ in range(5600)}
    assert {word for text in PEOPLE for word in words(text)} == {word for text in people for word in words(text)}


def test_the_grammar_of_drawings_is_that_of_their_wordings():
    drawn = {word for row in wordings(load_corpus(persons=0).training) for text in row[4:] for word in words(text)}
    names = {word for one in known() for word in words(one.name)}
    styles = {
        word for style in ("3D", "flat", "glossy", "sticker", "blob", "cartoon") for word in words(f"{style} style")
    }
    assert drawn - names - styles <= {word for text in GRAMMAR for word in words(text)}


@pytest.mark.parametrize("model", ["text-to-image", "student"])
def test_the_styles_are_those_of_the_models_cards(model):
    assert f"styles {list(LEARNED_STYLES)}" in (ASSETS / MODELS[model].source / "README.md").read_text()


def test_every_caption_of_the_set_is_known_and_means_itself():
    with (ASSETS / "pictures" / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and row["style"] in LEARNED_STYLES]
    assert [row["caption"] for row in rows if unknown_words(row["caption"])] == []
    assert len({row["concept"] for row in rows}) == len(known()) == 648


def test_every_emoji_of_the_set_is_read_as_its_drawing_however_it_is_tinted():
    assert [one.emoji for one in drawings() if as_read(one.emoji) != one.name] == []
    assert [one.emoji for one in drawings() if as_read(one.emoji + "\ufe0f") != one.name] == []
    assert as_read("👧🏽") == as_read("👧") != ""


@pytest.mark.parametrize(
    ("prompt", "text"),
    [("❤ on paper", "red heart on paper"), ("a ❤️, flat style", "red heart, flat style"), ("two🐱", "two cat face"),
     ("cat  dog", "cat  dog"), ("7 # *", "7 # *"), ("🤮", "🤮")],
)  # fmt: skip
def test_an_emoji_stands_for_its_name_wherever_it_stands(prompt, text):
    assert as_read(prompt) == text


def test_what_was_read_as_what_is_handed_over():
    assert read_emoji("❤️ 🐱 ❤️")[1] == {"❤️": "red heart", "🐱": "cat face"}


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [("pikachu", ["pikachu"]), ("a Pikachu with a red hat", ["Pikachu"]), ("красный кот", ["красный", "кот"]), ("кот, кот", ["кот"]),
     ("🤮", ["🤮"]), ("red apples", []), ("Red HEART", []), ("a photo of a cat", []), ("", []), ("…!?", []), ("pokémon", ["pokémon"])],
)  # fmt: skip
def test_words_that_no_caption_has_are_unknown(prompt, unknown):
    assert unknown_words(prompt) == unknown


@pytest.mark.parametrize(
    ("prompt", "name"),
    [("red haert", "red heart"), ("aple", "red apple"), ("elefant", "elephant"), ("red cat", "cat"), ("pand", "panda"),
     ("umbrela", "umbrella"), ("fire engin", "fire engine"), ("a buterfly", "butterfly")],
)  # fmt: skip
def test_a_typing_error_is_near_what_was_meant(prompt, name):
    assert name in nearest(prompt)


def test_every_name_is_nearest_to_itself_and_nothing_is_near_to_another_script():
    assert [one.name for one in known() if one.name not in nearest(one.name)] == []
    assert nearest("кот") == nearest("") == nearest("🤮") == []


def test_likeness_is_dices_coefficient_of_bigrams():
    assert dice("night", "nacht") == 2 * 3 / 12  # " n", "ht", "t " of six each
    assert (dice("cat", "cat"), dice("cat", "dog"), dice("", "")) == (1, 0, 0)


def notes(model, **values):
    return run(SamplingRequest, model, lanes=(LANE,), **values)


@pytest.mark.parametrize("model", ["exact", "text-to-image", "student"])
def test_an_emoji_is_read_by_name_and_the_run_says_so(model):
    toy, texts = notes(model, condition=Condition(prompt="❤"))
    assert toy.prompts == ["red heart"] and "❤ is read as red heart." in texts


def test_a_learned_model_draws_unknown_words_and_says_which():
    toy, texts = notes("text-to-image", condition=Condition(prompt="pikachu and кот"), negative="zorgl")
    assert (toy.prompts, toy.negatives[-1]) == (["pikachu and кот"], "zorgl")
    assert "“pikachu”, “кот” and “zorgl” are not among the 648 things that it was trained on." in texts


@pytest.mark.parametrize("model", ["exact", "sd-1-5"])
def test_nothing_is_said_of_unknown_words_where_a_model_refuses_them_or_knows_more(model):
    toy, texts = notes(model, condition=Condition(prompt="pikachu"))
    assert toy.prompts == ["pikachu"] and texts == []


def test_a_model_from_the_hub_gets_an_emoji_as_it_is():
    assert notes("sd-1-5", condition=Condition(prompt="❤"))[0].prompts == ["❤"]


def test_the_names_that_a_question_offers_are_read_out_of_it():
    for one in known():
        assert suggested(f"No picture matches 'x'. {suggestion([one.name, 'cat'])}") == [one.name, "cat"]
    assert suggested("No picture matches 'Did you mean cat'. Try a single word.") == []
    assert suggested("There is no map of edges yet.") == suggested("") == []
