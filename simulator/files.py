"""Whole files or none: what is written half is never seen under its name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO
from uuid import uuid4


def write_part(folder: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """A whole file, safe on disk, under a name that nobody reads yet."""
    part = folder / f".{uuid4().hex}.part"
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def write_whole(path: Path, content: bytes) -> None:
    """The content under this name, in the place of a file that may have it; devices are written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
    else:
        os.replace(write_part(path.parent, lambda file: file.write(content)), path)
