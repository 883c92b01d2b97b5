"""unCLIP (Ramesh et al. 2022): embeddings of pictures and words, and the pictures that a decoder draws from them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from lab.catalog import JUDGE
from lab.engine.denoisers import Denoiser
from lab.engine.embeddings import between, difference, unit
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Lane, StepNoise
from lab.engine.latents import slerp
from lab.engine.noising import q_sample
from lab.engine.samplers import make_scheduler
from lab.models.judge import LoadedJudge
from lab.models.loaders import LoadedModel
from lab.models.unclip import UnclipModel
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.operations.painter import Painter
from lab.operations.prompts import unclip_as_captions, unread_notes
from lab.operations.sampling import REPLAY_SHARE
from lab.operations.turns import in_turn
from lab.requests.base import Event, LabError, Note
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult
from lab.requests.unclip import (
    WORDS,
    Embedded,
    Embedding,
    InvertedPicture,
    Judged,
    JudgedPicture,
    Near,
    PriorStep,
    UnclipLane,
    UnclipRequest,
)

NEAREST = 4  # pictures of the lab that describe an embedding
DDIM = {"clip_sample": False, "set_alpha_to_one": True}
FORWARD = Forward(schedule="scaled_linear")


def unclip(request: UnclipRequest, house: House) -> Iterator[Event]:
    """Embedded for each embedding, after the PriorSteps of those that the prior draws; InvertedPictures; Steps of the lanes as they come,
    as each ends its LaneResult, where asked behind Judged, and JudgedPictures before all; then what is Decoded."""
    check_load(request, house.settings)
    request, notes = unclip_as_captions(request)
    yield from notes
    yield from as_written(request, house)


def as_written(request: UnclipRequest, house: House) -> Iterator[Event]:
    """As `unclip`, of a request whose texts are read letter by letter."""
    yield from loading(house, *request.models())
    with ExitStack() as leases:
        leased = {name: leases.enter_context(house.lease(name)) for name in request.models()}
        space = Space(request, leased[request.unclip], house)
        yield from _notes(request, leased)
        yield from space.embed()
        yield from space.invert()
        yield from _draw(space, leased, house)


def _notes(request: UnclipRequest, leased: dict[str, Any]) -> Iterator[Note]:
    """What is to be said of the model's pictures, and what of the texts is not read."""
    model = leased[request.unclip]
    if model.remark:
        yield Note(model.remark)
    for text in dict.fromkeys(text for one in request.embeddings for text in (one.prompt, one.base)):
        yield from map(Note, model.unread(text))
    for way, text in dict.fromkeys((lane.way, lane.caption) for lane in request.lanes):
        reader = leased[WORDS] if way == "words" else model.decoder
        yield from unread_notes(reader, Condition(prompt=text))
    if request.judged:
        yield from map(Note, leased[JUDGE].unread(request.caption))


