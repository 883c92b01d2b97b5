"""Figures of unCLIP (Ramesh et al. 2022), by the lab's own operation: what the judge says of pictures that are drawn from embeddings.

Those that the page shows (retrieval, components, diversity) are written to lab.unclip_curves.FILE as well.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from lab.catalog import JUDGE, leasable
from lab.engine.embeddings import diversity, unit
from lab.engine.lanes import drive
from lab.models.cache import ModelCache
from lab.models.judge import LoadedJudge
from lab.models.loaders import FAMILIES
from lab.models.unclip import LoadedUnclip
from lab.operations.house import House
from lab.operations.unclip import FORWARD, as_written
from lab.requests.unclip import MOST_PICTURES, WORDS, Embedded, Embedding, Judged, UnclipLane, UnclipRequest
from lab.settings import Settings
from lab.training.corpus import Corpus
from lab.training.curves import weights
from lab.training.editing import drawings
from lab.training.losses import add_noise
from lab.training.recipes import recipes_of
from lab.training.recipes.judge import plain_captions
from lab.training.scene import Scene, distinct
from lab.training.scores import count
from lab.training.wording import in_a_sentence
from lab.unclip_curves import COMPONENTS, SCALES, SPREADS, WAYS, Kept, Retrieval, Spread

T = TypeVar("T")

NAME = "unclip"
COMMAND = "python -m lab.training evaluate --only unclip"
MAX_ROWS = 32  # of a call


@dataclass(frozen=True)
class Plan:
    """How much is drawn."""

    prompts: int = 64
    diversity_prompts: int = 64
    seeds: int = 4
    candidates: int = 4  # of the prior, where diversity is measured
    varied: int = 24  # pictures of which variations are drawn
    variations: int = 4
    steps: int = 15
    prior_steps: int = 25
    prior_scale: float = 2.0
    scale: float = 2.0  # of guidance, where one is enough
    scales: tuple[float, ...] = SCALES
    noises: int = 8  # of each embedding whose error by the prior is measured


def measure_unclip(scene: Scene) -> dict[str, Any]:
    """Retrieval of the ways to draw a prompt by guidance scale, and of held-out prompts, beside that of the drawings themselves;
    what components of an embedding keep; diversity over guidance; the prior's error and how near its embeddings come; and
    variations, of learned and of held-out drawings. At most the scene's prompts are drawn."""
    most = Plan()
    few = min(scene.prompts, most.prompts)
    plan = replace(
        most, prompts=few, diversity_prompts=min(few, most.diversity_prompts), varied=min(few, most.varied)
    )  # fmt: skip
    with opened(scene) as studio:
        return Measurement(scene, studio, plan).figures()


class Studio:
    """The models, and the lab's operation on them."""

    def __init__(self, house: House, model: LoadedUnclip, judge: LoadedJudge) -> None:
        self.house, self.model, self.judge = house, model, judge
        assert model.prior is not None  # the folder of both recipes has one
        self.prior = model.prior

    def run(self, request: UnclipRequest) -> tuple[Tensor, list[Judged]]:
        """The request's embeddings, (n, width), and what the judge says of each lane's picture."""
        embeddings: dict[int, np.ndarray] = {}
        judged: dict[int, Judged] = {}
        for event in as_written(request, self.house):
            if isinstance(event, Embedded):
                embeddings[event.index] = event.vector
            elif isinstance(event, Judged):
                judged[event.lane] = event
        vectors = np.stack([embeddings[index] for index in sorted(embeddings)]) if embeddings else np.empty((0, 0))
        return torch.from_numpy(vectors), [judged[lane] for lane in sorted(judged)]


@contextmanager
def opened(scene: Scene) -> Iterator[Studio]:
    """The scene's models in a house of their own, where a run may be as long as it likes. Prior and decoder may lie in two runs; the
    lab reads them in one folder."""
    with tempfile.TemporaryDirectory() as folder:
        for recipe in recipes_of(NAME):
            shutil.copytree(scene.models(recipe), folder, dirs_exist_ok=True)
        folders = {NAME: Path(folder)} | {name: scene.models(name).resolve() for name in (WORDS, JUDGE)}
        settings = Settings(device=scene.device.type, cpu_engine="torch", max_lanes=10_000, max_lane_steps=1_000_000)

        def load(name: str, shelf: Any) -> Any:
            row = replace(leasable()[name], source=str(folders[name]))
            return FAMILIES[row.family].load(row, settings, shelf, None)

        cache = ModelCache(load, scene.device)
        with cache.lease(NAME) as model, cache.lease(JUDGE) as judge:
            yield Studio(House(settings, cache, partial(drive, max_rows=MAX_ROWS)), model, judge)


