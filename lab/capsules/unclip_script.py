"""Pictures drawn from embeddings (unCLIP) as a Python script that needs nothing of the lab: torch, diffusers and transformers."""

from collections.abc import Sequence
from textwrap import indent

from lab.capsules import source_script
from lab.capsules.bound_script import packed
from lab.capsules.script import laid_out
from lab.catalog import HELPERS, MODELS
from lab.requests.unclip import WORDS, Embedding, UnclipLane, UnclipRequest
from lab.settings import ASSETS, folder_here
from lab.vocabulary import as_read

quoted = source_script.quoted


def unclip_script(request: UnclipRequest) -> str:
    """The script of a run: it writes the picture of every lane. Its draws are the lab's, so its pictures are, to two grey levels."""
    request = request.reading(as_read)
    kinds = {one.kind for one in request.embeddings}
    texts = bool(kinds & {"text", "prior", "difference"})
    gallery = bool(kinds & {"text", "components"})
    words = any(lane.way == "words" for lane in request.lanes)
    arcs = "difference" in kinds or any(lane.mix_seed is not None and lane.mix > 0 for lane in request.lanes)
    weights = [one.weights for one in request.embeddings if one.of_pictures] + [lane.inverted for lane in request.lanes]
    own = has_context(request)
    body = [
        _constants(request, gallery),
        _loading(request, texts, "prior" in kinds, words),
        _READ,
        _NOISE,
        _DDIM,
        _PRIOR_TEXTS if texts else "",
        _PRIOR if "prior" in kinds else "",
        _ARCS if arcs else "",
        _BETWEEN if any(map(_several, weights)) else "",
        *_picture_set(request, gallery),
        _DIFFERENCE if "difference" in kinds else "",
        _TEXT if "text" in kinds else "",
        _COMPONENTS if "components" in kinds else "",
        _ROW.replace("read(pipe, caption),", "torch.cat([read(pipe, caption), tokens(labels)], dim=1),")
        if own
        else _ROW,
        _TOKENS if own else "",
        _WORDS if words else "",
        _INVERTED if request.inverted else "",
        _lists(request),
        _LOOP.replace("NOTHING", "row() if model is pipe else words()" if words else "row()"),
    ]
    return laid_out([_head(request, "\n".join(body)), *body])


def has_script(request: UnclipRequest) -> bool:
    """Whether its run has one: that of a decoder on pixels (UnCLIPPipeline), whose folder lies here by now, has none."""
    folder = folder_here(HELPERS[request.unclip].source)
    return folder is None or not (folder / "text_proj").is_dir()


def has_context(request: UnclipRequest) -> bool:
    """Whether the folder of its model, if it lies here, has the part that makes tokens of an embedding."""
    return (ASSETS / HELPERS[request.unclip].source / "context").is_dir()


def _several(weights: Sequence[float]) -> bool:
    return sum(weight > 0 for weight in weights) > 1


def _head(request: UnclipRequest, body: str) -> str:
    standard = [name for name in ("base64", "csv", "hashlib", "io", "math", "sys") if f"{name}." in body]
    names = {
        "diffusers": ["DDIMScheduler", "PriorTransformer", "StableDiffusionPipeline", "StableUnCLIPImg2ImgPipeline"],
        "PIL": ["Image"],
        "transformers": ["CLIPTextModelWithProjection", "CLIPTokenizer"],
    }
    used = {library: [name for name in some if f"{name}.from" in body] for library, some in names.items()}
    return "\n".join(
        [
            f'"""{HELPERS[request.unclip].title}: pictures from embeddings, a run of Diffusion Lab, again by torch, diffusers and',
            "transformers alone.",
            "",
            "    pip install numpy torch diffusers transformers pillow",
            "    python unclip.py [MODEL] [FOLDER]",
            "",
            "Run it in the lab's folder. It writes unclip-000.png and so on into FOLDER, one picture a lane. The model is of",
            "Ramesh et al. 2022, https://arxiv.org/abs/2204.06125; the sampler of Song et al. 2020, https://arxiv.org/abs/2010.02502.",
            '"""',
            "",
            *(f"import {name}" for name in standard),
            *(["from functools import cache"] if "@cache" in body else []),
            "from pathlib import Path",
            "",
            *(["import numpy as np"] if "np." in body else []),
            "import torch",
            *(f"from {library} import {', '.join(some)}" for library, some in used.items() if some),
            *(["from safetensors.torch import load_file"] if "load_file(" in body else []),
        ]
    )


