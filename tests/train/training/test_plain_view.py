# SPDX-License-Identifier: Apache-2.0
"""A run in lines."""

from __future__ import annotations

from tests.train.training.run_events import config, whole_run, with_intervals
from yuren_core.i18n import use_language
from yuren_train.training.events import Finished, Sampled, Warned
from yuren_train.training.plain_view import PlainView


def lines(log_interval: float = 1, *, after: int = 0) -> list[str]:
    said: list[str] = []
    run = config(log_interval=log_interval)
    view = PlainView(said.append)
    for told in with_intervals(whole_run(run, after=after), run):
        view(told)
    view(Warned(message="three rows are left out"))
    view.close()
    return said


def test_a_line_an_interval_with_what_matters() -> None:
    said = [line for line in lines(5) if line.startswith("step ") and "lr" in line]
    assert len(said) == 2
    for words in ("step 5/10", "loss 4.2500", "lr 1.00e-04", "200 tok/s", "3.0 GiB", "left"):
        assert words in said[0]


def test_phases_evaluations_answers_and_the_end_have_lines() -> None:
    said = "\n".join(lines())
    for words in (
        "Loading the model",
        "Reading the data",
        "10 steps over 40 rows",
        "step 5: eval loss 4.5000",
        "> Who are you?\nI am the answer of step 5.",
        "checkpoint-5",
        "Note: three rows are left out",
        "yuren-chat --model runs/tiny",
    ):
        assert words in said


def test_a_restart_says_where_it_goes_on() -> None:
    assert any("after step 5 of 10" in line for line in lines(after=5))


def test_a_run_that_was_finished_before_says_so() -> None:
    said: list[str] = []
    PlainView(said.append)(Finished(step=10, out=config().out, seconds=0.0, proof=0.0))
    assert said[0].startswith("This run is finished already.")


def test_an_answer_that_does_not_end_is_folded() -> None:
    said: list[str] = []
    for answer in ("#\n" * 80, "a" * 5000, "one\ntwo"):
        PlainView(said.append)(Sampled(step=5, prompt="Who?", answer=answer))
    assert said[0].splitlines()[:7] == ["> Who?", *["#"] * 6]
    assert said[0].splitlines()[7:] == ["… 160 characters in all; the whole is in metrics.jsonl"]
    assert len(said[1]) < 700
    assert said[2] == "> Who?\none\ntwo"


def test_it_speaks_chinese() -> None:
    use_language("zh")
    assert any(line.startswith("步 5/10  损失 3.7500  学习率") for line in lines())
