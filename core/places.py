"""Whether a folder or a file that a setting names can be used: each function says what is wrong and what to do, or ""."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def unusable_home(home: Path) -> str:
    """The folder is made where it is not there, and must take files."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        return f"cannot be written ({os.strerror(error.errno or 0)}); name a folder that this user owns"
    return ""


def unusable_folder(folder: Path) -> str:
    """A folder that is made when it is first needed; one that holds what is needed already may be read-only."""
    if folder.is_dir():
        return "" if os.access(folder, os.R_OK | os.X_OK) else "cannot be read; give this user the right to read it"
    if folder.exists():
        return "is a file; name a folder"
    above = next(parent for parent in folder.parents if parent.exists())
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return ""
    return f"cannot be made, because {above} is no folder that this user may write to; name another"


def missing_folder(folder: Path, *, holds: str) -> str:
    """A folder that must be there already. `holds` says what in it is wanted."""
    if not folder.is_dir():
        return f"there is no such folder; name one that holds {holds}, or leave the setting empty"
    return "" if os.access(folder, os.R_OK | os.X_OK) else "cannot be read; give this user the right to read it"


def unreadable_file(file: Path, *, otherwise: str = "leave the setting empty") -> str:
    """A file that must be there already. `otherwise` says what else one can do than to correct the path."""
    try:
        with file.open("rb"):
            return ""
    except FileNotFoundError:
        return f"there is no such file; correct the path, or {otherwise}"
    except IsADirectoryError:
        return "is a folder; name the file in it"
    except OSError as error:
        return f"cannot be read ({os.strerror(error.errno or 0)}); give this user the right to read it, or {otherwise}"