def _constants(request: UnclipRequest, gallery: bool) -> str:
    row = HELPERS[request.unclip]
    source = source_script.folder(row.source) or row.source.partition("@")[0]
    lines = [
        f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {quoted(source)}",
        'FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else ".")',
    ]
    if any(one.kind == "prior" for one in request.embeddings):
        lines.append(f"PRIOR_STEPS, PRIOR_SCALE = {request.prior_steps}, {request.prior_scale!r}")
    if request.inverted:
        lines.append(f"INVERSION_STEPS = {request.inversion_steps}")
    if gallery:
        lines.append(
            'EXAMPLES = Path("assets/pictures")  # the lab\'s, from whose embeddings lengths and directions are'
        )
    if _used(request):
        pictures = "\n".join(f"(\n{indent(packed(one), '    ')}\n)," for one in request.pictures)
        lines.append(f"PICTURES = [\n{indent(pictures, '    ')}\n]")
    return "\n".join(lines)


def _used(request: UnclipRequest) -> bool:
    """Whether something begins at the request's pictures."""
    return bool(request.inverted) or any(one.of_pictures for one in request.embeddings)


def _loading(request: UnclipRequest, texts: bool, prior: bool, words: bool) -> str:
    row = HELPERS[request.unclip]
    _, _, revision = row.source.partition("@")
    more = f", revision={quoted(revision)}" if revision and not source_script.folder(row.source) else ""
    lines = [
        "torch.set_grad_enabled(False)",
        f"pipe = StableUnCLIPImg2ImgPipeline.from_pretrained(MODEL{more})",
        "width = pipe.image_encoder.config.projection_dim",
    ]
    if texts:
        lines += [
            f'tokenizer = CLIPTokenizer.from_pretrained(MODEL, subfolder="prior_tokenizer"{more})',
            f'encoder = CLIPTextModelWithProjection.from_pretrained(MODEL, subfolder="prior_text_encoder"{more})',
        ]
    if has_context(request):
        lines += ['context = load_file(Path(MODEL, "context", "diffusion_pytorch_model.safetensors"))']
        lines += ["context = {name: values.float() for name, values in context.items()}"]
    if prior:
        lines += [
            f'prior = PriorTransformer.from_pretrained(MODEL, subfolder="prior"{more})',
            f'prior_scheduler = DDIMScheduler.from_pretrained(MODEL, subfolder="prior_scheduler"{more})',
        ]
    if words:
        where = source_script.beside(MODELS[WORDS].source, row)
        lines += [f"plain = StableDiffusionPipeline.from_pretrained({where})  # it draws from a caption alone"]
    return "\n".join(lines)


def _picture_set(request: UnclipRequest, gallery: bool) -> list[str]:
    """What reads pictures, the request's and the lab's, and embeds them."""
    own, any_pictures = _used(request), gallery or _used(request)
    parts = [(_OPENED, own), (_EMBED, any_pictures), (_GALLERY, gallery), (_POINT, own)]
    return [part for part, there in parts if there]


def _lists(request: UnclipRequest) -> str:
    """The embeddings and the lanes, a line each."""
    embeddings = "".join(f"    {_embedding(one)},\n" for one in request.embeddings)
    lanes = "".join(f"    ({_lane(request, lane)}),\n" for lane in request.lanes)
    return (
        f"embeddings = [\n{embeddings}]\n"
        f"lanes = [  # pipeline, x_T, what it is told, seed, steps, eta, guidance scale\n{lanes}]"
    )


