"""The cross-attention of a text-to-image UNet, seen and changed.

A UNet's attention to the words (its layers `attn2`) is computed here step by step, softmax(Q K^T / sqrt(d)) V, by diffusers'
`AttnProcessor` interface, so that the probabilities can be read (Tang et al. 2022, DAAM) and edited (Hertz et al. 2022,
Prompt-to-Prompt). That happens on a `twin_of` the UNet: modules of their own on the same weights, so that the UNet that
other runs use stays as it is whatever happens here.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from lab.engine.attention import Alignment, kept, reweighted
from lab.engine.lanes import Changing

if TYPE_CHECKING:  # what draws with it imports this
    from lab.models.stable_diffusion import LatentDenoiser, TextRow

WORDS, PICTURE = (
    "attn2.processor",
    "attn1.processor",
)  # ends of the names of processors: of cross- and of self-attention


def twin_of(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The UNet's modules once more, on the same weights: what is set on the one is not set on the other."""
    weights = [*unet.parameters(), *unet.buffers()]
    return copy.deepcopy(unet, {id(weight): weight for weight in weights})


class Explicit:
    """An attention processor that computes the probabilities and hands them to `edit`, (rows, heads, queries, keys) float32,
    which gives back what is to take their place. As diffusers' `AttnProcessor` otherwise."""

    def __init__(self, edit: Callable[[Tensor], Tensor]) -> None:
        self.edit = edit

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        query, key, value = (
            states.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for states in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        scores = attn.scale * query.float() @ key.float().transpose(-1, -2)
        probabilities = self.edit(scores.softmax(dim=-1))
        output = (probabilities.to(value) @ value).transpose(1, 2).flatten(2)
        for layer in attn.to_out:
            output = layer(output)
        return output


@dataclass(frozen=True, eq=False)
class Source:
    """The run whose attention another one keeps, at one of its calls: its x_t (channels, height, width), what it is conditioned
    on, how the two prompts go together, and which of the attentions are kept."""

    x_t: Tensor
    row: "TextRow"
    alignment: Alignment
    words: bool = True
    picture: bool = False


@dataclass(frozen=True, eq=False)
class EditedRow:
    """A row of the UNet whose attention to words is edited: `factors` (tokens,) multiply it, a `source` replaces it before."""

    row: "TextRow"
    factors: Tensor | None = None
    source: Source | None = None


class Keeping(Changing):
    """A prompt that keeps the attention of a source's run: to the words in the first `words` of the calls (a share, 0 to 1),
    of the picture to itself in the first `picture` of them. `path` holds the source's x_t by call."""

    def __init__(
        self,
        row: "TextRow",
        source: "TextRow",
        path: Sequence[Tensor],
        alignment: Alignment,
        words: float,
        picture: float,
    ) -> None:
        self.row, self.source, self.path, self.alignment = row, source, path, alignment
        self.words, self.picture = words, picture

    def at(self, i: int, n: int) -> "TextRow | EditedRow":
        words, picture = i < round(self.words * n), i < round(self.picture * n)
        if not (words or picture):
            return self.row
        return EditedRow(self.row, source=Source(self.path[i], self.source, self.alignment, words, picture))


@dataclass(frozen=True, eq=False)
class LayerMap:
    """What one layer of cross-attention looks at: `maps` (tokens, side, side), the mean of its heads; over the tokens it sums
    to one."""

    name: str
    maps: Tensor

    @property
    def side(self) -> int:
        """Of the layer's picture, in its own pixels."""
        return self.maps.shape[-1]


class AttentionDenoiser:
    """A latent denoiser whose rows may be an `EditedRow`; itself a `Denoiser`, in the same terms.

    Rows without an edit are passed on in one call, as if there were no wrapper. Edited rows, and the rows of the sources that
    they keep attention of, are one more call, by torch. Raises ValueError for a UNet whose attention is none of
    diffusers' plain kind.
    """

    def __init__(self, denoiser: "LatentDenoiser") -> None:
        self.denoiser, self.process = denoiser, denoiser.process
        self.prediction_type, self.shape = denoiser.prediction_type, denoiser.shape
        self._twin = twin_of(denoiser.unet)
        self._rows: list[EditedRow] = []  # of the call under way: sources first
        self._sources: list[int] = []  # for each of the rows, which row is its source; itself where it has none
        self._seen: dict[str, Tensor] | None = None  # by layer: the mean over the heads, (rows, pixels, tokens)
        processors: dict[str, Any] = dict(self._twin.attn_processors)
        for name in processors:
            if name.endswith((WORDS, PICTURE)):
                processors[name] = Explicit(self._edit_of(name))
        self._twin.set_attn_processor(processors)

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: "Sequence[TextRow | EditedRow]") -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,)."""
        edited = [k for k, row in enumerate(conditioning) if isinstance(row, EditedRow)]
        plain = [k for k in range(len(x_t)) if k not in edited]
        parts = []
        if plain:
            parts.append(self.denoiser(x_t[plain], t[plain], [conditioning[k] for k in plain]))  # type: ignore[misc]
        if edited:
            rows = [conditioning[k] for k in edited]
            parts.append(self._edited(x_t[edited], t[edited], rows))  # type: ignore[arg-type]
        return torch.cat(parts)[torch.tensor(plain + edited).argsort()]

    def look(self, x_t: Tensor, t: float, row: "TextRow") -> list[LayerMap]:
        """What every layer of cross-attention looks at, for one x_t (channels, height, width) at timestep t."""
        self._seen = {}
        try:
            self._predict(x_t[None], torch.tensor([t]), [EditedRow(row)], [0])
            seen = self._seen
        finally:
            self._seen = None
        return [LayerMap(name.removesuffix(".processor"), _as_pictures(maps[0], x_t)) for name, maps in seen.items()]

    def _edited(self, x_t: Tensor, t: Tensor, rows: list[EditedRow]) -> Tensor:
        sources = [(k, row.source) for k, row in enumerate(rows) if row.source]
        own = list(range(len(sources), len(sources) + len(rows)))
        for place, (k, _) in enumerate(sources):
            own[k] = place
        x = torch.cat([*(source.x_t[None] for _, source in sources), x_t])
        times = torch.cat([*(t[k : k + 1] for k, _ in sources), t])
        whole = [*(EditedRow(source.row) for _, source in sources), *rows]
        return self._predict(x, times, whole, [*range(len(sources)), *own])[len(sources) :]

    @torch.inference_mode()
    def _predict(self, x_t: Tensor, t: Tensor, rows: list[EditedRow], sources: list[int]) -> Tensor:
        self._rows, self._sources = rows, sources
        return self.denoiser.by_torch(x_t, t, [row.row for row in rows], self._twin)

    def _edit_of(self, name: str) -> Callable[[Tensor], Tensor]:
        if name.endswith(PICTURE):
            return self._keep_picture

        def edit(probabilities: Tensor) -> Tensor:
            if self._seen is not None:
                self._seen[name] = probabilities.mean(dim=1).cpu()
            return self._edit_words(probabilities)

        return edit

    def _edit_words(self, probabilities: Tensor) -> Tensor:
        edited = []
        for k, row in enumerate(self._rows):
            own = probabilities[k]
            if row.source and row.source.words:
                own = kept(own, probabilities[self._sources[k]], row.source.alignment)
            edited.append(own if row.factors is None else reweighted(own, row.factors))
        return torch.stack(edited)

    def _keep_picture(self, probabilities: Tensor) -> Tensor:
        keeps = [row.source is not None and row.source.picture for row in self._rows]
        return probabilities[
            [source if keep else k for k, (source, keep) in enumerate(zip(self._sources, keeps, strict=True))]
        ]


def _as_pictures(maps: Tensor, x_t: Tensor) -> Tensor:
    """Maps (pixels, tokens) as (tokens, height, width), in the proportions of x_t (channels, height, width)."""
    height, width = x_t.shape[1:]
    scale = (height * width / len(maps)) ** 0.5
    return maps.T.unflatten(1, (round(height / scale), round(width / scale)))
