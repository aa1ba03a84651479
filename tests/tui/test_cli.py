# SPDX-License-Identifier: Apache-2.0
"""The command line: what is understood, what is refused, and what a call costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from tests.tui.chat_process import CHAT, chat, worker
from yuren_core import __version__
from yuren_core.errors import DownloadError
from yuren_core.i18n import tr
from yuren_core.sampling_params import SamplingParams
from yuren_core.starter import starter_dir
from yuren_tui import cli
from yuren_tui.options import ChatOptions, parse, worker_command
from yuren_tui.presets import PresetLibrary
from yuren_tui.session import ModelChoice, Profile, Session
from yuren_tui.settings import Model
from yuren_tui.startup import choose_model, make_session, read_settings

Capture = pytest.CaptureFixture[str]
HEAVY = ("torch", "transformers", "open_clip", "PIL", "textual", "rich", "asyncio", "numpy")


def parsed(*arguments: str) -> ChatOptions:
    options = parse(arguments)
    assert isinstance(options, ChatOptions)
    return options


def write_config(home: Path, text: str) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text(text)


# ---------------------------------------------------------------- what is understood


def test_nothing_given_is_nothing_but_defaults() -> None:
    assert parsed() == ChatOptions()


def test_everything_given_arrives() -> None:
    text = (
        "--model m --load 8bit --device cpu --image a.png --image b.png --system S --preset poet "
        "--temperature 0.5 --top-p 0.8 --top-k 7 --min-p 0.1 --repetition-penalty 1.2 --seed 3 "
        "--max-new-tokens 9 --stop X --stop Y --json --theme light --images off --lang zh "
        "--chat 12 What is this?"
    )
    options = parsed(*text.split(), "--user", " Lin\nMei ")
    assert options.prompt == "What is this?"
    assert (options.pictures, options.system) == (("a.png", "b.png"), "S")
    assert (options.chat_id, options.continues, options.task) == (12, False, "talk")
    assert options.is_json
    assert options.is_plain
    settings = read_settings(options).settings
    drawn = ("temperature", 0.5), ("top_p", 0.8), ("top_k", 7), ("min_p", 0.1), ("seed", 3)
    more = ("repetition_penalty", 1.2), ("max_new_tokens", 9), ("stop", ("X", "Y"))
    assert options.given_sampling == dict((*drawn, *more))
    assert settings.sampling == SamplingParams(), "said for one start, and no setting"
    assert settings.model == Model("m", "8bit", "cpu", "poet")
    assert settings.person.name == "Lin Mei"
    assert (settings.interface.theme, settings.interface.images) == ("light", "off")


def test_what_was_typed_goes_before_the_config_file_and_that_before_defaults(home: Path) -> None:
    write_config(home, "[model]\nload = '8bit'\n[sampling]\ntop_k = 3\ntemperature = 1.5\n")
    options = parsed("--load", "auto", "--temperature", "0.7")
    settings = read_settings(options).settings
    assert settings.model.load == "auto"
    session = make_session(options, settings, is_kept=False)
    session.begin()
    drawn = session.sampling
    assert (drawn.temperature, drawn.top_k, drawn.top_p) == (0.7, 3, 0.9)


def test_how_answers_are_drawn_in_one_start_is_kept_with_no_chat(home: Path) -> None:
    write_config(home, "[sampling]\ntop_k = 3\n")

    def begun(*arguments: str) -> Session:
        options = parsed(*arguments)
        session = make_session(options, read_settings(options).settings)
        session.begin()
        return session

    with closing(begun("--temperature", "0.7", "--top-k", "5")) as session:
        number = session.chat.require_id()
        session.chat.rename("Kept")
        assert (session.sampling.temperature, session.sampling.top_k) == (0.7, 5)
        assert session.sampling_origin("top_k") == "command"
    with closing(begun("--chat", str(number))) as session:
        assert (session.sampling.temperature, session.sampling.top_k) == (0.2, 3)
    with closing(begun("--chat", str(number), "--temperature", "0.9")) as session:
        assert session.sampling.temperature == 0.9
    with closing(begun("--chat", str(number))) as session:
        assert session.sampling.temperature == 0.9, "said of the chat that is continued"
        assert session.sampling_origin("temperature") == "chat"


def test_the_language_of_the_config_file_is_spoken(home: Path) -> None:
    write_config(home, "[interface]\nlanguage = 'zh'\n")
    assert chat("--plain", script=("--echo",)).err.startswith("错误：")
    assert chat("--plain", "--lang", "en").err.startswith("Error: ")


def test_a_fault_of_the_config_file_is_told_and_stops_nothing(home: Path) -> None:
    write_config(home, "[sampling]\ntop_k = 'x'\n")
    said = chat("hello", script=("--echo",))
    assert (said.code, said.out) == (0, "hello\n")
    assert "config.toml, line 2" in said.err
    assert "top_k" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--continue --chat 3", "--continue and --chat"),
        ("--list-chats --export a.md", "--list-chats and --export"),
        ("--export a.md --system x", "--export and --system"),
        ("--import a.json why", "--import and PROMPT"),
        ("--install-starter --model m", "--install-starter and --model"),
        ("--format json", "--format is of use only with --export"),
        ("--format json --import a.json", "--format is of use only with --export"),
    ],
)
def test_options_that_contradict_one_another_are_refused(
    arguments: str, told: str, capsys: Capture
) -> None:
    assert cli.main(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert (out, told in err) == ("", True)


def test_the_sampling_reaches_the_model() -> None:
    said = chat("--max-new-tokens", "2", "x", script=("--answer", "one two three"))
    assert said.out == "one two \n"


def begun(*arguments: str) -> Session:
    options = parsed(*arguments)
    session = make_session(options, read_settings(options).settings)
    session.begin()
    return session


def test_a_system_prompt_stands_in_the_place_of_the_default_preset() -> None:
    session = begun("--system", "Be brief.", "--seed", "3")
    assert session.messages()[0].text == "Be brief."
    assert session.preset is None
    assert session.sampling.seed == 3
    session.close()


def test_a_chat_has_the_default_preset_and_the_person_s_name() -> None:
    session = begun("--user", "Mei")
    assert session.preset is not None
    assert session.preset.id == "assistant"
    assert session.profile == Profile("Mei", "", "en")
    session.close()


def test_sampling_that_was_typed_goes_before_the_preset_s_in_every_chat(home: Path) -> None:
    presets = home / "config" / "presets"
    presets.mkdir(parents=True)
    for name in ("a", "b"):
        (presets / f"{name}.toml").write_text(
            f"name = '{name}'\nsystem = 'S'\n[sampling]\ntemperature = 1.9\ntop_k = 5\n"
        )
    session = begun("--preset", "a", "--temperature", "0")
    assert (session.sampling.temperature, session.sampling.top_k) == (0, 5)
    session.new_chat(PresetLibrary().get("b"))
    assert (session.sampling.temperature, session.sampling.top_k) == (0, 5)
    session.close()


def test_arguments_that_are_no_utf_8_become_text() -> None:
    assert parsed("caf\udce9", "--system", "\udcff").prompt == "caf\ufffd"


@pytest.mark.parametrize(
    ("variables", "language"),
    [({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "de_DE.UTF-8"}, "en"), ({}, "en")],
)
def test_the_language_is_the_locale_s(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANG")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    parsed()
    assert tr("plain.you") == {"en": "You: ", "zh": "你："}[language]
    parsed("--lang", "zh")
    assert tr("plain.you") == "你："


# ---------------------------------------------------------------- which model


def chosen(*arguments: str) -> ModelChoice | None:
    return choose_model(read_settings(parsed(*arguments)).settings)


def test_a_model_named_is_the_model() -> None:
    choice = chosen("--model", "owner/name", "--load", "4bit", "--device", "cuda")
    assert choice == ModelChoice("owner/name", "4bit", "cuda")


def test_a_tilde_in_quotes_is_the_home() -> None:
    choice = chosen("--model", "~/models/mine")
    assert choice == ModelChoice(str(Path.home() / "models" / "mine"))


def test_else_it_is_the_starter_where_it_is_there() -> None:
    assert chosen() is None
    starter_dir().mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (starter_dir() / name).touch()
    assert chosen() == ModelChoice(str(starter_dir()))


def test_a_starter_without_eyes_is_talked_to_where_eyes_have_come_since(
    starter: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "shipped_eyes", lambda: tmp_path)
    starter_dir().mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (starter_dir() / name).touch()
    assert not starter.is_installed()
    assert chosen() == ModelChoice(str(starter_dir()))


def test_no_model_at_all_is_told_with_the_remedy() -> None:
    done = subprocess.run(
        [*CHAT, "hello"], stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "Error: no model is installed"
    assert "yuren-chat --install-starter" in done.stderr


def test_the_model_process_can_be_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_command() is None
    monkeypatch.setenv("YUREN_WORKER", worker("--answer", "two words"))
    assert worker_command() == (
        *(sys.executable, "-m", "yuren_core.scripted"),
        *("--answer", "two words"),
    )


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--load", "2bit"),
            "--load cannot be '2bit'; it is one of 'auto', 'bf16', 'fp32', '8bit', '4bit'",
        ),
        (("--device", "tpu"), "--device cannot be 'tpu'"),
        (("--lang", "fr"), "--lang cannot be 'fr'"),
        (("--seed", "x"), "--seed cannot be 'x'"),
        (("--frobnicate",), "--frobnicate"),
    ],
)
def test_what_no_option_knows_is_a_usage_message(
    arguments: tuple[str, ...], told: str, capsys: Capture
) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: yuren-chat ")
    assert told in err


@pytest.mark.parametrize(
    ("option", "value"),
    [("temperature", "2.5"), ("top-p", "0"), ("seed", "-1"), ("top-k", "-1"), ("stop", "")],
)
def test_sampling_that_cannot_be_is_refused_before_anything(
    option: str, value: str, capsys: Capture
) -> None:
    assert cli.main([f"--{option}", value, "hello"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Error: {option.replace('-', '_')} cannot be ")
    assert "Allowed: " in err


# ---------------------------------------------------------------- what a call costs


def test_help_says_every_option(capsys: Capture) -> None:
    assert cli.main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for option in ("--model", "--image", "--json", "--install-starter", "--stop", "--min-p"):
        assert option in out
    assert "[default: the preset's or model's, else 0.2]" in " ".join(out.split())


@pytest.mark.parametrize("name", ["zh-CN", "zh_CN", "zh_CN.UTF-8"])
def test_a_language_may_be_named_as_a_locale_is(capsys: Capture, name: str) -> None:
    assert parsed("--lang", name).given["interface.language"] == "zh"
    assert cli.main(["--lang", name, "--nonsense"]) == 2
    assert "没有选项 --nonsense" in capsys.readouterr().err


def test_help_in_a_chinese_locale_without_utf_8_does_not_fail() -> None:
    done = subprocess.run(
        [*CHAT, "--help"],
        env={**os.environ, "LC_ALL": "C", "LANG": "zh_CN"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0


def test_version_is_one_line(capsys: Capture) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"yuren-chat {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from yuren_tui.cli import main; main(['--help']);"
        f"sys.exit(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_help_is_there_at_once() -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([*CHAT, "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 3  # 0.1 s on an idle machine


# ---------------------------------------------------------------- the border


def test_a_reader_of_help_that_has_had_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*CHAT, "--help"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) in ((0, b""), (1, b""))


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(_: ChatOptions) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", run)


def test_what_nobody_foresaw_is_logged_and_told_in_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    failing(monkeypatch, ZeroDivisionError("by\nzero\x1b[31m"))
    assert cli.main([]) == 1
    out, err = capsys.readouterr()
    log = home / "log" / "chat.log"
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert str(log) in err
    assert "Traceback" in log.read_text()


def test_ctrl_c_is_130_without_a_word(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert cli.main([]) == 130
    assert capsys.readouterr() == ("", "")


def test_errors_are_told_in_the_language(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    failing(monkeypatch, DownloadError("x\x07", "y"))
    assert cli.main(["--lang", "zh"]) == 1
    assert capsys.readouterr().err == "错误：x␇\ny\n"


# ---------------------------------------------------------------- the starter


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The starter's module, whose installation is for the test to replace."""
    from yuren_core import starter

    return starter


def test_installing_the_starter_prints_its_directory(
    starter: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    def install(progress: object) -> Path:
        progress(starter.StarterProgress("download", 0.5, 1, 2))  # type: ignore[operator]
        return tmp_path / "models" / "Starter"

    monkeypatch.setattr(starter, "install_starter", install)
    assert cli.main(["--install-starter"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/models/Starter\n"


def test_an_installation_that_fails_is_one_line_and_a_remedy(
    starter: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def install(_: object) -> Path:
        raise DownloadError("the network is down", "Try again later.")

    monkeypatch.setattr(starter, "install_starter", install)
    assert cli.main(["--install-starter"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("Error: the network is down\nTry again later.\n")
