"""Where a fit comes from: versions, and the state of the code it was made with."""

import platform
import shutil
import subprocess
from importlib import metadata

PACKAGES = ("neurornn", "torch", "numpy", "pandas", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # A source tree on the path has no version of its own.
            found[name] = "not installed"
    return found


def git_state() -> dict[str, str | bool] | None:
    """Return the commit of the working folder and whether files differ from it; `None` outside a git tree."""
    if shutil.which("git") is None:
        return None
    commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    if commit is None or changed is None:
        return None
    return {"commit": commit, "dirty": bool(changed)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(("git", *arguments), capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
