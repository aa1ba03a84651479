# SPDX-License-Identifier: Apache-2.0
"""What published models do that their directories do not say.

YuRen's directories are of 2023: they hold no chat template. Its training put `</s>` behind each
`<|im_end|>` of the assistant's, and its pictures stood behind the words.
"""

from __future__ import annotations

from collections.abc import Mapping

from transformers import LlamaConfig, PreTrainedTokenizerBase

from yuren_core.chatml import PLAIN, ChatMLStyle
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig

STYLES_WITHOUT_TEMPLATE: Mapping[str, ChatMLStyle] = {
    "multimodal_llama": ChatMLStyle(after_answer="</s>", pictures_last=True),  # pleisto/yuren-*
}
"""By `model_type`, the ChatML of models whose tokenizer comes without a chat template."""


def chatml_style(config: LlamaConfig, tokenizer: PreTrainedTokenizerBase) -> ChatMLStyle:
    """The ChatML that a model was trained on: as its config says, or as is known of its kind."""
    if tokenizer.chat_template is None:
        return STYLES_WITHOUT_TEMPLATE.get(config.model_type, PLAIN)
    if isinstance(config, MultimodalLlamaConfig):
        return ChatMLStyle(config.mm_after_answer, config.mm_pictures_last)
    return PLAIN
