# SPDX-License-Identifier: Apache-2.0
"""What `yuren-train check` prints: a page for people, an object for programs.

Text out of data files is shown with markup off and control characters made visible, so that no
row can move the cursor of a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from yuren_core.chatml import IMG_PATCH
from yuren_core.i18n import tr
from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.data.check import FAULTS_KEPT, CheckResult
from yuren_train.data.encoding import EncoderSpec
from yuren_train.data.faults import Fault, Place
from yuren_train.data.schema import Row
from yuren_train.data.truncation import Fitted

_FAULTS_SHOWN = 50
_BAR = 40  # characters of the longest bar
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LEARNED_STYLE, _GIVEN_STYLE = "green", "dim"


def result_lines(result: CheckResult, spec: EncoderSpec) -> Iterator[RenderableType]:
    """The page, from the summary to the faults."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")  # a path is of use only whole
    for name, value in _summary(result, spec):
        table.add_row(Text(name, "bold"), value)
    yield table
    count = result.count("fault")
    if not count:
        yield Text(tr("check.no_faults"), "green")
        return
    yield Text(f"\n{tr('check.faults')}", "bold red")
    for code, number in result.by_value("fault").items():
        kind = Fault(result.faults[0].place, code)
        yield Text(tr("check.fault_count", count=f"{number:,}", what=kind.what, remedy=kind.remedy))
    yield Text()
    for fault in result.faults[:_FAULTS_SHOWN]:
        yield Text(str(fault))
    if count > _FAULTS_SHOWN:
        yield Text(
            tr("check.more_faults", count=f"{count - _FAULTS_SHOWN:,}", listed=FAULTS_KEPT), "dim"
        )


def _summary(result: CheckResult, spec: EncoderSpec) -> Iterator[tuple[str, RenderableType]]:
    yield tr("check.files"), Text(", ".join(map(str, result.files)))
    yield tr("check.rows"), Text(_rows(result))
    if result.count("turns"):
        yield tr("check.turns"), Text(_turns(result))
        languages = result.by_value("language")
        shares = (
            f"{name} {_percent(n, result.count('language'))}%" for name, n in languages.items()
        )
        yield tr("check.languages"), Text(", ".join(shares))
    if spec.tokenizer is None:
        yield tr("check.tokens"), Text(tr("check.no_tokens"), "yellow")
    elif len(result.uncut):
        yield from _tokens(result, spec)
    bad = result.by_value("fault").get("bad_image", 0)
    if result.count("pictures") or bad:
        values = {
            "pictures": f"{result.count('pictures'):,}",
            "rows": f"{result.count('with_pictures'):,}",
            "bad": f"{bad:,}",
        }
        yield tr("check.pictures"), Text(tr("check.pictures_value", **values))
    yield from _notices(result)


def _rows(result: CheckResult) -> str:
    rows, comments, faulty = (result.count(kind) for kind in ("rows", "comments", "fault"))
    return tr(
        "check.rows_value",
        rows=f"{rows:,}",
        usable=f"{rows - comments - faulty:,}",
        comments=f"{comments:,}",
        faulty=f"{faulty:,}",
    )


def _turns(result: CheckResult) -> str:
    turns = {int(value): n for value, n in result.by_value("turns").items()}
    each = np.repeat(list(turns), list(turns.values()))
    roles = ", ".join(f"{role} {n:,}" for role, n in sorted(result.by_value("role").items()))
    return tr(
        "check.turns_value",
        turns=f"{result.count('role'):,}",
        roles=roles,
        least=each.min(),
        most=each.max(),
        median=int(np.median(each)),
    )


def _tokens(result: CheckResult, spec: EncoderSpec) -> Iterator[tuple[str, RenderableType]]:
    kept = int(result.kept.sum(dtype=np.int64))
    yield (
        tr("check.tokens"),
        Text(
            tr(
                "check.tokens_value",
                total=f"{result.uncut.sum(dtype=np.int64):,}",
                learned=_percent(int(result.learned.sum(dtype=np.int64)), kept),
                median=f"{int(np.median(result.uncut)):,}",
                most=f"{result.uncut.max():,}",
            )
        ),
    )
    if spec.words_alone and not spec.image_tokens and result.count("pictures"):
        yield "", Text(tr("check.words_alone"), "yellow")
    bars = histogram(result.uncut)
    highest = max(count for _, _, count in bars)
    for low, high, count in bars:
        bar = "█" * max(1, round(_BAR * count / highest)) if count else ""
        yield "", Text(f"{low:>9,} – {high:<9,} {bar} {count:,}")
    lost = result.by_value("fault").get("nothing_to_learn", 0)
    yield (
        tr("check.length", length=result.max_length),
        Text(tr("check.length_value", cut=f"{result.count('cut'):,}", lost=f"{lost:,}")),
    )
    if packing := result.packing:
        values = {
            "bins": f"{packing.bins:,}",
            "length": result.max_length,
            "efficiency": f"{100 * packing.efficiency:.1f}",
            "unpacked": f"{100 * packing.unpacked:.1f}",
        }
        yield tr("check.packing"), Text(tr("check.packing_value", **values))


