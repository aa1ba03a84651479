# SPDX-License-Identifier: Apache-2.0
"""The loss on rows that are not learned from, and the model's answers to a few questions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from yuren_core.images import image_part
from yuren_core.inference.engine import Engine as Answering
from yuren_core.messages import Message, Part, Role, TextPart
from yuren_core.model.loading import LoadedModel
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Delta
from yuren_core.sampling_params import SamplingParams
from yuren_train.config import TrainConfig
from yuren_train.data.packing import plan_epoch
from yuren_train.data.tokenized import TokenizedRows
from yuren_train.training.engines import Engine
from yuren_train.training.events import Evaluated, EvaluationStarted, Listener, Sampled
from yuren_train.training.processes import Processes
from yuren_train.training.sight import Sight
from yuren_train.training.stopping import StopRequest

_ANSWER_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is measured, and how.

    Attributes:
        rows: that the loss is measured on; None measures none.
        prompts: questions that are answered, as `question_of` takes them.
        loaded: tokenizer, tower and precision of the model that learns.
        config: of the run.
        sight: how batches get their pictures.
    """

    rows: TokenizedRows | None
    prompts: tuple[str, ...]
    loaded: LoadedModel
    config: TrainConfig
    sight: Sight

    def run(self, engine: Engine, *, step: int, emit: Listener, request: StopRequest) -> bool:
        """Measure and ask; called by every rank, and nothing of the run changes.

        Args:
            engine: holds what is measured.
            step: optimizer steps done.
            emit: told the loss and the answers once all are there, so that an evaluation which
                is cut and made anew at the next start is told once.
            request: to stop; heard behind each batch and before each token.

        Returns:
            False where a request has cut it: then nothing is told of it.
        """
        if not self.prompts and not (self.rows is not None and len(self.rows)):
            return True
        emit(EvaluationStarted(step=step))
        learning = engine.learner.training
        engine.learner.eval()
        found: list[Evaluated | Sampled] = []
        try:
            if self.rows is not None and len(self.rows):
                found.append(self._measure(engine, self.rows, step, request))
            for prompt in self.prompts:
                answer = self._answer(engine, prompt, request)
                found.append(Sampled(step=step, prompt=prompt, answer=answer))
        except _Cut:
            return False
        finally:
            engine.learner.train(learning)
        for event in found:
            emit(event)
        return True

    def _measure(
        self, engine: Engine, rows: TokenizedRows, step: int, request: StopRequest
    ) -> Evaluated:
        start = time.perf_counter()
        processes = engine.processes
        plan = plan_epoch(
            rows.lengths,
            order="grouped" if self.config.order == "grouped" else "packed",
            max_length=self.config.max_length,
            batch_size=self.config.batch_size,
            micro_batches=processes.world,
            seed=self.config.seed,
            epoch=0,
        )
        loss = 0.0
        for part in plan:
            places = part.micro_batches[processes.rank]
            batch = None
            if places:
                batch = self.sight.see(self.sight.collate([rows[place] for place in places]))
            loss += float(engine.evaluate(batch))
            if processes.any(request.is_made):
                raise _Cut
        (total,) = processes.total([loss])
        tokens = int(rows.label_counts.sum())
        return Evaluated(
            step=step,
            loss=total / max(tokens, 1),
            label_tokens=tokens,
            seconds=time.perf_counter() - start,
        )

    def _answer(self, engine: Engine, prompt: str, request: StopRequest) -> str:
        """The likeliest answer, by the same decoding as the chat's."""
        model = engine.learner.language_model
        attention = model.config._attn_implementation
        model.set_attn_implementation("sdpa")
        loaded = replace(self.loaded, model=model)
        question = prompt_items([question_of(prompt)])
        sampling = SamplingParams(temperature=0.0, max_new_tokens=_ANSWER_TOKENS)
        try:
            with engine.answering():
                turns = _Turns(engine.processes, request)
                events = Answering(loaded).generate(question, sampling, is_cancelled=turns.is_cut)
                answer = "".join(event.text for event in events if isinstance(event, Delta))
                turns.end()
                return answer
        finally:
            model.set_attn_implementation(attention)


class _Cut(Exception):
    """The evaluation ends here: a rank has been asked to stop."""


class _Turns:
    """Has all ranks hear a request to stop before the same token of an answer.

    Their answers may differ in length where rounding does: a rank whose answer has ended goes on
    taking turns until the others' have.

    Args:
        processes: who this process is.
        request: of this process.
    """

    def __init__(self, processes: Processes, request: StopRequest) -> None:
        self._processes = processes
        self._request = request

    def is_cut(self) -> bool:
        """Take a turn before a token.

        Returns:
            False: what cuts an answer is the error.

        Raises:
            _Cut: any rank has been asked to stop.
        """
        self._take(answers=True)
        return False

    def end(self) -> None:
        """Take turns until nobody answers any more.

        Raises:
            _Cut: any rank has been asked to stop.
        """
        while self._take(answers=False):
            pass

    def _take(self, *, answers: bool) -> float:
        asked, answering = self._processes.total([float(self._request.is_made), float(answers)])
        if asked:
            raise _Cut
        return answering


def question_of(prompt: str) -> Message:
    """What is asked at an evaluation.

    Args:
        prompt: a question; each `@FILE` before it is a picture.

    Raises:
        ImageError: there is no such picture.
    """
    parts: list[Part] = []
    rest = prompt.strip()
    while rest.startswith("@"):
        file, _, rest = rest[1:].partition(" ")
        parts.append(image_part(Path(file).expanduser()))
        rest = rest.strip()
    return Message(Role.USER, (*parts, TextPart(rest)) if rest else tuple(parts))