class Space:
    """The CLIP's space of one request: what its embeddings and its inverted pictures are."""

    def __init__(self, request: UnclipRequest, model: UnclipModel, house: House) -> None:
        kinds = {one.kind for one in request.embeddings}
        if not model.reads and kinds & {"prior", "text", "difference"}:
            raise LabError(
                "This unCLIP model has no prior, and so no text encoder of its CLIP. Start from a picture, or choose another model."
            )
        if model.prior is None and "prior" in kinds:
            raise LabError("This unCLIP model has no prior. Start from a picture, or choose another model.")
        self.request, self.model, self.house = request, model, house
        self.vectors: dict[int, Tensor] = {}  # by embedding
        self.x_T: dict[int, Tensor] = {}  # by picture
        self.denoiser = model.decoder.denoiser(FORWARD)

    def embed(self) -> Iterator[Event]:
        """The embeddings: those that are computed at once, then those that the prior draws."""
        self.house.compute(self.model.try_out)  # on an accelerator, where the parts are by now
        self.house.compute(lambda: self.model.embeddings)
        for index, one in enumerate(self.request.embeddings):
            if one.kind != "prior":
                self.vectors[index] = self.house.compute(partial(self._computed, one))
                yield self._embedded(index)
        yield from self._drawn_by_prior()

    @cached_property
    def _pictures(self) -> list[Tensor]:
        return [self.model.embed_picture(picture) for picture in self.request.pictures]

    def _computed(self, one: Embedding) -> Tensor:
        model = self.model
        if one.kind == "text":
            return model.text_as_picture(one.prompt)
        z = between(self._pictures[: len(one.weights)], one.weights)
        if one.kind == "difference":
            return difference(z, model.read(one.prompt).embedding, model.read(one.base).embedding, one.turn)
        return model.components.kept(z, one.components) if one.kind == "components" else z

    def _embedded(self, index: int, candidate: int | None = None) -> Embedded:
        z, one = self.vectors[index], self.request.embeddings[index]
        near = tuple(self.near(place, cosine) for place, cosine in self.model.nearest(z, NEAREST))
        return Embedded(
            index,
            z.numpy(),
            near,
            to_text=self._cosine(z, one.prompt),
            to_base=self._cosine(z, one.base),
            candidate=candidate,
            variance=self._variance(one),
        )

    def _cosine(self, z: Tensor, text: str) -> float | None:
        return float(unit(z) @ unit(self.model.read(text).embedding)) if text else None

    def _variance(self, one: Embedding) -> float | None:
        return self.model.components.share(one.components) if one.kind == "components" else None

    def near(self, place: int, cosine: float) -> Near:
        """A picture of the lab's, by its place in the gallery."""
        gallery = self.model.gallery
        return Near(gallery.pixels[place], gallery.captions[place], gallery.groups[place], cosine)

    def _drawn_by_prior(self) -> Iterator[Event]:
        """The prior's lanes, all candidates side by side; of each embedding the candidate nearest to its prompt stays."""
        request, prior = self.request, self.model.prior
        drawn = [(index, k) for index in request.drawn for k in range(request.embeddings[index].candidates)]
        if prior is None or not drawn:
            return
        lanes = []
        for place, (index, k) in enumerate(drawn):
            one = request.embeddings[index]
            text, nothing = (self.house.compute(partial(self.model.read, words)) for words in (one.prompt, ""))
            noise = StepNoise(one.seed + k)
            scheduler = make_scheduler(
                "DDIM", prior.process, prior.prediction_type, request.prior_steps, "trailing", _ddim(prior.clip_range)
            )
            lanes.append(
                Lane(
                    place,
                    scheduler,
                    noise.initial(prior.shape),
                    noise,
                    text,
                    nothing,
                    ClassifierFree(request.prior_scale),
                )
            )
        ends: dict[tuple[int, int], Tensor] = {}
        for record in self.house.drive(prior, lanes):
            index, k = drawn[record.lane]
            z = prior.embedding(record.x_0)
            ((place, cosine),) = self.model.nearest(z, 1)
            yield PriorStep(index, k, record.i, record.n, record.t, record.log_snr, self.near(place, cosine))
            if record.i == record.n:
                ends[index, k] = z
        for index in request.drawn:
            said = unit(self.model.read(request.embeddings[index].prompt).embedding)
            fits = [float(unit(ends[index, k]) @ said) for k in range(request.embeddings[index].candidates)]
            best = fits.index(max(fits))
            self.vectors[index] = ends[index, best]
            yield self._embedded(index, best)

    def invert(self) -> Iterator[Event]:
        """x_T of the pictures that lanes begin at (DDIM inversion, Song et al. 2021, section 4.3), each told its own embedding."""
        model, process = self.model, self.denoiser.process
        lanes = []
        for index in self.request.inverted:
            x_0 = self.house.compute(partial(model.decoder.from_picture, self.request.pictures[index]))
            z = self.house.compute(lambda: self._pictures)[index]
            up = make_scheduler(
                "DDIMInversion", process, self.denoiser.prediction_type, self.request.inversion_steps, "trailing", DDIM
            )
            noise = StepNoise(0)
            start = q_sample(x_0, process.level(float(up.timesteps[0])), noise.initial(self.denoiser.shape))
            lanes.append(Lane(index, up, start, noise, model.row(z)))
        for record in self.house.drive(self.denoiser, lanes) if lanes else ():
            if record.i == record.n:
                self.x_T[record.lane] = record.x_t
                yield InvertedPicture(record.lane, model.decoder.preview(record.x_t / 2))

    def start(self, lane: UnclipLane, shape: Sequence[int]) -> Tensor:
        """x_T of a lane, of the shape that its model works on."""
        if any(lane.inverted):
            places = [place for place, weight in enumerate(lane.inverted) if weight > 0]
            return between([self.x_T[place] for place in places], [lane.inverted[place] for place in places])
        x_T = StepNoise(lane.seed).initial(shape)
        if lane.mix_seed is not None and lane.mix > 0:
            x_T = slerp(x_T, StepNoise(lane.mix_seed).initial(shape), lane.mix)
        return x_T

    def row(self, lane: UnclipLane) -> Any:
        """What the decoder is told of a lane."""
        if lane.embedding is None:
            return self.model.row(None, lane.caption)
        one = self.request.embeddings[lane.embedding]
        return self.model.row(self.vectors[lane.embedding], lane.caption, one.noise_level, one.noise_seed)


