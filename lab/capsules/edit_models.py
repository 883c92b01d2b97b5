"""What the script of an edit has of its model: how that is read, what it predicts, and how a picture becomes its x_0.

All three families have one face there: `predict(x_t, t, row)`, where a row is what the prediction is conditioned on.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lab.capsules import exact_script, latent_script, pixel_script, rule_script, source_script
from lab.catalog import EDITS, HELPERS, MODELS, Helper, Model
from lab.requests.edit import filler
from lab.requests.fields import Condition, Forward

CONSTANTS = {"conditional": "PROMPT", "unconditional": "NEGATIVE", "second": "SECOND", "source": "SOURCE"}  # of rows
FROM_X_0 = ("sdedit", "replace", "blend", "repaint", "nine", "inverted")  # methods that need the picture's x_0


class Drawer(NamedTuple):
    """A model in a script."""

    classes: tuple[str, ...]  # of diffusers
    packages: str
    constants: list[str]  # its folder, and the words of its rows
    loading: str  # down to its rows
    predict: str
    table: str  # an expression for alpha-bar
    predicts: str  # and one for what it predicts; "" for eps
    x_0: str  # lines from `pixels` and `hole`, at the side of pictures, to x_0 and a hole of its size; "" where nothing asks for it
    shape: str  # an expression for that of x_0, where there is no picture
    decoding: str  # from x to `picture`, (3, side, side) in [-1, 1]


def drawer(model: Model, rows: Mapping[str, Condition], forward: Forward, method: str) -> Drawer:
    """A model as a method needs it, with its rows by name. Raises LabError where the lab has no picture of what was asked for."""
    if model.family == "pixel":
        return _pixel(model, rows, method)
    if model.family == "exact":
        return _exact(model, rows, forward, method)
    return _latent(model, rows, method)


def network_of(model: Model, method: str) -> Model | Helper:
    """The row of what draws with a method: a latent diffusion model has a network for holes."""
    return HELPERS.get(filler(model)) or MODELS[filler(model)] if method == "nine" else model


def _latent(model: Model, rows: Mapping[str, Condition], method: str) -> Drawer:
    fills = method == "nine"
    network = network_of(model, method)
    pipeline = "StableDiffusionInpaintPipeline" if fills else "StableDiffusionPipeline"
    words = [
        f"{CONSTANTS[name]} = {source_script.quoted(latent_script.words(model, condition))}"
        for name, condition in rows.items()
    ]
    return Drawer(
        classes=(pipeline,),
        packages="numpy torch diffusers transformers pillow",
        constants=[_folder(source_script.folder(network.source) or network.source.partition("@")[0]), *words],
        loading="\n".join(
            [
                latent_script.loading(network, pipeline),
                latent_script.READ,
                *(f"{name} = read({CONSTANTS[name]})" for name in rows),
                *([latent_script.TELLING] if model.consistency else []),
            ]
        ),
        predict=_UNET.format(
            seen="torch.cat([x_t, hole, around], dim=1)" if fills else "x_t",
            told=", timestep_cond=scale" if model.consistency else "",
            words=", with the mask and what lies around it" if fills else "",
        ),
        table="pipe.scheduler.alphas_cumprod",
        predicts="pipe.scheduler.config.prediction_type",
        x_0=_latent_x_0(method),
        shape=latent_script.SHAPE,
        decoding="picture = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample[0]\n",
    )


def _latent_x_0(method: str) -> str:
    """A latent is encoded by its mean, and the hole is what the nearest pixel of each place is."""
    encoded = "pipe.vae.encode({0}).latent_dist.mean * pipe.vae.config.scaling_factor"
    lines = [f"x_0 = {encoded.format('pixels')}"] if method in FROM_X_0 else []
    if method == "nine":
        lines += [f"around = {encoded.format('pixels * (1 - hole)')}  # the hole in grey"]
    if lines and EDITS[method].mask:
        lines += ["hole = torch.nn.functional.interpolate(hole, x_0.shape[2:])"]
    return "\n".join(lines)


def _pixel(model: Model, rows: Mapping[str, Condition], method: str) -> Drawer:
    classed = "group" in model.conditions
    labels = [
        f"{name} = torch.tensor([{number}])"
        for name, condition in rows.items()
        for number in [f'classes.index("{condition.group}")' if condition.group else "len(classes) - 1"]
    ]
    return Drawer(
        classes=("DDPMScheduler", "UNet2DModel"),
        packages="numpy torch diffusers pillow",
        constants=[_folder(source_script.folder(model.source) or model.source)],
        loading="\n".join(
            [pixel_script.LOADING, *([pixel_script.CLASSES, *labels] if classed else [f"{' = '.join(rows)} = None"])]
        ),
        predict=f"{rule_script.X_0_OF_PREDICTION}{_CLIPPED}",
        table="chain.alphas_cumprod",
        predicts="chain.config.prediction_type",
        x_0="x_0 = pixels" if method in FROM_X_0 else "",
        shape=f"(1, 3, {model.size}, {model.size})",
        decoding="picture = x[0]\n",
    )


def _exact(model: Model, rows: Mapping[str, Condition], forward: Forward, method: str) -> Drawer:
    return Drawer(
        classes=("DDPMScheduler",),
        packages="numpy torch diffusers pillow",
        constants=['FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "assets/pictures")'],
        loading="\n".join(
            [
                exact_script.pictures(model),
                *(f"{name} = {exact_script.chosen(condition)}" for name, condition in rows.items()),
                "",
                exact_script.table(forward),
            ]
        ),
        predict=exact_script.posterior_mean(model.size),
        table="alpha_bar",
        predicts="",
        x_0="x_0 = pixels" if method in FROM_X_0 else "",
        shape=f"(1, 3, {model.size}, {model.size})",
        decoding="picture = x[0]\n",
    )


def _folder(source: str) -> str:
    return f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {source_script.quoted(source)}"


_UNET = '''

def predict(x_t, t, row):
    """What the UNet predicts of x_t under a prompt{words}."""
    return pipe.unet({seen}, t, row{told}).sample


'''
_CLIPPED = '''
def predict(x_t, t, row):
    """What the network predicts of x_t for a class, with x_0 in the range of pixels."""
    a = level(t)
    x_0 = x_0_of(unet(x_t, t, row).sample[:, :3], x_t, a)
    return prediction_of(x_0.clamp(-limit_x_0, limit_x_0), x_t, a)


'''
