"""The command line of training: `python -m lab.training data | RECIPE | all | evaluate | blind | curves`."""

import argparse
import json
import math
import os
from dataclasses import fields, replace
from functools import lru_cache, partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve the other processes

import torch

from lab.catalog import MODELS
from lab.fidelity_curves import FILE as CURVES
from lab.training import blind, curves, data, unclip
from lab.training.cards import write_card
from lab.training.corpus import SHIPPED, load_corpus
from lab.training.evaluate import MEASURES
from lab.training.evaluate import evaluate as evaluate_models
from lab.training.export import export
from lab.training.queue import Queue
from lab.training.recipes import RECIPES, folder_of
from lab.training.recipes.latents import LatentOptions
from lab.training.scene import Scene
from lab.training.train import CHECKPOINT, Budget, Models, Options, Trainer, run
from lab.unclip_curves import FILE as UNCLIP_CURVES

ASSETS = Path("assets/models")


def main(command_line: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    data.add_arguments(commands.add_parser("data", help="build the picture set"))
    for name, row in RECIPES.items():
        add_recipe_arguments(commands.add_parser(name, help=row.recipe.__doc__))
    add_queue_arguments(commands.add_parser("all", help="train every model again, in order; resumes where it stopped"))
    add_evaluate_arguments(commands.add_parser("evaluate", help="measure the models and write their cards"))
    add_blind_arguments(commands.add_parser("blind", help="pictures without captions, for a person to name"))
    add_curves_arguments(
        commands.add_parser("curves", help="measure guidance over its scale; resumes where it stopped")
    )
    arguments = parser.parse_args(command_line)
    if arguments.command == "data":
        data.main(arguments)
    elif arguments.command == "evaluate":
        evaluate(arguments)
    elif arguments.command == "blind":
        blind.write(scene_of(arguments), arguments.out, arguments.scale, arguments.seed)
    elif arguments.command == "curves":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
        plan = curves.Plan(arguments.pictures, arguments.steps, arguments.seed)
        curves.measure_all(plan, arguments.out, arguments.device)
    elif arguments.command == "all":
        train_all(arguments)
    elif arguments.export:
        export(arguments.runs / arguments.command / "model", ASSETS / folder_of(arguments.command))
    else:
        train(arguments)


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: wider, longer, in bfloat16")
    parser.add_argument("--minutes", type=float, help="how long this sitting lasts (default 30)")
    parser.add_argument("--steps", type=int, help="how many steps this sitting lasts; goes before --minutes")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint; with --minutes or --steps, for that much more"
    )
    parser.add_argument("--size", type=int, help="side of the pictures in pixels")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument(
        "--channels", type=lambda text: tuple(map(int, text.split(","))), help="widths by level: 64,96,128"
    )
    parser.add_argument("--seed", type=int)
    parser.add_argument("--styles", type=names, help="of the drawings that latent diffusion learns: 3D,flat")
    parser.add_argument("--people", type=int, help="how many generated people join the drawings")
    parser.add_argument(
        "--start", help="a UNet to begin from (pixel, text-to-image; classifier, noised-clip: one of pixel)"
    )
    parser.add_argument("--data", type=Path, default=SHIPPED, help="picture folder (default: the one shipped)")
    parser.add_argument("--runs", type=Path, default=Path(".runs"), help="where checkpoints, logs and sheets are kept")
    parser.add_argument("--export", action="store_true", help="only copy the trained model to assets/models")


def add_queue_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", type=float, default=math.inf, help="stop after so long; the next call goes on")
    parser.add_argument(
        "--device", default="cpu", help="cpu, or cuda: wider batches, one round of eight minutes a call"
    )
    parser.add_argument("--only", nargs="*", choices=list(RECIPES), help="these models (default: all)")
    parser.add_argument("--data", type=Path, default=SHIPPED, help="picture folder (default: the one shipped)")
    parser.add_argument("--runs", type=Path, default=Path(".runs"), help="where checkpoints, logs and exports are kept")


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", nargs="*", choices=list(MEASURES), help="these models (default: all that are trained)"
    )
    add_scene_arguments(parser)