def _notices(result: CheckResult) -> Iterator[tuple[str, RenderableType]]:
    """What is odd, and no fault."""
    if result.duplicates:
        yield _notice("duplicates", count=f"{result.duplicates:,}")
        for again, first in result.duplicate_places:
            yield "", Text(tr("check.duplicates_place", again=again, first=first), "dim")
        yield from _more(result.duplicates - len(result.duplicate_places))
    for token, count in result.by_value("control").items():
        yield _notice("control", token=token, count=f"{count:,}")
        places = [place for place, found in result.controls if found == token]
        yield from _examples(places, count)
    if count := result.count("replaced"):
        yield _notice("replaced", count=f"{count:,}")
        yield from _examples(result.replaced, count)
    if count := result.count("unanswered"):
        yield _notice("unanswered", count=f"{count:,}")


def _examples(places: Sequence[Place], count: int) -> Iterator[tuple[str, RenderableType]]:
    """The places that are known, and how many there are beside them."""
    for place in places:
        yield "", Text(str(place), "dim")
    yield from _more(count - len(places))


def _more(count: int) -> Iterator[tuple[str, RenderableType]]:
    if count:
        yield "", Text(tr("check.more", count=f"{count:,}"), "dim")


def _notice(key: str, **values: object) -> tuple[str, RenderableType]:
    return tr(f"check.{key}"), Text(tr(f"check.{key}_value", **values), "yellow")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}" if whole else "0"


def histogram(lengths: NDArray[np.int32]) -> list[tuple[int, int, int]]:
    """Lengths by powers of two: the least, the greatest and how many, without empty ends."""
    powers = np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    counts = np.bincount(powers)
    first = int(powers.min())
    return [(1 << n, (2 << n) - 1, int(counts[n])) for n in range(first, len(counts))]


def sample_lines(
    row: Row, fitted: Fitted, tokenizer: ChatTokenizer, *, coloured: bool
) -> Iterator[Text]:
    """A row as the model gets it: what is given is dim, what is learned is green.

    Args:
        row: that is shown.
        fitted: its ids.
        tokenizer: theirs.
        coloured: False puts what is learned between [[ and ]].
    """
    learned = int(fitted.learned.sum())
    head = tr("check.shown", place=row.place, tokens=len(fitted.input_ids), learned=learned)
    yield Text(f"\n{head}", "bold")
    text = Text()
    images = iter(fitted.images)
    patch = tokenizer.control_id(IMG_PATCH) if tokenizer.image_tokens else -1
    tokens = zip(fitted.input_ids.tolist(), fitted.learned.tolist(), strict=True)
    for (is_learned, is_patch), run in groupby(tokens, lambda one: (one[1], one[0] == patch)):
        if is_patch:
            name = Path(next(images).path).name
            text.append(tr("check.picture", name=name, tokens=tokenizer.image_tokens), "cyan")
            continue
        words = tokenizer.tokenizer.decode([token for token, _ in run], skip_special_tokens=False)
        shown = _UNSEEN.sub("\ufffd", str(words))
        if is_learned and not coloured:
            shown = f"[[{shown}]]"
        text.append(shown, _LEARNED_STYLE if is_learned else _GIVEN_STYLE)
    yield text


def as_json(result: CheckResult) -> dict[str, Any]:
    """The object that `--json` prints."""
    tokens = None
    if len(result.uncut):
        quantiles = np.quantile(result.uncut, [0.5, 0.95, 1.0]).astype(int).tolist()
        tokens = {
            "total": int(result.uncut.sum(dtype=np.int64)),
            "kept": int(result.kept.sum(dtype=np.int64)),
            "learned": int(result.learned.sum(dtype=np.int64)),
            **dict(zip(("median", "p95", "longest"), quantiles, strict=True)),
            "histogram": [list(bar) for bar in histogram(result.uncut)],
        }
    packing = result.packing
    return {
        "files": [str(path) for path in result.files],
        "rows": result.count("rows"),
        "comments": result.count("comments"),
        "faulty": result.count("fault"),
        "turns": {int(turns): n for turns, n in sorted(result.by_value("turns").items())},
        "roles": result.by_value("role"),
        "languages": result.by_value("language"),
        "max_length": result.max_length,
        "tokens": tokens,
        "cut": result.count("cut"),
        "packing": packing
        and {
            "bins": packing.bins,
            "efficiency": round(packing.efficiency, 4),
            "unpacked": round(packing.unpacked, 4),
        },
        "pictures": result.count("pictures"),
        "duplicates": result.duplicates,
        "duplicate_places": [[str(place) for place in pair] for pair in result.duplicate_places],
        "control_strings": result.by_value("control"),
        "replaced": result.count("replaced"),
        "replaced_places": [str(place) for place in result.replaced],
        "unanswered": result.count("unanswered"),
        "faults": result.by_value("fault"),
        "first_faults": [
            {
                "file": str(fault.place.file),
                "line": fault.place.line,
                "row": fault.place.row,
                "code": fault.code,
                "what": fault.what,
                "value": fault.value,
                "remedy": fault.remedy,
            }
            for fault in result.faults
        ],
    }
