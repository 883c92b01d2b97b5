"""Requests: frozen, picklable, and never satisfied with nonsense; whatever comes in, only LabError comes out."""

import itertools
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.requests.anatomy import AnatomyRequest
from lab.requests.annotate import AnnotateRequest
from lab.requests.base import LabError, make_request
from lab.requests.enlarge import (
    DRAWING_STEPS,
    DRAWN_BY,
    UPSAMPLER,
    Enlarged,
    EnlargeLane,
    EnlargeRequest,
    original_of,
    small_of,
)
from lab.requests.fidelity import FidelityRequest
from lab.requests.fields import MAX_PROMPT, Condition, Forward
from lab.requests.invention import InventionRequest, Machine
from lab.requests.inversion import InversionRequest
from lab.requests.ledger import BillsRequest, LedgerRequest, LikelihoodRequest, StepRequest
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest, Step
from lab.requests.share import ShareRequest
from tests.requests.kinds import kinds
from tests.requests.samples import LEDGER, PICTURE, SAMPLES

KINDS = kinds()
CONTROLS = (ControlMap(name="edges", map=PICTURE), ControlMap(name="pose", map=PICTURE))


@pytest.mark.parametrize("request_", SAMPLES, ids=lambda one: type(one).__name__)
def test_requests_are_frozen_and_picklable(request_):
    name = next(iter(type(request_).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(request_, name, getattr(request_, name))
    back = pickle.loads(pickle.dumps(request_))
    assert type(back) is type(request_)
    np.testing.assert_equal(back.model_dump(), request_.model_dump())


def test_every_request_class_is_tried_here():
    assert set(KINDS) == {type(sample) for sample in SAMPLES}


def test_events_are_frozen_and_picklable():
    step = Step(0, 1, 20, 949.0, -3.2, PICTURE, PICTURE, 0.1)
    with pytest.raises(AttributeError):
        step.i = 2
    assert np.array_equal(pickle.loads(pickle.dumps(step)).x_t, PICTURE)


def test_forward_processes_are_keys():
    """Runs share a denoiser when they ask for the same process."""
    assert {Forward(): 1}[Forward(schedule="linear", T=1000)] == 1


def lanes(**values):
    return {"lanes": [values]}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (SamplingRequest, {"lanes": []}, "Lanes must have at least 1"),
        (ShareRequest, {"groups": ("objects", "objects")}, "The two groups must differ"),
        (ShareRequest, {"start": "objects"}, "The start must be one of the two groups"),
        (ShareRequest, {"pictures": 49}, "Pictures must be at most 48"),
        (ShareRequest, {"weight": 1}, "Weight must be at most 0.95"),
        (Machine, {"patch": 4}, "its side must be odd, and 4 is even"),
        (Machine, {"patch": 65}, "Patch must be at most 63"),
        (Machine, {"kind": "magic"}, "Kind: there is no kind of machine named 'magic'"),
        (Machine, {"kind": "exact", "translated": True}, "Only a local machine looks for patches in other places"),
        (Machine, {"kind": "network", "pictures": 5}, "The network learned from all pictures"),
        (Machine, {"translated": True}, "with a side of 7 it can know 1 to 102 pictures"),
        (Machine, {"translated": True, "patch": 15, "pictures": 23}, "with a side of 15 it can know 1 to 22 pictures"),
        (FidelityRequest, {"model": "pixel", "sets": [[PICTURE]]}, "Sets, entry 1 must have at least 2"),
        (FidelityRequest, {"model": "pixel", "sets": ()}, "Sets must have at least 1"),
        (FidelityRequest, {"model": "pixel", "sets": [[PICTURE] * 65]}, "Sets, entry 1 may have at most 64"),
        (FidelityRequest, {"model": "pixel", "sets": [[PICTURE] * 52] * 5}, "All sets together have 260 pictures"),
        (InventionRequest, {"machines": ()}, "Machines must have at least 1"),
        (FidelityRequest, {"model": "sd", "sets": [[PICTURE] * 2]}, "there is no model named 'sd'"),
        (InventionRequest, {"seeds": range(9)}, "Seeds may have at most 8"),
        (InventionRequest, {"machines": [{"patch": 2}]}, "side must be odd"),
        (SamplingRequest, {}, "Lanes is missing"),
        (SamplingRequest, lanes(eta=math.nan), "Eta of lane 1 must be a finite number"),
        (SamplingRequest, lanes(guidance_scale=math.inf), "Guidance scale of lane 1 must be a finite number"),
        (SamplingRequest, lanes(guidance_scale=-math.inf), "Guidance scale of lane 1 must be a finite number"),
        (SamplingRequest, lanes(mix=math.nan), "Mix of lane 1 must be a finite number"),
        (SamplingRequest, lanes(steps=math.nan), "Steps of lane 1 must be a finite number"),
        (SamplingRequest, lanes(steps=0), "Steps of lane 1 must be at least 1"),
        (SamplingRequest, lanes(steps=2.5), "Steps of lane 1 must be a whole number"),
        (SamplingRequest, lanes(steps=1001), "Steps of lane 1 must be at most 1000"),
        (SamplingRequest, lanes(seed=-1), "Seed of lane 1 must be at least 0"),
        (SamplingRequest, lanes(seed=2**31), "Seed of lane 1 must be at most 2147483647"),
        (SamplingRequest, lanes(eta=1.1), "Eta of lane 1 must be at most 1"),
        (
            SamplingRequest,
            lanes(sampler="magic"),
            "there is no sampler named 'magic'; choose one of ddpm, ddpm_learned, ddim",
        ),
        (SamplingRequest, lanes(rule="force"), "there is no guidance rule named 'force'; choose one of cfg, rescaled"),
        (SamplingRequest, {**lanes(), "versus": "sd"}, "there is no model named 'sd'; choose one of exact"),
        (SamplingRequest, {**lanes(), "negative": "a" * 301}, "Negative prompt may have at most 300 characters"),
        (SamplingRequest, lanes(windows=[{}]), "The run has 0 controls, a lane holds 1"),
        (SamplingRequest, {**lanes(windows=[{}]), "controls": CONTROLS}, "The run has 2 controls, a lane holds 1"),
        (SamplingRequest, {**lanes(), "controls": CONTROLS * 3}, "Controls may have at most 4"),
        (ControlMap, {"name": "depth", "map": PICTURE}, "there is no control named 'depth'; choose one of edges, pose"),
        (ControlMap, {"name": "edges", "map": "edges.png"}, "Map: a picture must be a .* array of bytes"),
        (ControlWindow, {"strength": 3.1}, "Strength must be at most 3"),
        (ControlWindow, {"strength": -0.1}, "Strength must be at least 0"),
        (ControlWindow, {"strength": math.nan}, "Strength must be a finite number"),
        (ControlWindow, {"end": 1.5}, "End must be at most 1"),
        (ControlWindow, {"start": 0.5, "end": 0.5}, "must start before it ends; 0.5 to 0.5 does not"),
        (ControlWindow, {"start": 0.75, "end": 0.25}, "must start before it ends; 0.75 to 0.25 does not"),
        (AnnotateRequest, {}, "There is no picture yet; choose an example or upload one"),
        (AnnotateRequest, {"picture": "holiday.png"}, "Picture: a picture must be a .* array of bytes"),
        (AnnotateRequest, {"picture": PICTURE, "size": 15}, "Size must be at least 16"),
        (AnnotateRequest, {"picture": PICTURE, "size": 1025}, "Size must be at most 1024"),
        (AnnotateRequest, {"picture": PICTURE, "blur": math.nan}, "Blur must be a finite number"),
        (AnnotateRequest, {"joints": [(0.5, math.inf, 1)]}, "Joints, entry 1 must be a finite number"),
        (AnnotateRequest, {"joints": [(0.5, 0.5)]}, "Joints, entry 1 is missing"),
        (AnatomyRequest, {"lane": {}, "scales": []}, "Guidance scales must have at least 1"),
        (AnatomyRequest, {"lane": {}, "scales": [1] * 13}, "Guidance scales may have at most 12"),
        (AnatomyRequest, {"lane": {}, "scales": [31]}, "Guidance scales, entry 1 must be at most 30"),
        (AnatomyRequest, {"lane": {}, "scales": [1, -1]}, "Guidance scales, entry 2 must be at least 0"),
        (AnatomyRequest, {"lane": {}, "scales": [math.inf]}, "Guidance scales, entry 1 must be a finite number"),
        (AnatomyRequest, {"lane": {"steps": 50}, "scales": [1], "forward": {"T": 20}}, "T is 20, below the 50 steps"),
        (SamplingRequest, lanes(spacing="odd"), "there is no spacing named 'odd'; choose one of trailing"),
        (SamplingRequest, lanes(colour="red"), "Colour of lane 1 is not known here"),
        (SamplingRequest, {**lanes(), "model": "sd"}, "there is no model named 'sd'; choose one of exact"),
        (SamplingRequest, {**lanes(steps=50), "forward": {"T": 20}}, "T is 20, below the 50 steps of a lane"),
        (SamplingRequest, {**lanes(), "condition": {"group": "food"}}, "there is no group named 'food'"),
        (SamplingRequest, {**lanes(), "condition": {"prompt": "a" * 301}}, "Prompt may have at most 300 characters"),
        (Forward, {"T": 9}, "T must be at least 10"),
        (Forward, {"T": 4001}, "T must be at most 4000"),
        (Forward, {"schedule": "<script>"}, "there is no schedule named '<script>'"),
        (NoisingRequest, {"picture": PICTURE, "t": 1001}, r"t is 1001, beyond the last.* T = 1000"),
        (NoisingRequest, {"picture": "holiday.png"}, "Picture: a picture must be a .* array of bytes"),
        (NoisingRequest, {"picture": PICTURE.astype(float)}, "Picture: a picture must be a .* array of bytes"),
        (NoisingRequest, {"picture": PICTURE[..., 0]}, "Picture: a picture must be a .* array of bytes"),
        (NoisingRequest, {"picture": PICTURE[:0]}, "between 1 and 1024 pixels"),
        (NoisingRequest, {"picture": np.zeros((2, 1025, 3), np.uint8)}, "between 1 and 1024 pixels"),
        (NoisingRequest, {"picture": PICTURE, "recover": "sd"}, "there is no model named 'sd'"),
        (InversionRequest, {"picture": PICTURE, "steps": 1}, "Steps must be at least 2"),
        (LedgerRequest, {"picture": PICTURE, "calls": 1}, "Calls must be at least 2"),
        (LedgerRequest, {"picture": PICTURE, "calls": 1001}, "Calls must be at most 1000"),
        (LedgerRequest, {"picture": PICTURE, "frames": 101}, "Frames must be at most 100"),
        (EnlargeRequest, {"picture": PICTURE, "lanes": []}, "Lanes must have at least 1"),
        (EnlargeRequest, {"picture": PICTURE, **lanes(noise=400)}, "Noise of lane 1 must be at most 399"),
        (EnlargeRequest, {"picture": PICTURE, **lanes(noise=-1)}, "Noise of lane 1 must be at least 0"),
        (EnlargeRequest, {"picture": PICTURE, **lanes(steps=251)}, "Steps of lane 1 must be at most 250"),
        (EnlargeRequest, {"picture": PICTURE, "side": 48}, "Side is not possible here"),
        (EnlargeRequest, {"side": 64}, "The pixel model draws pictures of 32 pixels; choose 32, or a picture"),
        (EnlargeRequest, {"guidance_scale": 31}, "Guidance scale must be at most 30"),
        (StepRequest, {"ledger": LEDGER, "i": 5}, "Term 6 is beyond the last one of 5 calls"),
        (StepRequest, {"ledger": LEDGER, "i": -1}, "Term must be at least 0"),
        (
            StepRequest,
            {"ledger": LEDGER, "variance": "best"},
            "there is no variance named 'best'; choose one of learned",
        ),
        (LikelihoodRequest, {"picture": PICTURE, "steps": 201}, "Steps must be at most 200"),
        (BillsRequest, {"each": 7}, "Each must be at most 6"),
        (LaneSettings, {"seed": None}, "Seed is empty; it must be a whole number"),
        (LaneSettings, {"mix_seed": "two"}, "Second seed must be a whole number"),
        (LaneSettings, {"mix_seed": 1.5}, "Second seed must be a whole number"),
        (Forward, {"T": None}, "T is empty; it must be a whole number"),
        (Forward, {"kind": "linear"}, "Kind is not known here"),
    ],
)
def test_nonsense_is_refused_in_words(kind, values, message):
    with pytest.raises(LabError, match=message) as caught:
        make_request(kind, **values)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 300
    assert not any(word in text for word in ("Value error", "pydantic", "Input should", "Field required"))


