# SPDX-License-Identifier: Apache-2.0
"""Make the starter's eyes from nothing, or go on where it was left; measure them.

    python -m yuren_train.recipes.starter [--work DIR] [--out assets/starter]
    python -m yuren_train.recipes.starter --evaluate [--style openmoji|fluent]

Each step leaves its result in the work directory and is not done again. Stages 2 and 3 are the
product's own commands.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from yuren_core.errors import YurenError
from yuren_core.model.checkpoint import VISION_TOWER_DIR
from yuren_core.model.eyes import ADAPTER_DIR
from yuren_core.model.loading import load_model
from yuren_core.model.vision_tower import VisionTower
from yuren_core.paths import atomic_directory, cache_dir
from yuren_core.shipped import assets_dir
from yuren_core.starter import STARTER_NAME, install_language_model, starter_dir
from yuren_train.recipes.starter import art
from yuren_train.recipes.starter.lessons import write_lessons
from yuren_train.recipes.starter.projector import fit_projector, put_projector, word_vectors
from yuren_train.recipes.starter.rehearsal import write_rehearsal
from yuren_train.recipes.starter.scores import WANTED, Asked, examine, perplexity, summary
from yuren_train.recipes.starter.tower import recognised, save_tower
from yuren_train.recipes.starter.tower_training import TowerTraining, train_tower
from yuren_train.recipes.starter.values import keep_to

_SYSTEMS = (
    "You are a helpful AI assistant named SmolLM2-135M-Instruct. Today is Monday, 2026-11-16.",
    "You are a helpful assistant.",
    "You describe pictures.",
)
# The projector's start is good (55 % of the middle cells can be read): larger rates spoil it.
STAGE2 = ("--lr=2e-6", "--epochs=1", "--order=packed", "--batch-size=1", "--max-length=512",
          "--nproc=2", "--save-interval=100")  # fmt: skip
STAGE3 = ("--lora", "--lora-rank=16", "--lora-alpha=32", "--lr=2e-4", "--projector-lr=1e-6",
          "--epochs=1", "--max-steps=420", "--order=packed", "--batch-size=1",
          "--max-length=512", "--nproc=2",
          "--save-interval=70", "--on-spike=warn")  # fmt: skip
_TEXT_EPOCHS = 3
_REHEARSED = 512  # rows of text, each of which is learned a few times


@click.command()
@click.option("--work", type=click.Path(path_type=Path), help="Keeps what is half done.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the eyes are to lie.")
@click.option("--tower-steps", default=TowerTraining().steps, show_default=True)
@click.option("--pictures", default=(1000, 22000), nargs=2, show_default=True,
              help="Of stage 2 and of stage 3.")  # fmt: skip
@click.option("--seed", default=0, show_default=True)
@click.option("--evaluate", is_flag=True, help="Only measure what is installed.")
@click.option("--model", type=click.Path(path_type=Path), help="What is measured.")
@click.option("--text", type=click.Path(path_type=Path), help="Rows to measure perplexity on.")
@click.option("--style", type=click.Choice(["openmoji", "fluent"]), default="openmoji")
def main(
    work: Path | None,
    out: Path | None,
    tower_steps: int,
    pictures: tuple[int, int],
    seed: int,
    evaluate: bool,
    model: Path | None,
    text: Path | None,
    style: str,
) -> None:
    """Make or measure the starter model's eyes."""
    work = work or cache_dir() / "starter-recipe"
    try:
        if evaluate:
            report(model or starter_dir(), style, work)
            if text is not None:
                blind = _once(work / "language-model", install_language_model)
                for it in (model or starter_dir(), blind):
                    click.echo(f"perplexity {perplexity(load_model(str(it)), text):.3f}  {it}")
        else:
            make(work, out or assets_dir() / "starter", tower_steps, pictures, seed)
    except YurenError as error:
        click.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from error