def _embedding(one: Embedding) -> str:
    point = _point("z_of", one.weights) if one.of_pictures else ""
    return {
        "pictures": point,
        "text": f"text({quoted(one.prompt)})",
        "prior": f"drawn({quoted(one.prompt)}, seed={one.seed}, candidates={one.candidates})",
        "difference": f"difference({point}, {quoted(one.prompt)}, {quoted(one.base)}, {one.turn!r})",
        "components": f"kept({point}, {one.components})",
    }[one.kind]


def _lane(request: UnclipRequest, lane: UnclipLane) -> str:
    plain = lane.way == "words"
    unet = ", plain.unet" if plain else ""
    start = f"noise({lane.seed}{unet})"
    if any(lane.inverted):
        start = _point("x_T_of", lane.inverted)
    elif lane.mix_seed is not None and lane.mix > 0:
        start = f"slerp({start}, noise({lane.mix_seed}{unet}), {lane.mix!r})"
    told = f"words({quoted(lane.caption)})" if plain else f"row({', '.join(_told(request, lane))})"
    pipe = "plain" if plain else "pipe"
    return f"{pipe}, {start}, {told}, {lane.seed}, {lane.steps}, {lane.eta!r}, {lane.guidance_scale!r}"


def _told(request: UnclipRequest, lane: UnclipLane) -> list[str]:
    """The arguments of `row`, those that are not as it has them."""
    caption = [f"caption={quoted(lane.caption)}"] if lane.caption else []
    if lane.embedding is None:
        return caption
    one = request.embeddings[lane.embedding]
    noise = [("level", one.noise_level), ("seed", one.noise_seed)]
    return [f"embeddings[{lane.embedding}]", *caption, *(f"{name}={value}" for name, value in noise if value)]


def _point(of: str, weights: Sequence[float]) -> str:
    """A picture's own, or what lies between several."""
    some = [(f"{of}({place})", weight) for place, weight in enumerate(weights) if weight > 0]
    if len(some) == 1:
        return some[0][0]
    return f"between([{', '.join(point for point, _ in some)}], {[weight for _, weight in some]!r})"


