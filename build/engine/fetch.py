"""Gets pinned packages with pip and lets nothing through that is not as pinned.

pip is used as the machine has it configured; it is told the pinned checksums,
and what it brings is checked again here before anything is unpacked.
"""

import collections
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import zipfile

Pin = collections.namedtuple("Pin", "name version arch sha256")


class Failure(Exception):
    """Ends the program with one clear sentence."""


class Pins:
    """What pins.txt says: packages by name and architecture, files by their package."""

    def __init__(self, path):
        self.packages, self.files = [], {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.partition("#")[0].split()
            if words and not self.add(words):
                raise Failure(f"{path}:{number}: not a pin: {line.strip()}")

    def add(self, words):
        """Takes one line; false when it is none that we know."""
        if not re.fullmatch("[0-9a-f]{64}", words[-1]):
            return False
        if words[0] == "pypi" and len(words) == 5:
            self.packages.append(Pin(*words[1:]))
            return True
        if words[0] == "file" and len(words) == 3 and self.packages:
            self.files[self.packages[-1].name] = tuple(words[1:])
            return True
        return False

    def package(self, name, arch):
        """The pin of a package for an architecture, or None."""
        found = (pin for pin in self.packages if (pin.name, pin.arch) == (name, arch))
        return next(found, None)

    def hashes(self, pin):
        """The digests that pip may accept: those of every architecture."""
        same = (pin.name, pin.version)
        return [other.sha256 for other in self.packages if (other.name, other.version) == same]

    def file_of(self, package):
        """Name and digest of the file that is wanted from a package."""
        return self.files[package]


class Pip:
    """The machine's own pip."""

    def __init__(self, pins, quiet):
        self.pins, self.quiet = pins, quiet

    def download(self, pin, folder, instead):
        """The path of the pinned package, verified. `instead` is what else the user can do."""
        if importlib.util.find_spec("pip") is None:
            raise Failure(f"pip is missing: apt install python3-pip, or {instead}")
        status, said = self.run(self.command(pin, folder))
        if status != 0:
            raise Failure(why(pin, said, instead))
        found = next(folder.glob("*.tar.gz" if pin.arch == "sdist" else "*.whl"))
        check(found, pin.sha256)
        return found

    def command(self, pin, folder):
        wanted = folder / "requirements.txt"
        hashes = "".join(f" --hash=sha256:{digest}" for digest in self.pins.hashes(pin))
        wanted.write_text(f"{pin.name}=={pin.version}{hashes}\n")
        kind = ["--no-binary", pin.name] if pin.arch == "sdist" else ["--only-binary", ":all:"]
        return [
            sys.executable, "-m", "pip", "download", "--no-deps", *kind,
            "--require-hashes", "--disable-pip-version-check", "--no-input",
            *(["--quiet"] if self.quiet else []), "-r", str(wanted), "-d", str(folder),
        ]

    def run(self, command):
        """Status and complaints of pip; both its streams still reach the terminal."""
        said = []
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as pip:
            for line in pip.stderr:
                sys.stderr.write(line)
                said.append(line)
        return pip.returncode, "".join(said)


def why(pin, said, instead):
    """One sentence on why pip failed: a wrong file is another matter than no network."""
    got = re.search("Got +([0-9a-f]{64})", said)
    if got:
        return wrong(f"{pin.name} {pin.version}", pin.sha256, got[1])
    return (
        f"could not fetch {pin.name} {pin.version} (pip's words are above):"
        f" run this again when online, or {instead}"
    )


def wrong(what, want, got):
    return f"{what} has a wrong checksum and was not installed: expected sha256 {want}, got {got}"


def check(path, want):
    """Fails unless the file has the digest it must have."""
    got = sha256(path)
    if got != want:
        raise Failure(wrong(path.name, want, got))


def sha256(path):
    """The digest of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(wheel, folder, only=None):
    """Unpacks a verified wheel, or only the file of one name; every byte is on disk after."""
    with zipfile.ZipFile(wheel) as archive:
        members = [
            member for member in archive.namelist()
            if not member.endswith("/") and only in (None, os.path.basename(member))
        ]
        if not members:
            raise Failure(f"{wheel.name} has no {only} in it")
        for member in members:
            sync(archive.extract(member, folder))
    return folder


def unpack_source(archive, folder, tree):
    """Unpacks one folder of a verified source archive and returns its path."""
    with tarfile.open(archive) as source:
        members = [member for member in source.getmembers() if member.name.split("/")[1:2] == [tree]]
        if not members:
            raise Failure(f"{archive.name} has no {tree} in it")
        careful = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        source.extractall(folder, members, **careful)
        return folder / members[0].name.split("/")[0] / tree


def sync(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def build_of(server):
    """The build number that a llama-server reports; 0 when it reports none."""
    try:
        done = subprocess.run(
            [server, "--version"], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    # "version: 11549 (commit)", and since 0.6 "version: 0.6.0 (build 11549, commit ...)"
    found = re.search(r"^version:\s*(?:\S+ \(build |b?)(\d+)\b(?!\.)", done.stdout + done.stderr, re.MULTILINE)
    return int(found[1]) if found else 0