def make(work: Path, out: Path, tower_steps: int, pictures: tuple[int, int], seed: int) -> None:
    """All steps, in order."""
    keep_to(
        work / "recipe.json",
        {"tower_steps": tower_steps, "pictures": list(pictures), "seed": seed},
    )
    torch.manual_seed(seed)
    learned = [s for style in art.LEARNED for s in art.sprites(style, work / "art")]
    text = _once(work / "language-model", install_language_model)
    tokenizer = AutoTokenizer.from_pretrained(text)
    table = load_file(text / "model.safetensors")["model.embed_tokens.weight"]

    def tower(target: Path) -> None:
        unseen = art.sprites(art.DEVELOPED_ON, work / "art")
        learner = train_tower(
            learned,
            directions(tokenizer, table),
            TowerTraining(steps=tower_steps, seed=seed),
            work,
            measure=lambda it: recognised(it, unseen),
            tell=click.echo,
        )
        save_tower(learner, target)

    eye = _once(work / "tower", tower)

    def base(target: Path) -> None:
        plain = target.with_suffix(".plain")
        shutil.rmtree(plain, ignore_errors=True)
        yuren_train("prepare-base", f"--model={text}", f"--vision-tower={eye}",
                    "--vision-layer=-1", f"--out={plain}")  # fmt: skip
        weight, bias = fit_projector(
            VisionTower.from_directory(eye, -1), learned, tokenizer, table, seed=seed
        )
        put_projector(plain, weight, bias)
        plain.rename(target)

    start = _once(work / "base", base)
    lessons = [
        _once(
            work / f"lessons{stage}.jsonl",
            lambda target, stage=stage, count=count: write_lessons(  # type: ignore[misc]
                learned, work, target.stem, pictures=count, seed=seed + stage, systems=_SYSTEMS
            ),
        )
        for stage, count in ((2, pictures[0]), (3, pictures[1]))
    ]
    features = f"--cache-features={work / 'features'}"
    yuren_train("stage2", f"--model={start}", f"--data={lessons[0]}", f"--out={work / 'stage2'}",
                features, f"--seed={seed}", *STAGE2)  # fmt: skip
    rehearsal = _once(
        work / "rehearsal.jsonl",
        lambda target: write_rehearsal(
            text, target, rows=_REHEARSED, seed=seed, systems=_SYSTEMS, tell=click.echo
        ),
    )
    yuren_train("stage3", f"--model={work / 'stage2'}", f"--data={lessons[1]}",
                f"--data={rehearsal}:{_TEXT_EPOCHS}", f"--out={work / 'stage3'}", features,
                f"--seed={seed}", *STAGE3)  # fmt: skip
    publish(work, out)


def directions(tokenizer: PreTrainedTokenizerBase, table: Tensor) -> Tensor:
    """(K, D): where the names lie among words, centred, of length 1."""
    vectors = word_vectors([concept.name for concept in art.concepts()], tokenizer, table)
    return functional.normalize(vectors - vectors.mean(0), dim=-1)


def publish(work: Path, out: Path) -> None:
    """Copy what must be kept into `out`, in bf16."""
    for name in (ADAPTER_DIR, VISION_TOWER_DIR):
        source = work / ("stage3" if name == ADAPTER_DIR else "tower")
        with atomic_directory(out / name) as draft:
            for file in source.glob("*"):
                if file.suffix == ".safetensors":
                    tensors = {k: v.to(torch.bfloat16) for k, v in load_file(file).items()}
                    (draft / file.name).write_bytes(save(tensors, metadata={"format": "pt"}))
                elif file.name == "open_clip_config.json":
                    shutil.copy(file, draft)
                elif file.name == "adapter_config.json":  # not with a path of this machine
                    values = json.loads(file.read_text(encoding="utf-8"))
                    values["base_model_name_or_path"] = STARTER_NAME
                    text = json.dumps(values, indent=2, sort_keys=True)
                    (draft / file.name).write_text(text + "\n", encoding="utf-8")


def report(model: Path, style_name: str, work: Path) -> dict[str, float]:
    """Print what the model gets right in a style that it has not learned from."""
    style = {"openmoji": art.DEVELOPED_ON, "fluent": art.MEASURED_ON}[style_name]
    loaded = load_model(str(model))
    with click.progressbar(length=1, file=sys.stderr, label=style_name) as bar:
        asked = examine(
            loaded,
            art.sprites(style, work / "art"),
            tell=lambda done, total: _move(bar, done, total),
        )
    scores = summary(asked)
    for subject, score in scores.items():
        wanted = f"  wanted {WANTED[subject]:.0%}" if subject in WANTED else ""
        click.echo(f"{subject:14} {score:6.1%}{wanted}")
    _show(asked)
    click.echo(json.dumps({"style": style_name, "scores": scores}))
    return scores


def _move(bar: object, done: int, total: int) -> None:
    bar.length = total  # type: ignore[attr-defined]
    bar.update(done - bar.pos)  # type: ignore[attr-defined]


def _show(asked: Sequence[Asked]) -> None:
    """A few questions of each subject with their answers, the first that were asked."""
    shown: dict[str, int] = {}
    for item in asked:
        subject = item.question.subject
        shown[subject] = shown.get(subject, 0) + 1
        if shown[subject] <= 4:
            click.echo(f"  {item.question.text}  [{item.question.answer}]  {item.answer}")


def _once(target: Path, make_it: Callable[[Path], object]) -> Path:
    """What is there already is not made again."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        make_it(target)
    return target


def yuren_train(*arguments: str) -> None:
    """Run the product's own command, and stop with it."""
    click.echo(f"yuren-train {' '.join(arguments)}")
    done = subprocess.run([sys.executable, "-m", "yuren_train", *arguments], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