def _draw(space: Space, leased: dict[str, Any], house: House) -> Iterator[Event]:
    """The lanes, those of both models in turn."""
    request, began = space.request, time.perf_counter()
    models: dict[str, LoadedModel] = {"unclip": space.model.decoder, "words": leased.get(WORDS, space.model.decoder)}
    runs, painters = [], {}
    for way, model in models.items():
        if lanes := [index for index, lane in enumerate(request.lanes) if lane.way == way]:
            denoiser = model.denoiser(FORWARD)
            painters[way] = Painter(model, house.company, request.replay)
            runs.append(house.drive(denoiser, [_lane(index, space, model, denoiser) for index in lanes]))
    judge = Jury(space, leased[JUDGE]) if request.judged else None
    if judge:
        yield from house.compute(judge.of_pictures)
    for record in in_turn(runs):
        elapsed_s = time.perf_counter() - began
        painter = painters[request.lanes[record.lane].way]
        yield painter.step(record, elapsed_s)
        if record.i == record.n:
            picture = painter.pictures[record.lane]
            if judge:  # before the result: where that has come, the lane is not drawn again
                yield house.compute(partial(judge.of, record.lane, picture))
            yield LaneResult(record.lane, picture, record.n, elapsed_s)
    for painter in painters.values():
        yield from painter.replay(REPLAY_SHARE * (time.perf_counter() - began) / len(painters))


def _ddim(clip_range: float | None) -> dict[str, Any]:
    """DDIM's options where predicted x_0 is clipped to a range, or is not."""
    return DDIM if clip_range is None else {**DDIM, "clip_sample": True, "clip_sample_range": clip_range}


def _lane(index: int, space: Space, model: LoadedModel, denoiser: Denoiser) -> Lane:
    settings = space.request.lanes[index]
    options = _ddim(space.model.clip_range if settings.way == "unclip" else None)
    scheduler = make_scheduler("DDIM", denoiser.process, denoiser.prediction_type, settings.steps, "trailing", options)
    if settings.way == "words":
        conditional, unconditional = model.conditioning(Condition(prompt=settings.caption)), model.unconditional()
    else:
        conditional, unconditional = space.row(settings), space.model.row(None)
    rule, noise = ClassifierFree(settings.guidance_scale), StepNoise(settings.seed)
    return Lane(
        index, scheduler, space.start(settings, denoiser.shape), noise, conditional, unconditional, rule, settings.eta
    )


class Jury:
    """The judge at work on the pictures of one request."""

    def __init__(self, space: Space, judge: LoadedJudge) -> None:
        self.space, self.judge = space, judge

    @cached_property
    def _captions(self) -> tuple[list[str], Tensor]:
        """The lab's captions, each once, and their embeddings; the request's own is the first."""
        captions = list(dict.fromkeys([self.space.request.caption, *self.space.model.gallery.captions]))
        return captions, self.judge.embed_captions(captions)

    @cached_property
    def _pictures(self) -> Tensor:
        """The judge's embeddings of the request's pictures, (n, width) of unit length; they may be of several sizes."""
        return torch.cat([self.judge.embed_pictures([picture]) for picture in self.space.request.pictures])

    def of_pictures(self) -> list[JudgedPicture]:
        """What the judge says of each of the request's pictures."""
        if not self.space.request.pictures:
            return []
        return [JudgedPicture(index, self._nearest(vector)) for index, vector in enumerate(self._pictures)]

    def _nearest(self, vector: Tensor) -> Near:
        cosines = self.space.model.gallery.judged(self.judge) @ vector
        place = int(cosines.argmax())
        return self.space.near(place, float(cosines[place]))

    def of(self, lane: int, picture: Any) -> Judged:
        """What the judge says of a lane's picture."""
        vector = self.judge.embed_pictures([picture])[0]
        judged = Judged(lane, vector.numpy(), self._nearest(vector))
        if self.space.request.pictures:
            judged = replace(judged, to_pictures=tuple((self._pictures @ vector).tolist()))
        if self.space.request.caption:
            captions, embeddings = self._captions
            fits = embeddings @ vector
            judged = replace(judged, rank=int((fits > fits[0]).sum()) + 1, captions=len(captions), fit=float(fits[0]))
        return judged
