"""What stands before the name of a thing is no part of a caption; people's captions begin with an article."""

import csv
from itertools import islice

import numpy as np
import pytest

from lab.capsules import script
from lab.captions import as_caption
from lab.catalog import MODELS
from lab.engine.lanes import drive
from lab.models.cache import ModelCache
from lab.operations import OPERATIONS
from lab.operations.house import House
from lab.requests.anatomy import AnatomyRequest
from lab.requests.base import Note
from lab.requests.fields import Condition, Forward
from lab.requests.inversion import InversionRequest
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import ASSETS, Settings
from lab.training.people import people
from tests.toys import ToyModel


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("a car", "car"),
        ("  An Apple ", "Apple"),
        ("THE sun", "sun"),
        ("the", ""),
        ("a photo of a cat", "cat"),
        ("Photo of the moon", "moon"),
        ("a high quality photo of a dog", "dog"),
        ("an image of two red hearts", "two red hearts"),
        ("a picture of a drawing of a house", "house"),
        ("pictures of cats", "cats"),
        ("a cat, a dog; the moon", "cat, dog; moon"),
        ("a car, flat style", "car, flat style"),
        ("a baby chick", "baby chick"),
        ("a woman's hat", "woman's hat"),
        # What only begins with the same letters, or has them inside.
        ("aeroplane", "aeroplane"),
        ("theatre", "theatre"),
        ("a-frame house", "a-frame house"),
        ("vitamin a", "vitamin a"),
        ("picture frame", "picture frame"),
        ("car with a picture of a cat", "car with a picture of a cat"),
        ("red heart", "red heart"),
        ("", ""),
        # People keep theirs.
        ("a person waving", "a person waving"),
        ("a happy woman in a red dress", "a happy woman in a red dress"),
        ("a photo of a person jumping", "a person jumping"),
        ("a person in a red shirt, a green background", "a person in a red shirt, a green background"),
        ("a dog with a man", "dog with a man"),
    ],
)
def test_what_stands_before_a_thing_is_dropped_unless_it_is_a_person(prompt, caption):
    assert as_caption(prompt) == caption
    assert as_caption(caption) == caption


def test_every_caption_that_the_models_learned_from_stays_as_it_is():
    with (ASSETS / "pictures" / "index.csv").open(encoding="utf-8", newline="") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    captions += [person.caption for person in islice(people(0), 100)]
    assert [caption for caption in captions if as_caption(caption) != caption] == []


class Noting(ToyModel):
    """Notes what it is asked for."""

    def __init__(self):
        super().__init__()
        self.prompts, self.negatives = [], []

    def conditioning(self, condition):
        self.prompts.append(condition.prompt)
        return condition.prompt

    def unconditional(self, negative=""):
        self.negatives.append(negative)
        return negative


def run(kind, model, **values):
    toy = Noting()
    house = House(Settings(device="cpu"), ModelCache(lambda name, shelf: toy), drive)
    forward = Forward(schedule=MODELS[model].schedules[0])
    events = list(OPERATIONS[kind](kind(model=model, forward=forward, **values), house))
    return toy, [event.text for event in events if isinstance(event, Note)]


BLACK = np.zeros((8, 8, 3), np.uint8)
LANE = LaneSettings(steps=2, guidance_scale=3)
CAR = Condition(prompt="a photo of a car")


@pytest.mark.parametrize("model", ["exact", "text-to-image"])
def test_the_labs_own_models_read_captions_and_the_run_says_so(model):
    toy, notes = run(SamplingRequest, model, condition=CAR, negative="the dog", lanes=(LANE,))
    assert (toy.prompts, toy.negatives) == (["car"], ["dog"])
    (note,) = notes
    assert "“a photo of a car” as “car”" in note and "“the dog” as “dog”" in note


def test_of_a_negative_prompt_that_is_not_read_nothing_is_said():
    toy, notes = run(SamplingRequest, "student", condition=CAR, negative="the dog", lanes=(LANE,))
    assert toy.prompts == ["car"] and sum("as “car”" in note for note in notes) == 1
    assert not any("as “dog”" in note for note in notes)


@pytest.mark.parametrize("model", ["sd-1-5", "sd-turbo", "sdxl"])
def test_a_model_from_the_hub_gets_the_prompt_untouched(model):
    toy, notes = run(SamplingRequest, model, condition=CAR, negative="the dog", lanes=(LANE,))
    assert (toy.prompts, toy.negatives, notes) == (["a photo of a car"], ["the dog"], [])


def test_nothing_is_said_where_nothing_is_dropped():
    toy, notes = run(
        SamplingRequest, "text-to-image", condition=Condition(prompt="a person waving"), negative="red", lanes=(LANE,)
    )
    assert (toy.prompts, toy.negatives, notes) == (["a person waving"], ["red"], [])


def test_an_anatomy_and_an_inversion_read_as_the_run_does():
    toy, notes = run(AnatomyRequest, "exact", condition=CAR, negative="a dog", lane=LANE, scales=(1, 3))
    assert (toy.prompts, toy.negatives, len(notes)) == (["car"], ["dog"], 1)
    toy, notes = run(InversionRequest, "exact", condition=CAR, picture=BLACK, steps=2)
    assert (toy.prompts, len(notes)) == (["car"], 1)


def test_the_script_reads_as_the_run_does():
    request = SamplingRequest(
        model="text-to-image", forward=Forward(schedule="scaled_linear"), condition=CAR, negative="a dog", lanes=(LANE,)
    )
    text = script.write(request, 0)
    assert 'PROMPT = "car"' in text and 'NEGATIVE = "dog"' in text
