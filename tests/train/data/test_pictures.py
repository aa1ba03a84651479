# SPDX-License-Identifier: Apache-2.0
"""Opening pictures: files as they lie, and those that a row itself holds."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from tests.core.pictures import encoded, quarters, write
from yuren_core.errors import ImageError
from yuren_core.messages import ImagePart
from yuren_train.data.pictures import opened

PNG = encoded(quarters(), "PNG")
SHA256 = hashlib.sha256(PNG).hexdigest()


def test_a_file_is_named_by_its_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", quarters())
    store = tmp_path / "store"
    assert opened(ImagePart(str(path), ""), store) == ImagePart(str(path), SHA256)
    assert not store.exists()


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
        f"data:;base64,{base64.b64encode(PNG).decode()}",
        f"data:image/png,{quote_from_bytes(PNG)}",
    ],
)
def test_a_data_url_is_written_once_under_its_hash(url: str, tmp_path: Path) -> None:
    picture = opened(ImagePart(url, ""), tmp_path)
    assert picture.sha256 == SHA256
    assert Path(picture.path).read_bytes() == PNG
    written = Path(picture.path).stat().st_mtime_ns
    assert opened(ImagePart(url, ""), tmp_path) == picture
    assert Path(picture.path).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,###", "data:image/png", "data:,", "data:,no"]
)
def test_a_data_url_without_a_picture_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        opened(ImagePart(url, ""), tmp_path)