WRONG = (
    None,
    "",
    "x",
    -1,
    1.5,
    10**30,
    math.nan,
    math.inf,
    True,
    b"x",
    [],
    [None],
    ["x"],
    [[1]],
    {},
    {"a": 1},
    (1, 2, 3),
    object(),
)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_every_field_refuses_every_wrong_type_in_words(sample):
    """One sentence that begins with a field in words, and none of pydantic's."""
    good = {name: getattr(sample, name) for name in type(sample).model_fields}
    for name, value in itertools.product(good, WRONG):
        try:
            make_request(type(sample), **{**good, name: value})
        except LabError as error:
            assert re.fullmatch(r"[A-Za-z].*\.", str(error)), (name, value)
            assert not any(word in str(error) for word in ("Input should", "valid", "instance", "Value error")), str(
                error
            )


def test_long_names_are_cut_in_messages():
    with pytest.raises(LabError) as caught:
        make_request(Forward, schedule="x" * 10_000)
    assert len(str(caught.value)) < 300


def test_a_lane_holds_every_control_or_none():
    holding = {"windows": [{"strength": 0.5}, {"start": 0.5}]}
    request = make_request(SamplingRequest, controls=CONTROLS, lanes=[holding, {}])
    assert [len(lane.windows) for lane in request.lanes] == [2, 0]
    assert request.lanes[0].windows == (ControlWindow(strength=0.5), ControlWindow(start=0.5))


