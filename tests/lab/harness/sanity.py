"""`ansible-test sanity` on the collection as it would be published, without needing more than the package registry."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.paths import Paths
from harness.shell import LabError, run, say

GET_PIP = '''\
"""Stands in for the get-pip.py that ansible-test wants to download: Python brings pip itself, the registry the rest."""

import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *words], check=False).returncode)
'''
PIP_VERSIONS = ("24_0", "24_2", "25_0")
"""In the file's name, by ansible-core version: 2.19 asks for 24.2."""

BUILD_LIMIT_S = 120.0
TESTS_OF_OTHER_PARTS = ("browser", "lab", "property", "simulation", "unit")
NOT_THE_COLLECTION = ("agent/", "benchmarks/", *(f"tests/{part}/" for part in TESTS_OF_OTHER_PARTS))
"""Parts of the checkout with stricter checks of their own (lint, types)."""


def check(paths: Paths, call: Callable[..., bool]) -> bool:
    """Build the artefact, install it apart, run every sanity test on it."""
    if not (paths.root / "galaxy.yml").exists():
        say("there is no collection (galaxy.yml)")
        return True
    # Outside the checkout: inside it ansible-test asks git, which ignores `.lab`, and finds nothing to test.
    with tempfile.TemporaryDirectory(prefix="understudy-sanity-", dir="/var/tmp") as work:
        return _check(paths, _install(paths, Path(work)), call)


def _check(paths: Paths, installed: Path, call: Callable[..., bool]) -> bool:
    home = _home(paths)
    parts = [part for part in NOT_THE_COLLECTION if any(path.is_file() for path in (installed / part).rglob("*"))]
    excluded = [word for part in parts for word in ("--exclude", part)]
    environment = {"HOME": str(home), "ANSIBLE_CONFIG": "/dev/null", "PYTHONPATH": ""}
    words = ("sanity", "--venv", "--python", "3.11", "--color", "no", *excluded)
    return call("ansible-test", *words, env=environment, cwd=installed)


def _install(paths: Paths, work: Path) -> Path:
    """The collection installed under `work` from a freshly built artefact; returns its directory."""
    collections, artefact = work / "collections", work / "artefact"
    collections.mkdir()
    artefact.mkdir()
    galaxy = str(Path(paths.root / ".venv" / "bin" / "ansible-galaxy"))
    build = [galaxy, "collection", "build", str(paths.root), "--output-path", str(artefact), "--force"]
    run(build, limit_s=BUILD_LIMIT_S)
    archives = list(artefact.glob("*.tar.gz"))
    if len(archives) != 1:
        raise LabError(f"building the collection made {len(archives)} archives, not one")
    install = [galaxy, "collection", "install", str(archives[0]), "-p", str(collections), "--no-deps", "--force"]
    run(install, limit_s=BUILD_LIMIT_S)
    return next((collections / "ansible_collections").glob("*/*/MANIFEST.json")).parent


def _home(paths: Paths) -> Path:
    """A home directory for ansible-test: its environments and our stand-in, with the user's pip settings."""
    home = paths.lab / "sanity" / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in PIP_VERSIONS:
        (cache / f"get_pip_{version}.py").write_text(GET_PIP, encoding="utf-8")
    theirs = Path("~/.config/pip/pip.conf").expanduser()
    if theirs.exists():
        ours = home / ".config" / "pip" / "pip.conf"
        ours.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(theirs, ours)
    return home
