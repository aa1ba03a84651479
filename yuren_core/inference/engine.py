# SPDX-License-Identifier: Apache-2.0
"""Answers a conversation with a loaded model, token by token.

Owns decoding: prompt, prefix cache, prefill, picture features, sampling, stops. Cached decoding
gives what uncached gives; a picture goes through tower and projector once, however many turns
see it. One engine answers one conversation at a time and is not thread-safe.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from inspect import signature

import torch
from torch import Tensor
from transformers import LlamaModel

from yuren_core.images import open_rgb
from yuren_core.inference.prefix_cache import PrefixCache, prefix_keys
from yuren_core.inference.sampling import Sampler, StopStrings, forbidden_tokens
from yuren_core.messages import ImagePart, Role
from yuren_core.model.loading import LoadedModel
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM, merge_image_features
from yuren_core.model.tokenization import Encoded
from yuren_core.prompt import PromptItem
from yuren_core.protocol import Cancelled, Completed, Counted, Delta, FinishReason, Prompt
from yuren_core.sampling_params import SamplingParams

PREFILL_CHUNK = 512
"""Tokens of the prompt that are computed at once; a cancel is heard between two chunks."""

_DECODER_TAIL = 8
"""Tokens of an answer that is continued which the decoder is told, for the space between."""

_FEATURE_CACHE = 32
"""Pictures whose projected features are kept."""

_CACHE = "cache" if "cache" in signature(LlamaModel.forward).parameters else "past_key_values"
"""What transformers calls the cache: from 5.24 on the first, before it the second."""

_ANSWER_SHARE = 4
"""At most 1/4 of the context is kept free for the answer, however long it may become."""

AnswerEvent = Prompt | Delta | Completed | Cancelled


class Engine:
    """Decoding with one model.

    Args:
        loaded: the model.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._cache = PrefixCache()
        self._features: OrderedDict[str, Tensor] = OrderedDict()
        tokenizer = loaded.tokenizer
        self._patch_id = tokenizer.patch_id
        rows = loaded.model.config.vocab_size
        self._forbidden = forbidden_tokens(
            rows,
            tokens=len(tokenizer.tokenizer),
            ruled_out=(i for i in tokenizer.control_ids - tokenizer.stop_ids if i < rows),
        ).to(loaded.precision.device)

    @torch.inference_mode()
    def generate(
        self,
        prompt: Sequence[PromptItem],
        sampling: SamplingParams,
        *,
        request_id: int = 0,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[AnswerEvent]:
        """Answer a prompt; a last message of the assistant's is continued.

        Args:
            prompt: what the model is told, in order.
            sampling: how tokens are drawn, and when to stop.
            request_id: the id that the events carry.
            is_cancelled: asked before each token and each chunk of the prompt.

        Yields:
            `Prompt`, then `Delta`s, then `Completed` or `Cancelled`.

        Raises:
            ContextLengthError: the newest turn alone does not fit.
            ImageError: a picture is not readable any more.
            NoVisionTowerError: a picture, and the model cannot see.
        """
        start = time.perf_counter()
        fitted = self.loaded.tokenizer.encode_prompt(
            prompt, budget=self.loaded.context_length - self._answer_room(sampling)
        )
        encoded = fitted.encoded
        keys = prefix_keys(encoded.input_ids, encoded.images, patch_id=self._patch_id)
        cached = self._cache.reuse(keys)
        yield Prompt(request_id, len(keys), cached, fitted.dropped_turns)
        logits = self._prefill(encoded, cached, is_cancelled)
        if logits is not None:
            self._cache.extend(keys[cached:])
        known = [i for i in encoded.input_ids if i < len(self._forbidden)]
        sampler = Sampler(sampling, forbidden=self._forbidden, prompt_ids=known)
        is_continued = bool(prompt) and prompt[-1].message.role is Role.ASSISTANT
        tail = encoded.input_ids[-_DECODER_TAIL:] if is_continued else ()
        decoder = self.loaded.tokenizer.decode_stream(after=tail)
        stops = StopStrings(sampling.stop)
        limit = min(sampling.max_new_tokens, self.loaded.context_length - len(keys))
        clock = _Clock(start)
        reason: FinishReason = "length"
        while clock.tokens < limit:
            if logits is None or is_cancelled():
                reason = "cancelled"
                break
            token = sampler.next_token(logits)
            clock.tick()
            if token in self.loaded.tokenizer.stop_ids:
                reason = "stop"
                break
            if text := stops.feed(decoder.step(token)):
                yield Delta(request_id, text, clock.tokens)
            if stops.is_reached:
                reason = "stop"
                break
            if clock.tokens < limit:
                logits = self._forward(torch.tensor([[token]], device=self._device))
                self._cache.extend([token])
        if text := stops.flush():
            yield Delta(request_id, text, clock.tokens)
        stats = (clock.tokens, clock.ttft_s, clock.tokens_per_s)
        if reason == "cancelled":
            yield Cancelled(request_id, *stats)
        else:
            yield Completed(request_id, reason, *stats)

    def count(
        self, prompt: Sequence[PromptItem], sampling: SamplingParams, *, request_id: int = 0
    ) -> Counted:
        """Say what a prompt would cost; computes nothing.

        Args:
            prompt: what the model would be told, in order.
            sampling: tells how much room the answer wants.
            request_id: the id that the event carries.

        Raises:
            NoVisionTowerError: a picture, and the model cannot see.
        """
        tokenizer, room = self.loaded.tokenizer, self._answer_room(sampling)
        fit = tokenizer.fit(prompt, budget=self.loaded.context_length - room)
        return Counted(
            request_id,
            tokens=fit.tokens,
            image_tokens=tuple(
                len(item.message.images) * self.loaded.image_cost for item in prompt
            ),
            prompt_tokens=fit.prompt_tokens,
            answer_tokens=room,
            dropped=fit.dropped,
            fits=fit.fits,
        )

    def clear(self) -> None:
        """Forget the conversation and the pictures."""
        self._cache.clear()
        self._features.clear()

    @property
    def _device(self) -> torch.device:
        return self.loaded.precision.device

    def _answer_room(self, sampling: SamplingParams) -> int:
        return min(sampling.max_new_tokens, self.loaded.context_length // _ANSWER_SHARE)

    def _prefill(
        self, prompt: Encoded, cached: int, is_cancelled: Callable[[], bool]
    ) -> Tensor | None:
        """Compute the prompt from `cached` on. Returns the last logits (V,), None if cancelled."""
        embeds = self._embed(prompt, cached)  # (1, T - cached, D)
        logits: Tensor | None = None
        for first in range(0, embeds.shape[1], PREFILL_CHUNK):
            if is_cancelled():
                self._cache.kv.crop(-first)
                return None
            logits = self._forward(inputs_embeds=embeds[:, first : first + PREFILL_CHUNK])
        return logits

    def _embed(self, prompt: Encoded, cached: int) -> Tensor:
        """Embeddings (1, T - cached, D) of the part of the prompt that is not cached."""
        model = self.loaded.model
        input_ids = torch.tensor([prompt.input_ids[cached:]], device=self._device)
        if self._patch_id is None:
            return model.model.embed_tokens(input_ids)  # type: ignore[no-any-return]
        is_patch = input_ids == self._patch_id
        # LLaVA's own layout has no row for it.
        embeds: Tensor = model.model.embed_tokens(input_ids.masked_fill(is_patch, 0))
        pictures = int(is_patch.sum()) // self.loaded.tokenizer.image_tokens
        if not pictures:
            return embeds
        new = prompt.images[len(prompt.images) - pictures :]
        return merge_image_features(embeds, is_patch, self._project(new))

    def _project(self, images: Sequence[ImagePart]) -> Tensor:
        """Projected features (N, P, D); what the tower has seen before is not seen again."""
        tower, model = self.loaded.vision_tower, self.loaded.model
        assert tower is not None
        assert isinstance(model, MultimodalLlamaForCausalLM)
        projected = []
        for image in images:
            features = self._features.pop(image.sha256, None)
            if features is None:
                pixels = tower.preprocess([open_rgb(image.path)])
                features = model.project(tower(pixels.to(self._device, model.dtype)))
            self._features[image.sha256] = features
            projected.append(features)
        while len(self._features) > _FEATURE_CACHE:
            self._features.popitem(last=False)
        return torch.cat(projected)

    def _forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """One step over the cache. Returns the last position's logits (V,)."""
        try:
            output = self.loaded.model(
                input_ids=input_ids,
                inputs_embeds=inputs_embeds,
                **{_CACHE: self._cache.kv},
                use_cache=True,
                logits_to_keep=1,
            )
        except BaseException:
            self._cache.clear()  # some layers have the new positions, some have not
            raise
        logits: Tensor = output.logits[0, -1]
        return logits


class _Clock:
    """Counts tokens and measures: seconds to the first, tokens a second after it."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._first = self._last = start
        self.tokens = 0

    def tick(self) -> None:
        self._last = time.perf_counter()
        self.tokens += 1
        if self.tokens == 1:
            self._first = self._last

    @property
    def ttft_s(self) -> float:
        return self._first - self._start

    @property
    def tokens_per_s(self) -> float:
        """Over the tokens after the first, since the first pays for the prompt."""
        seconds = self._last - self._first
        return (self.tokens - 1) / seconds if self.tokens > 1 and seconds > 0 else 0.0
