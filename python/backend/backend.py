"""Builds the package: what maturin builds, and the `zonas` command, which maturin does not put beside an extension module."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import maturin
from maturin import (  # noqa: F401  (hooks that stay as they are)
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "target" / "wheel" / "zonas.data" / "scripts"


def _command(target: str | None = None) -> None:
    """Builds the command and lays it where maturin takes scripts from. `target` is one of cargo-zigbuild's."""
    build = ["cargo", "zigbuild", "--target", target] if target else ["cargo", "build"]
    # With the extension's package, so that what both depend on is built once, with the features of both.
    build += ["--release", "--locked", "-p", "zonas", "-p", "zonas-python", "--bin", "zonas", "--features", "zonas/cuda"]
    subprocess.run(build, cwd=ROOT, check=True)
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if target:
        # Without the version of glibc, which is no part of the folder's name.
        built /= target.split(".")[0]
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    shutil.copy2(built / "release" / "zonas", SCRIPTS / "zonas")


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    _command()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    _command()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


get_requires_for_build_editable = maturin.get_requires_for_build_editable


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    # maturin asks that the folder is there.
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    return maturin.build_sdist(sdist_directory, config_settings)


if __name__ == "__main__":
    # A wheel for others: `python python/backend/backend.py manylinux` with maturin, ziglang and cargo-zigbuild installed.
    import sys

    if sys.argv[1:] != ["manylinux"]:
        sys.exit("usage: python python/backend/backend.py manylinux")
    machine = f"{os.uname().machine}-unknown-linux-gnu"
    _command(f"{machine}.2.28")
    subprocess.run(
        ["maturin", "build", "--release", "--zig", "--target", machine, "--compatibility", "manylinux_2_28", "--out", "dist"],
        cwd=ROOT,
        check=True,
    )