_READ = '''
def read(pipe, caption):
    """The text encoder's last hidden states of a caption."""
    longest = pipe.tokenizer.model_max_length
    tokens = pipe.tokenizer(caption, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    return pipe.text_encoder(tokens.input_ids)[0]
'''
_NOISE = '''
def stream(seed, t):
    """The generator that belongs to (seed, timestep)."""
    digest = hashlib.blake2b(f"{seed}/{t}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))


def noise(seed, unet=pipe.unet):
    """x_T of a seed."""
    side = unet.config.sample_size
    return torch.randn(1, unet.config.out_channels, side, side, generator=torch.Generator().manual_seed(seed))
'''
_DDIM = '''
def levels(scheduler):
    """alpha-bar of a model's process, above 0 and falling."""
    table = scheduler.alphas_cumprod.double()
    table = table.maximum(2.0**-24 * (1 + 0.01 * torch.arange(len(table)).flip(0)))
    betas = 1 - table / torch.cat([torch.ones(1), table[:-1]])
    return torch.cumprod(1 - betas.float(), 0)


def grid(table, steps):
    """Timesteps in equal parts, the last one of the process first."""
    return [round(len(table) * k / steps) - 1 for k in range(steps, 0, -1)]


def split(prediction, x, a, kind):
    """x_0 and eps of what a model predicts."""
    if kind == "sample":
        return prediction, (x - a**0.5 * prediction) / (1 - a) ** 0.5
    if kind == "v_prediction":
        return a**0.5 * x - (1 - a) ** 0.5 * prediction, a**0.5 * prediction + (1 - a) ** 0.5 * x
    return (x - (1 - a) ** 0.5 * prediction) / a**0.5, prediction


def ddim(predict, scheduler, x, steps, eta=0.0, seed=0):
    """From x_T to x_0 (Song et al. 2020, equations 12 and 16)."""
    table = levels(scheduler)
    visits = grid(table, steps)
    for t, a, b in zip(visits, table[visits], [*table[visits[1:]], torch.ones(())]):
        x_0, eps = split(predict(x, t), x, a, scheduler.config.prediction_type)
        sigma = eta * ((1 - b) / (1 - a) * (1 - a / b)).clamp(min=0) ** 0.5
        x = b**0.5 * x_0 + (1 - b - sigma**2).clamp(min=0) ** 0.5 * eps
        if eta > 0:
            x = x + sigma * torch.randn(x.shape, generator=stream(seed, t))
    return x


def guided(call, told, nothing, scale):
    """Classifier-free guidance; scale 1 is the plain conditional model."""

    def predict(x, t):
        if scale == 1:
            return call(x, t, told)
        unconditional = call(x, t, nothing)
        return unconditional if scale == 0 else unconditional + scale * (call(x, t, told) - unconditional)

    return predict
'''
_PRIOR_TEXTS = '''
def said(text):
    """The CLIP's embedding of a text, its hidden states, and which tokens are the text's."""
    longest = tokenizer.model_max_length
    tokens = tokenizer(text, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    output = encoder(tokens.input_ids)
    return output.text_embeds, output.last_hidden_state, tokens.attention_mask.bool()


def unit(z):
    return torch.nn.functional.normalize(z, dim=-1)
'''
_PRIOR = '''
def call_prior(x, t, told):
    return prior(x, torch.tensor([t]), *told).predicted_image_embedding


def drawn(prompt, seed, candidates):
    """What the prior draws for a prompt: of some candidates the one nearest to the prompt's own embedding (section 2.2)."""
    told, found = said(prompt), []
    for k in range(candidates):
        x = torch.randn(1, width, generator=torch.Generator().manual_seed(seed + k))
        predict = guided(call_prior, told, said(""), PRIOR_SCALE)
        found.append(prior.post_process_latents(ddim(predict, prior_scheduler, x, PRIOR_STEPS))[0])
    return max(found, key=lambda z: float(unit(z) @ unit(told[0][0])))
'''
_ARCS = '''
def slerp(a, b, t):
    """Along the arc from a to b."""
    cosine = torch.dot(a.flatten().double(), b.flatten().double()) / (a.double().norm() * b.double().norm())
    angle = math.acos(float(cosine.clamp(-1, 1)))
    if math.sin(angle) < 1e-4:
        return (1 - t) * a + t * b
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)
'''
_OPENED = """
def opened(text):
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


pictures = [opened(text) for text in PICTURES]
"""
_EMBED = '''
def embed(images):
    """The CLIP's embeddings of pictures, (n, width)."""
    return pipe.image_encoder(pipe.feature_extractor(images=images, return_tensors="pt").pixel_values).image_embeds
'''
_GALLERY = """
with (EXAMPLES / "index.csv").open(encoding="utf-8", newline="") as file:
    rows = [row for row in csv.DictReader(file) if row["style"] in ("3D", "flat")]
rows = rows if pipe.image_encoder.config.image_size <= 64 else rows[::8]
sheets = {name: Image.open(EXAMPLES / name).convert("RGB") for name in {row["sheet"] for row in rows}}
places = [(64 * (int(row["cell"]) % 32), 64 * (int(row["cell"]) // 32)) for row in rows]
cells = [sheets[row["sheet"]].crop((x, y, x + 64, y + 64)) for row, (x, y) in zip(rows, places)]
known = torch.cat([embed(cells[start : start + 64]) for start in range(0, len(cells), 64)])
"""
_POINT = '''
@cache
def z_of(place):
    """The embedding of a picture."""
    return embed([pictures[place]])[0]
'''
_BETWEEN = '''
def between(points, weights):
    """The weighted mean of points on the sphere (Buss & Fillmore 2001, algorithm A1), at the mean of their lengths."""
    shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    vectors = torch.stack([point.flatten().double() for point in points])
    directions = torch.nn.functional.normalize(vectors, dim=-1)
    mean = torch.nn.functional.normalize(shares @ directions, dim=-1)
    for _ in range(50):
        cosines = directions @ mean
        along = torch.nn.functional.normalize(directions - cosines[:, None] * mean, dim=-1)
        turn = shares @ (cosines.clamp(-1, 1).acos()[:, None] * along)
        if float(turn.norm()) < 1e-9:
            break
        step = torch.nn.functional.normalize(turn, dim=-1)
        mean = torch.nn.functional.normalize(turn.norm().cos() * mean + turn.norm().sin() * step, dim=-1)
    return (shares @ vectors.norm(dim=1) * mean).float().reshape(points[0].shape)
'''
_DIFFERENCE = '''
def difference(z, prompt, base, t):
    """An embedding turned towards what one text says and another does not (section 3.3)."""
    direction = unit(unit(said(prompt)[0][0]) - unit(said(base)[0][0]))
    return z.norm() * unit(slerp(unit(z), direction, t)) if direction.any() else z
'''
_TEXT = '''
def text(prompt):
    """A text's embedding in the place of a picture's, at the length that pictures have."""
    return unit(said(prompt)[0][0]) * known.norm(dim=-1).mean()
'''
_COMPONENTS = '''
mean = known.mean(0)
directions = torch.linalg.svd(known - mean, full_matrices=False).Vh


def kept(z, count):
    """What the first principal components keep of an embedding (figure 7)."""
    return mean + (z - mean) @ directions[:count].T @ directions[:count]
'''
_ROW = '''
def row(z=None, caption="", level=0, seed=0):
    """What the decoder is told: an embedding, under noise, or zeros for none; and a caption."""
    labels = torch.zeros(1, 2 * width)
    if z is not None:
        labels = pipe.noise_image_embeddings(z[None], level, torch.randn(1, width, generator=stream(seed, level)))
    return {"encoder_hidden_states": read(pipe, caption), "class_labels": labels}
'''
_TOKENS = '''
def tokens(labels):
    """An embedding as tokens of context, which stand behind the prompt's (section 2.1)."""
    x = labels @ context["layers.0.weight"].T + context["layers.0.bias"]
    for k in (2, 4):
        x = torch.nn.functional.gelu(x) @ context[f"layers.{k}.weight"].T + context[f"layers.{k}.bias"]
    return x.unflatten(1, (-1, pipe.unet.config.cross_attention_dim))
'''
_WORDS = """
def words(caption=""):
    return {"encoder_hidden_states": read(plain, caption)}
"""
_INVERTED = '''
@cache
def x_T_of(place):
    """The x_T that draws a picture, told its embedding: DDIM run upwards (section 4.3 of its paper)."""
    side, table, told = noise(0).shape[-1] * pipe.vae_scale_factor, levels(pipe.scheduler), row(z_of(place))
    pixels = torch.from_numpy(np.array(pictures[place])).permute(2, 0, 1)[None] / 127.5 - 1
    if pixels.shape[2:] != (side, side):
        pixels = torch.nn.functional.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
    x = pipe.vae.encode(pixels.clamp(-1, 1)).latent_dist.mean * pipe.vae.config.scaling_factor
    visits = grid(table, INVERSION_STEPS)[::-1]
    x = table[visits[0]] ** 0.5 * x + (1 - table[visits[0]]) ** 0.5 * noise(0)
    for t, above in zip(visits, visits[1:]):
        prediction = pipe.unet(x, t, **told).sample
        x_0, eps = split(prediction, x, table[t], pipe.scheduler.config.prediction_type)
        x = table[above] ** 0.5 * x_0 + (1 - table[above]) ** 0.5 * eps
    return x
'''
_LOOP = """
for number, (model, x_T, told, seed, steps, eta, scale) in enumerate(lanes):
    nothing = NOTHING
    predict = guided(lambda x, t, told, unet=model.unet: unet(x, t, **told).sample, told, nothing, scale)
    latents = ddim(predict, model.scheduler, x_T, steps, eta, seed)
    picture = model.vae.decode(latents / model.vae.config.scaling_factor).sample[0]
    picture = ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
    Image.fromarray(picture.numpy()).save(FOLDER / f"unclip-{number:03}.png")
    print(number)
"""
