# SPDX-License-Identifier: Apache-2.0
"""A command line whose help and refusals are in the language of the person.

click says its own words through gettext, which knows no catalogue of ours. So what it has to say
is taken apart here and said by `tr`: help by the names of the parameters, refusals by their class.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from yuren_core.i18n import LANGUAGES, language_of, tr, use_language
from yuren_core.sampling_params import SamplingAdvice
from yuren_tui.diagnostics import tell, tell_error

_ADVISED = SamplingAdvice.__dataclass_fields__
"""Options whose value a preset or the model's makers say before the default holds."""


class SpokenCommand(click.Command):
    """Its help stands in the catalogue, under `cli_help` and a parameter's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        use_language(_language_in(args))
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = [tr("cli_help.options_place"), *self.collect_usage_pieces(ctx)[1:]]
        formatter.write_usage(ctx.command_path, " ".join(pieces), tr("cli_help.usage"))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(tr("cli_help.about"))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(tr("cli_help.options")):
            formatter.write_dl([_record(param, ctx) for param in self.get_params(ctx)[1:]])


def tell_refusal(error: click.ClickException) -> None:
    """Say on stderr what click refuses, how the command is used, and where to read on."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        tell(error.ctx.get_usage())
        tell(f"{tr('cli_help.try', command=error.ctx.command_path)}\n")
    tell_error(_said(error))


def _record(param: click.Parameter, ctx: click.Context) -> tuple[str, str]:
    names, extra = param.get_help_record(ctx) or ("", "")
    if param.is_eager:  # --version and --help, which click has words of its own for
        return names, tr(f"cli_help.{param.opts[-1].removeprefix('--')}")
    words = tr(f"cli_help.{param.name}")
    default = tr("cli_help.advised" if param.name in _ADVISED else "cli_help.default")
    return names, f"{words}  {extra.replace('[default: ', default)}".rstrip()


def _said(error: click.ClickException) -> str:
    match error:
        case click.NoSuchOption():
            near = ", ".join(error.possibilities or ())
            more = tr("cli_help.perhaps", names=near) if near else ""
            return tr("cli_help.no_such_option", name=error.option_name) + more
        case click.BadOptionUsage():
            needs = "requires" in error.message
            key = "needs_value" if needs else "takes_no_value"
            return tr(f"cli_help.{key}", name=error.option_name)
        case click.BadParameter(param=click.Parameter() as param):
            value, name = error.message.partition(" is not ")[0], param.opts[0]
            if isinstance(param.type, click.Choice):
                choices = ", ".join(map(repr, param.type.choices))
                return tr("cli_help.not_one_of", value=value, name=name, choices=choices)
            kind = "not_integer" if param.type is click.INT else "not_number"
            return tr(f"cli_help.{kind}", value=value, name=name)
        case _:
            return error.format_message()


def _language_in(args: Sequence[str]) -> str:
    """The language that is asked for, before anything is refused; "auto" where none is."""
    asked = "auto"
    for place, argument in enumerate(args):
        if argument == "--":
            break
        if argument.startswith("--lang="):
            asked = argument.removeprefix("--lang=")
        elif argument == "--lang" and place + 1 < len(args):
            asked = args[place + 1]
    asked = language_of(asked)
    return asked if asked in LANGUAGES else "auto"
