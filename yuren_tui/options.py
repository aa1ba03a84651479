# SPDX-License-Identifier: Apache-2.0
"""What `yuren-chat` can be told: the command line, parsed into one frozen value.

Parsing starts nothing and loads nothing, so that `--help` is there at once. A value that cannot
be is refused here, before a model loads. `YUREN_WORKER`, for tests and work on front ends, names
another command than the worker's as the model process, split as a shell would.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args

import click

from yuren_core import __version__
from yuren_core.i18n import LANGUAGES, use_language
from yuren_core.protocol import Device, LoadMode
from yuren_core.sampling_params import SamplingParams

_DEFAULT = SamplingParams()
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """One call of `yuren-chat`. `model` is None for the starter; `theme` for the chat's own."""

    prompt: str
    model: str | None
    load: LoadMode
    device: Device
    images: tuple[str, ...]
    system: str
    sampling: SamplingParams
    is_plain: bool
    is_json: bool
    theme: str | None
    installs_starter: bool


def parse(arguments: Sequence[str] | None = None) -> ChatOptions | int:
    """Read a command line, and speak its language from now on.

    Args:
        arguments: without the program's name; the process's own by default.

    Returns:
        The options; or an exit code where `--help` or `--version` has said all there is.

    Raises:
        click.ClickException: an unknown option or value.
        UsageError: a sampling parameter out of its range.
    """
    parsed = _command.main(arguments, prog_name="yuren-chat", standalone_mode=False)
    return cast("ChatOptions | int", parsed)


def worker_command() -> tuple[str, ...] | None:
    """The model process that `YUREN_WORKER` asks for; None for the usual one."""
    return tuple(shlex.split(os.environ.get("YUREN_WORKER", ""))) or None


def _sampling_options(command: _Command) -> _Command:
    options: Sequence[tuple[str, type, str]] = (
        ("temperature", float, "0 always takes the likeliest token; 2 at most."),
        ("top-p", float, "Keep the likeliest tokens that make up this share; 1 is off."),
        ("top-k", int, "Keep this many tokens; 0 is off."),
        ("min-p", float, "Drop tokens below this share of the likeliest; 0 is off."),
        ("repetition-penalty", float, "Make tokens that were there less likely; 1 is off."),
        ("seed", int, "Same seed and prompt, same answer."),
        ("max-new-tokens", int, "The longest answer, in tokens."),
    )
    for name, kind, text in reversed(options):
        default = getattr(_DEFAULT, name.replace("-", "_"))
        command = click.option(f"--{name}", type=kind, default=default, help=text)(command)
    return command


@click.command(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 96,
        "show_default": True,
    }
)
@click.argument("prompt", nargs=-1)
@click.option("--model", metavar="DIR|HUB_ID", help="Model directory or hub id; else the starter.")
@click.option("--load", type=click.Choice(get_args(LoadMode)), default="auto", help="Precision.")
@click.option("--device", type=click.Choice(get_args(Device)), default="auto", help="Processor.")
@click.option("--image", "images", metavar="PATH", multiple=True, help="A picture; repeatable.")
@click.option("--system", metavar="TEXT", default="", help="What the model is told first.")
@_sampling_options
@click.option("--stop", metavar="TEXT", multiple=True, help="End before this text; repeatable.")
@click.option("--plain", "is_plain", is_flag=True, help="No screen: answers as plain lines.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object per answer; is plain.")
@click.option("--lang", type=click.Choice(("auto", *LANGUAGES)), default="auto", help="Language.")
@click.option("--theme", metavar="NAME", help="Colours of the chat.")
@click.option("--install-starter", "installs_starter", is_flag=True, help="Install the starter.")
@click.version_option(__version__, message="%(prog)s %(version)s")
def _command(
    prompt: tuple[str, ...],
    model: str | None,
    load: LoadMode,
    device: Device,
    images: tuple[str, ...],
    system: str,
    stop: tuple[str, ...],
    is_plain: bool,
    is_json: bool,
    lang: str,
    theme: str | None,
    installs_starter: bool,
    **sampling: Any,
) -> ChatOptions:
    """Talk to a multimodal LLaMA in the terminal.

    With --plain or --json, on a dumb terminal, and where stdin or stdout is no terminal, PROMPT
    and what is piped in are answered on stdout; with neither, it is a conversation in lines.
    """
    use_language(lang)
    return ChatOptions(
        prompt=_as_text(" ".join(prompt)),
        model=model,
        load=load,
        device=device,
        images=images,
        system=_as_text(system),
        sampling=SamplingParams(stop=tuple(_as_text(text) for text in stop), **sampling),
        is_plain=is_plain or is_json,
        is_json=is_json,
        theme=theme,
        installs_starter=installs_starter,
    )


def _as_text(argument: str) -> str:
    """An argument whose bytes were no UTF-8, with U+FFFD for what cannot be read."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