def test_steps_may_equal_T():
    assert make_request(SamplingRequest, lanes=[{"steps": 20}], forward={"T": 20}).forward.T == 20


@pytest.mark.parametrize("size", [(1, 1), (1024, 1), (1024, 1024)])
def test_pictures_up_to_the_limit_are_taken(size):
    assert make_request(NoisingRequest, picture=np.zeros((*size, 3), np.uint8)).picture.shape[:2] == size


FIELDS = sorted({name for kind in KINDS for name in kind.model_fields})
WORDS = ["", "ddim", "linear", "exact", "trailing", "food-drink", "nan", "inf", "1e999", "-1", "\ud800", "\x00"]
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
    | st.sampled_from([10**400, 2**63, -0.0, 1e308])
)
keys = st.sampled_from(FIELDS) | st.text(max_size=8)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(KINDS), st.dictionaries(keys, values, max_size=6), st.booleans())
def test_whatever_comes_in_only_LabError_comes_out(kind, given_values, with_picture):
    if with_picture:
        given_values = given_values | {name: PICTURE for name in ("picture", "map") if name in kind.model_fields}
    try:
        request = make_request(kind, **given_values)
    except LabError as error:
        assert str(error)
    else:
        assert isinstance(request, kind)
        pickle.dumps(request)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(LaneSettings.model_fields, leaves)))
