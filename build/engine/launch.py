#!/usr/bin/env python3
"""llama-server over the xllamacpp wheel.

Takes the flags of llama-server that nearside uses and serves the same HTTP API on
a Unix socket (a --host that ends in .sock) or a TCP address. It stands beside the
unpacked wheel, opens no connection of its own and writes no file but the socket.

SIGTERM and SIGINT end it with status 0 and the socket removed; while the model is
still loading they end it as any signal does, since the library cannot be
interrupted then. It ends with its parent. The parent is the thread that started it.
"""

import ctypes
import os
import signal
import socket
import stat
import sys

BUILD = 11549
VERSION = "2026.10.11549"

USAGE = "usage: launch.py --model FILE [--host PATH.sock] [flags of llama-server]"

# flag -> (setting, type); a type of None is a switch
FLAGS = {
    "--model": ("model", str), "-m": ("model", str),
    "--alias": ("alias", str), "-a": ("alias", str),
    "--host": ("host", str),
    "--port": ("port", int),
    "--ctx-size": ("ctx_size", int), "-c": ("ctx_size", int),
    "--parallel": ("parallel", int), "-np": ("parallel", int),
    "--threads": ("threads", int), "-t": ("threads", int),
    "--threads-batch": ("threads_batch", int), "-tb": ("threads_batch", int),
    "--threads-http": ("threads_http", int),
    "--poll": ("poll", int),
    "--poll-batch": ("poll_batch", int),
    "--cache-ram": ("cache_ram", int), "-cram": ("cache_ram", int),
    "--no-warmup": ("no_warmup", None),
    "--embeddings": ("embeddings", None),
    "--version": ("version", None),
}


class Failure(Exception):
    """Ends the program with a status and one line."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


def parse(args):
    """Settings by name; a flag that is not known or has no good value is a Failure."""
    settings, rest = {}, iter(args)
    for flag in rest:
        if flag not in FLAGS:
            raise Failure(f"unknown flag: {flag}\n{USAGE}", 2)
        name, kind = FLAGS[flag]
        settings[name] = True if kind is None else value(flag, kind, next(rest, None))
    return settings


def value(flag, kind, text):
    if text is None:
        raise Failure(f"{flag} needs a value", 2)
    try:
        return kind(text)
    except ValueError:
        raise Failure(f"{flag} needs a whole number, not {text!r}", 2) from None


def spare_cores():
    """All cores but one, so that the rest of the device stays quick."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def params(lib, given):
    """The library's settings: what was given, and what nearside always wants."""
    p = lib.CommonParams()
    p.model.path = given["model"]
    if "alias" in given:
        p.model_alias = {given["alias"]}
    p.hostnames = [given.get("host", "127.0.0.1")]
    p.port = given.get("port", p.port)
    p.n_ctx = given.get("ctx_size", p.n_ctx)
    p.n_parallel = given.get("parallel", p.n_parallel)
    p.n_threads_http = given.get("threads_http", p.n_threads_http)
    p.cache_ram_mib = given.get("cache_ram", 64)
    p.warmup = "no_warmup" not in given
    p.embedding = "embeddings" in given
    set_threads(p, given)
    p.use_jinja = True
    p.fit_params = False  # would load a bad file twice, and shrink what was asked for
    p.endpoint_props = p.endpoint_slots = p.endpoint_metrics = False
    p.ui = False
    p.cors_origins = ""
    p.verbosity = 1  # errors only: never the text of a prompt
    return p


def set_threads(p, given):
    p.cpuparams.n_threads = given.get("threads", spare_cores())
    p.cpuparams.poll = given.get("poll", 0)
    p.cpuparams_batch.n_threads = given.get("threads_batch", p.cpuparams.n_threads)
    p.cpuparams_batch.poll = given.get("poll_batch", p.cpuparams.poll)


def follow_parent(parent):
    """Asks the kernel for SIGTERM when the parent dies, and notices if it just did."""
    set_pdeathsig = 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(set_pdeathsig, signal.SIGTERM, 0, 0, 0) != 0:
        raise Failure(f"follow the parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        raise Failure("the parent is gone")


def clear_socket(path):
    """Removes a socket that nobody listens on; anything else there is a Failure."""
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Failure(f"{path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as problem:
            raise Failure(f"try {path}: {problem}") from None
    raise Failure(f"{path} is in use by another server")


def identity(path):
    """What tells our socket from one that another server put in its place."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def load(given, path):
    """The running server, or a Failure once llama.cpp has said what is wrong."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.dont_write_bytecode = True
    try:
        import xllamacpp
        return xllamacpp.Server(params(xllamacpp, given))
    except ImportError as problem:
        raise Failure(f"load the engine: {problem}") from None
    except RuntimeError:
        if path:
            clear_socket(path)
        raise Failure(f"{given['model']} could not be served") from None


def catch_signals():
    """What can be read from after SIGTERM or SIGINT, whichever thread the kernel gives it to."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return woken


def serve(given):
    """Serves until told to stop; ends the process without tearing the library down."""
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    follow_parent(parent)
    os.umask(0o177)
    host = given.get("host", "")
    path = os.path.abspath(host) if host.endswith(".sock") else None
    if path:
        clear_socket(path)
    server = load(given, path)
    ours = path and identity(path)
    woken = catch_signals()
    print(f"ready on {server.listening_address}", file=sys.stderr, flush=True)
    os.read(woken, 1)
    if ours and identity(path) == ours:
        os.unlink(path)
    os._exit(0)


def main(args):
    try:
        given = parse(args)
        if "version" in given:
            print(f"version: {BUILD} (xllamacpp {VERSION})", file=sys.stderr)
            return 0
        if "model" not in given:
            raise Failure(f"--model is missing\n{USAGE}", 2)
        serve(given)
    except Failure as failure:
        print(f"launch.py: {failure}", file=sys.stderr, flush=True)
        os._exit(failure.status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
