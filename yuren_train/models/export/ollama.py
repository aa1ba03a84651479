# SPDX-License-Identifier: Apache-2.0
"""The Modelfile with which Ollama takes GGUF files over: `ollama create NAME -f Modelfile`."""

from __future__ import annotations

from collections.abc import Sequence

from yuren_core.chatml import IM_END, IM_START, PLAIN, ChatMLStyle
from yuren_core.sampling_params import GREEDY, SamplingAdvice

_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def modelfile(
    files: Sequence[str],
    *,
    context: int,
    sampling: SamplingAdvice,
    stops: Sequence[str],
    style: ChatMLStyle = PLAIN,
) -> str:
    """The Modelfile.

    Args:
        files: names of the GGUF files beside it, the language model first.
        context: tokens that prompt and answer may fill.
        sampling: what the model is best sampled with.
        stops: tokens that end an answer.
        style: the ChatML that the model was trained on; where pictures stand is Ollama's matter.
    """
    advice: dict[str, object] = {"temperature": 0} if sampling == GREEDY else dict(sampling.values)
    lines = [f"FROM ./{name}" for name in files]
    lines.append(f'TEMPLATE """{_template(style)}"""')
    lines += [f'PARAMETER stop "{token}"' for token in stops]
    lines.append(f"PARAMETER num_ctx {context}")
    lines += [
        f"PARAMETER {_NAMES[name]} {value}" for name, value in advice.items() if name in _NAMES
    ]
    return "\n".join(lines) + "\n"


def _template(style: ChatMLStyle) -> str:
    end = IM_END
    if style.after_answer:
        end += f'{{{{ if eq .Role "assistant" }}}}{style.after_answer}{{{{ end }}}}'
    return (
        "{{- range .Messages }}"
        f"{IM_START}{{{{ .Role }}}}\n{{{{ .Content }}}}{end}\n"
        f"{{{{ end }}}}{IM_START}assistant\n"
    )