class Measurement:
    """The figures of one scene."""

    def __init__(self, scene: Scene, studio: Studio, plan: Plan) -> None:
        self.studio, self.plan = studio, plan
        learned = drawings(scene.prompt_corpus.training)
        self.learned = distinct(learned, plan.prompts)
        self.sampled = drawn(learned, plan.diversity_prompts, seed=0)
        self.unseen = distinct(drawings(scene.prompt_corpus.unseen), plan.prompts)

    def figures(self) -> dict[str, Any]:
        """All of them."""
        plan, decoder = self.plan, self.studio.model.decoder.denoiser(FORWARD).unet
        return {
            "parameters": {"prior": count(self.studio.prior.prior), "decoder": count(decoder)},
            "originals": {"learned": self.originals(self.learned), "held_out": self.originals(self.unseen)},
            "retrieval": [asdict(point) for point in self.retrieval()],
            "held_out": self.held_out(),
            "kept": [asdict(point) for point in self.kept()],
            "diversity": [asdict(point) for point in self.diversity()],
            "prior": {"learned": self.prior(self.learned), "held_out": self.prior(self.unseen)},
            "variations": {"learned": self.variations(self.learned), "held_out": self.variations(self.unseen)},
            "prompts": len(self.learned), "captions": len(self.captions), "diversity_prompts": len(self.sampled),
            "seeds": plan.seeds, "steps": plan.steps, "prior_steps": plan.prior_steps, "prior_scale": plan.prior_scale,
            "kept_scale": plan.scale,
        }  # fmt: skip

    @cached_property
    def captions(self) -> list[str]:
        """Those of the lab's pictures, each once, and of the prompts."""
        prompts = [caption for part in (self.learned, self.unseen, self.sampled) for caption in plain_captions(part)]
        return list(dict.fromkeys([*self.studio.model.gallery.captions, *prompts]))

    @cached_property
    def _captions(self) -> Tensor:
        return self.studio.judge.embed_captions(self.captions)

    def ranks(self, judged: Sequence[Judged], captions: Sequence[str]) -> np.ndarray:
        """The rank of each picture's own caption, (n,)."""
        own = [self.captions.index(caption) for caption in captions]
        return ranks(torch.from_numpy(np.stack([one.vector for one in judged])), self._captions, own)

    def request(self, embeddings: Sequence[Embedding], lanes: Sequence[UnclipLane], **more: Any) -> UnclipRequest:
        """A request of the plan's prior, judged."""
        how = {"prior_steps": self.plan.prior_steps, "prior_scale": self.plan.prior_scale}
        return UnclipRequest(embeddings=tuple(embeddings), lanes=tuple(lanes), judged=True, **how, **more)

    def lane(self, **how: Any) -> UnclipLane:
        """A lane of the plan's steps."""
        return UnclipLane(steps=self.plan.steps, **how)

    def retrieval(self) -> list[Retrieval]:
        """Section 5.1, by guidance scale on captions, and at one scale on captions with an article."""
        rng = np.random.default_rng(0)
        captions = plain_captions(self.learned)
        spoken = [in_a_sentence(caption, rng) for caption in captions]
        points = self._retrieved("caption", captions, captions, self.plan.scales)
        return points + self._retrieved("article", spoken, captions, (self.plan.scale,))

    def originals(self, corpus: Corpus) -> dict[str, float]:
        """Retrieval of the drawings themselves: what the judge can tell at all."""
        own = [self.captions.index(caption) for caption in plain_captions(corpus)]
        found = ranks(self.studio.judge.embed_pictures(corpus.pixels), self._captions, own)
        return {"first": float((found == 1).mean()), "five": float((found <= 5).mean())}

    def _retrieved(
        self, wording: str, prompts: Sequence[str], captions: Sequence[str], scales: Sequence[float]
    ) -> list[Retrieval]:
        """Prompt i has the same noise in every way and at every scale."""
        n = len(prompts)
        embeddings = [Embedding(kind="prior", prompt=prompt, seed=i) for i, prompt in enumerate(prompts)]
        embeddings += [Embedding(kind="text", prompt=prompt) for prompt in prompts]
        keys = [(scale, way) for scale in scales for way in WAYS]
        lanes = [
            self.lane(way="words", caption=prompt, seed=i, guidance_scale=scale)
            if way == "words"
            else self.lane(embedding=i + n * (way == "text"), seed=i, guidance_scale=scale)
            for scale, way in keys
            for i, prompt in enumerate(prompts)
        ]
        _, judged = self.studio.run(self.request(embeddings, lanes))
        ranks = self.ranks(judged, len(keys) * [*captions]).reshape(len(keys), n)
        return [
            Retrieval(way, wording, scale, float((own == 1).mean()), float((own <= 5).mean()))
            for (scale, way), own in zip(keys, ranks, strict=True)
        ]

    def held_out(self) -> list[dict[str, Any]]:
        """Retrieval of captions of drawings that nothing was trained on."""
        captions = plain_captions(self.unseen)
        points = self._retrieved("caption", captions, captions, (self.plan.scale,))
        return [{"way": point.way, "scale": point.scale, "first": point.first, "five": point.five} for point in points]

    def kept(self) -> list[Kept]:
        """Figure 7."""
        counts = [count for count in COMPONENTS if count <= self.studio.model.width]
        kinds = [{"kind": "components", "components": count} for count in counts]
        shares = right(self.learned, self._drawn_from(self.learned, kinds, seeds=1)).mean(axis=0)
        return [
            Kept(count, float(group), float(caption)) for count, (group, caption) in zip(counts, shares, strict=True)
        ]

    def _drawn_from(self, corpus: Corpus, kinds: Sequence[dict[str, Any]], seeds: int) -> list[Sequence[Judged]]:
        """Of each picture what the judge says of pictures that are drawn from embeddings of these kinds of it, from so many noises
        each: kind by kind."""
        judged: list[Sequence[Judged]] = []
        for first in range(0, len(corpus), MOST_PICTURES):
            some = corpus.pixels[first : first + MOST_PICTURES]
            alone = np.eye(len(some)).tolist()  # the weights of each
            embeddings = [Embedding(weights=tuple(weights), **kind) for weights in alone for kind in kinds]
            lanes = [
                self.lane(
                    embedding=index,
                    seed=seeds * (first + index // len(kinds)) + k,
                    guidance_scale=self.plan.scale,
                )
                for index in range(len(embeddings))
                for k in range(seeds)
            ]
            _, drawn = self.studio.run(self.request(embeddings, lanes, pictures=tuple(some)))
            judged += in_parts(drawn, len(kinds) * seeds)
        return judged

    def diversity(self) -> list[Spread]:
        """Figures 9 and 11: by the text-to-image model, from one embedding of the prior, and from one for each seed. A prompt has the
        same noises in every way and at every scale, and no candidate of the prior in common with another."""
        plan, prompts = self.plan, plain_captions(self.sampled)
        numbers = range(len(prompts) * plan.seeds)
        embeddings = [
            Embedding(
                kind="prior",
                prompt=prompts[n // plan.seeds],
                seed=n * plan.candidates,
                candidates=plan.candidates,
            )
            for n in numbers
        ]
        keys = [(way, scale) for way in SPREADS for scale in plan.scales]
        lanes = [
            self.lane(way="words", caption=prompts[n // plan.seeds], seed=n, guidance_scale=scale)
            if way == "words"
            else self.lane(embedding=n - n % plan.seeds * (way == "fixed"), seed=n, guidance_scale=scale)
            for way, scale in keys
            for n in numbers
        ]
        _, judged = self.studio.run(self.request(embeddings, lanes))
        own = [prompts[n // plan.seeds] for n in numbers]
        points = []
        for (way, scale), found in zip(keys, in_parts(judged, len(numbers)), strict=True):
            vectors = torch.from_numpy(np.stack([one.vector for one in found])).unflatten(0, (-1, plan.seeds))
            spread = float(np.mean([diversity(some) for some in vectors]))
            points.append(Spread(way, scale, spread, float((self.ranks(found, own) == 1).mean())))
        return points

    def prior(self, corpus: Corpus) -> dict[str, float]:
        """Mean squared error of the prior's prediction, t spread evenly, in units of each coordinate's deviation, with the words and
        without them; and the cosines of its samples to the pictures' embeddings, beside those of the words' own embeddings and of one
        picture's to another's."""
        model, captions = self.studio.model, plain_captions(corpus)
        real = torch.stack([model.embed_picture(picture) for picture in corpus.pixels])
        embeddings = [Embedding(kind="prior", prompt=prompt, seed=i) for i, prompt in enumerate(captions)]
        made, _ = self.studio.run(self.request(embeddings, [self.lane(embedding=0)]))
        texts = torch.stack([model.read(caption).embedding for caption in captions])
        return {
            "mse": self._prior_error(real, captions),
            "mse_without_words": self._prior_error(real, [""] * len(captions)),
            "cosine_of_samples": cosine(made, real),
            "cosine_of_texts": cosine(texts, real),
            "cosine_of_another_picture": cosine(real.roll(len(real) // 2, 0), real),
        }

    def _prior_error(self, real: Tensor, texts: Sequence[str]) -> float:
        """As `prior` has it: of embeddings (n, width), each at noises of its own."""
        read, prior, noises = self.studio.model.read, self.studio.prior, self.plan.noises
        x_0 = (real - prior.prior.clip_mean.cpu()) / prior.prior.clip_std.cpu()
        n, length = len(x_0), len(prior.process)
        errors = []
        for noise in range(noises):
            t = ((torch.arange(n) + (noise + 0.5) / noises) * length / n).long()
            eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(noise))
            x_t = add_noise(x_0, eps, prior.process.alphas_cumprod[t])
            predicted = prior(x_t, t, [read(text) for text in texts])
            errors.append((predicted - x_0).square().mean())
        return float(torch.stack(errors).mean())

    def variations(self, corpus: Corpus) -> dict[str, float]:
        """How near variations come to their original, by the judge, and how unlike each other they are; and the shares whose nearest
        picture of the lab has the original's group and caption."""
        part, n = distinct(corpus, self.plan.varied), self.plan.variations
        judged = self._drawn_from(part, [{}], seeds=n)
        made = torch.from_numpy(np.stack([[one.vector for one in own] for own in judged]))
        real = self.studio.judge.embed_pictures(part.pixels)[:, None]
        group, caption = right(part, judged).mean(axis=(0, 1))
        return {
            "pictures": len(part), "variations": n, "cosine_to_original": cosine(made, real),
            "cosine_to_another": cosine(made, real.roll(len(real) // 2, 0)),
            "diversity": float(np.mean([diversity(own) for own in made])),
            "group": float(group), "caption": float(caption),
        }  # fmt: skip


def drawn(corpus: Corpus, n: int, seed: int) -> Corpus:
    """At most n pictures at random, no two of one caption."""
    every = distinct(corpus, len(corpus))
    return every.select(np.sort(np.random.default_rng(seed).permutation(len(every))[:n]))


def ranks(pictures: Tensor, captions: Tensor, own: Sequence[int]) -> np.ndarray:
    """The rank, from 1 on, of each picture's own caption by cosine; (n,). Pictures (n, width) and captions (m, width) are of unit
    length; `own` are places among the captions."""
    fits = pictures @ captions.T
    return (fits > fits[range(len(own)), own][:, None]).sum(1).numpy() + 1


def right(corpus: Corpus, judged: Sequence[Sequence[Judged]]) -> np.ndarray:
    """Of each picture, and each that was drawn from it: whether the judge's nearest picture of the lab has its group, and its
    caption; (n, drawn, 2) bool."""
    pictures = zip(corpus.groups, plain_captions(corpus), judged, strict=True)
    return np.array(
        [
            [(one.nearest.group == group, one.nearest.caption == caption) for one in own]
            for group, caption, own in pictures
        ]
    )


def in_parts(values: Sequence[T], size: int) -> list[Sequence[T]]:
    """The values in parts of equal size."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def cosine(a: Tensor, b: Tensor) -> float:
    """The mean cosine of vectors (..., width)."""
    return float((unit(a) * unit(b)).sum(-1).mean())


def write_curves(figures: dict[str, Any], file: Path) -> None:
    """What the page shows of the figures, as lab.unclip_curves reads it."""
    of_the_card = ("parameters", "originals", "held_out", "prior", "variations")
    shown = {name: value for name, value in figures.items() if name not in of_the_card}
    digests = weights((NAME, WORDS, JUDGE))
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"command": COMMAND} | shown | {"weights": digests}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