def test_lanes_that_are_accepted_are_within_their_bounds(lane_values):
    try:
        lane = make_request(LaneSettings, **lane_values)
    except LabError:
        return
    assert 1 <= lane.steps <= 1000 and 0 <= lane.eta <= 1 and 0 <= lane.mix <= 1
    assert 0 <= lane.guidance_scale <= 30 and 0 <= lane.seed < 2**31


@pytest.mark.parametrize("blank", [" ", "   ", "\t\n", "\u3000 "])
def test_blanks_are_no_words(blank):
    assert Condition(prompt=blank, style=blank) == Condition()
    assert Condition(prompt=f"{blank}a  cat{blank}").prompt == "a  cat"
    assert make_request(SamplingRequest, negative=blank, lanes=(LaneSettings(),)).negative == ""
    assert len(Condition(prompt=" " * 50 + "x" * MAX_PROMPT).prompt) == MAX_PROMPT


def test_a_cascade_counts_its_small_picture_as_a_hidden_lane_and_leases_what_draws_it():
    lanes = (EnlargeLane(steps=4), EnlargeLane(steps=7, noise=30))
    own, cascade = EnlargeRequest(picture=PICTURE, lanes=lanes), EnlargeRequest(lanes=lanes)
    assert (own.load().lanes, own.load().steps, own.load().hidden) == (2, 11, 0)
    assert (cascade.load().lanes, cascade.load().steps, cascade.load().hidden) == (3, 11 + DRAWING_STEPS, 1)
    assert own.models() == (UPSAMPLER,) and cascade.models() == (UPSAMPLER, DRAWN_BY)


def test_of_a_lost_run_the_lanes_without_a_result_are_enlarged_again():
    request = EnlargeRequest(lanes=tuple(EnlargeLane(seed=seed) for seed in range(3)))
    rest = request.rest({(Enlarged, ()), (Step, (-1, 3)), (LaneResult, 1)})
    assert rest.lanes == (0, 2) and [lane.seed for lane in rest.request.lanes] == [0, 2]
    assert rest.request.seed == request.seed and rest.whole_lane(-1) == -1
    assert request.rest({(LaneResult, lane) for lane in range(3)}) is None


def test_a_picture_becomes_means_of_areas_or_its_nearest_pixels():
    row = np.array([[[0, 0, 0], [90, 60, 30]]], np.uint8)
    assert np.array_equal(original_of(row, 1), row.repeat(2, 0))
    assert np.array_equal(original_of(row, 2), row.repeat(4, 0).repeat(2, 1))
    assert np.array_equal(small_of(row.repeat(2, 0)), [[[45, 30, 15]]])
    assert np.array_equal(original_of(row[:, 1:], 8), np.full((16, 16, 3), (90, 60, 30)))