def add_blind_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path(".runs/blind"), help="where sheets and key go")
    parser.add_argument("--scale", type=float, default=MODELS["text-to-image"].guidance_scale, help="guidance scale")
    parser.add_argument("--seed", type=int, default=0, help="of captions and noise")
    add_scene_arguments(parser, prompts=100)


def add_curves_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=int, default=curves.Plan.n, help="of each point")
    parser.add_argument("--steps", type=int, default=curves.Plan.steps, help="of DDIM")
    parser.add_argument("--seed", type=int, default=0, help="of the first picture; the others' follow it")
    parser.add_argument("--device", default="cpu", help="where pictures are generated")
    parser.add_argument("--out", type=Path, default=CURVES, help="the file, which is gone on with where it is there")


def add_scene_arguments(parser: argparse.ArgumentParser, prompts: int = 200) -> None:
    parser.add_argument("--device", default="cpu", help="where pictures are generated")
    parser.add_argument("--prompts", type=int, default=prompts, help="how many prompts to draw")
    parser.add_argument("--size", type=int, default=Options.size, help="side of the pictures, as in training")
    parser.add_argument("--people", type=int, default=Options.people, help="as in training; the last are held out")
    parser.add_argument("--data", type=Path, default=SHIPPED, help="picture folder, as in training")
    parser.add_argument("--styles", type=names, default=LatentOptions.styles, help="of the drawings, as in training")
    parser.add_argument("--runs", type=Path, default=Path(".runs"))


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def train(arguments: argparse.Namespace) -> None:
    """Build the recipe, resume if asked, and run it."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    row, device = RECIPES[arguments.command], torch.device(arguments.device)
    folder = arguments.runs / arguments.command
    state = torch.load(folder / CHECKPOINT, map_location=device) if arguments.resume else None
    changed = {f.name: value for f in fields(row.options) if (value := getattr(arguments, f.name, None)) is not None}
    if state:
        options = type(row.options)(**state["options"] | changed)
    else:
        options = replace(row.options, **(row.on_gpu if device.type == "cuda" else {}) | changed)
    corpus = load_corpus(arguments.data, options.size, options.people)
    recipe = row.recipe(options, corpus, device, find_models(arguments.runs))
    longer = arguments.minutes is not None or arguments.steps is not None
    trainer = Trainer(recipe, Budget(arguments.minutes or 30.0, arguments.steps))
    if state:
        trainer.load(state, continues=not longer)
    run(trainer, folder)


def train_all(arguments: argparse.Namespace) -> None:
    """Run the queue; its exit status is 1 where something is left to do."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    load = lru_cache(1)(partial(load_corpus, arguments.data))
    queue = Queue(arguments.runs, find_models(arguments.runs), load, torch.device(arguments.device))
    if not queue.run(arguments.only or list(RECIPES), arguments.hours):
        raise SystemExit(1)


def find_models(runs: Path) -> Models:
    """Where a model lies: its newest run, else what the lab ships."""

    def find(name: str) -> Path:
        trained = runs / name / "model"
        return trained if trained.exists() else ASSETS / folder_of(name)

    return find


def evaluate(arguments: argparse.Namespace) -> None:
    """Print the figures as one JSON document; write them into the cards: a shipped model's, else one in its run."""
    results = evaluate_models(scene_of(arguments), arguments.only)
    print(json.dumps(results, indent=1))
    for name, figures in results.items():
        shipped = ASSETS / name
        if name == unclip.NAME:
            unclip.write_curves(
                figures, UNCLIP_CURVES if shipped.exists() else arguments.runs / name / UNCLIP_CURVES.name
            )
        write_card(name, figures, arguments.runs, shipped if shipped.exists() else arguments.runs / name)


def scene_of(arguments: argparse.Namespace) -> Scene:
    """What figures and sheets are taken from, as the command line has it."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    corpus = load_corpus(arguments.data, arguments.size, arguments.people)
    models = find_models(arguments.runs)
    return Scene(corpus, models, arguments.prompts, torch.device(arguments.device), arguments.styles)


if __name__ == "__main__":
    main()
