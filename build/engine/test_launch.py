"""Tests of launch.py as a process, beside a small stand-in for the wheel's module."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LAUNCH = Path(__file__).resolve().with_name("launch.py")

# Binds the socket as the library does and notes the settings it was given.
STAND_IN = '''
import json, pathlib, socket, types

class CommonParams:
    def __init__(self):
        self.model, self.cpuparams, self.cpuparams_batch = (types.SimpleNamespace() for _ in range(3))
        self.port = self.n_ctx = 0
        self.n_parallel, self.n_threads_http = 1, -1

class Server:
    def __init__(self, p):
        note = json.dumps(vars(p), default=lambda v: list(v) if isinstance(v, set) else vars(v))
        pathlib.Path(__file__).with_name("seen").write_text(note)
        self.held = socket.socket(socket.AF_UNIX)
        self.held.bind(p.hostnames[0])
        self.held.listen()
        self.listening_address = p.hostnames[0]
        if p.model.path.startswith("bad"):
            self.held.close()
            raise RuntimeError("no")
        if p.model.path.startswith("slow"):
            print("loading", flush=True)
            self.held.accept()
'''


class Case(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.home = Path(made.name)
        (self.home / "xllamacpp").mkdir()
        (self.home / "xllamacpp/__init__.py").write_text(STAND_IN)
        shutil.copy(LAUNCH, self.home)
        self.socket = self.home / "e.sock"

    def command(self, *flags):
        return [sys.executable, "-I", str(self.home / "launch.py"), *flags]

    def run_once(self, *flags):
        return subprocess.run(self.command(*flags), capture_output=True, text=True)

    def start(self, model="good.gguf", *flags):
        process = subprocess.Popen(
            self.command("--model", model, "--host", str(self.socket), *flags),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def ready(self, *flags):
        process = self.start("good.gguf", *flags)
        self.assertEqual(process.stderr.readline(), f"ready on {self.socket}\n")
        return process

    def leave_stale_socket(self):
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(self.socket))


class Flags(Case):
    def test_version(self):
        done = self.run_once("--version")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertRegex(done.stderr, r"^version: 11549 \(xllamacpp 2026\.10\.11549\)\n$")

    def test_bad_use_is_named(self):
        for flags, said in (
            (["--mlock"], "unknown flag: --mlock"),
            (["--model", "m", "--rpc", "x"], "unknown flag: --rpc"),
            (["-c", "many"], "-c needs a whole number, not 'many'"),
            (["--port"], "--port needs a value"),
            (["-np", "1"], "--model is missing"),
        ):
            done = self.run_once(*flags)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)

    def test_flags_reach_the_library(self):
        self.ready("-a", "n", "-c", "512", "-np", "2", "-t", "3", "-tb", "4", "-cram", "5",
                   "--threads-http", "6", "--poll-batch", "1", "--no-warmup", "--embeddings")
        seen = json.loads((self.home / "xllamacpp/seen").read_text())
        for name, want in {
            "model": {"path": "good.gguf"}, "model_alias": ["n"], "hostnames": [str(self.socket)],
            "n_ctx": 512, "n_parallel": 2, "cache_ram_mib": 5, "n_threads_http": 6,
            "warmup": False, "embedding": True, "ui": False, "use_jinja": True,
            "cpuparams": {"n_threads": 3, "poll": 0}, "cpuparams_batch": {"n_threads": 4, "poll": 1},
            "endpoint_props": False, "endpoint_slots": False, "cors_origins": "", "verbosity": 1,
        }.items():
            self.assertEqual(seen[name], want, name)


class Socket(Case):
    def test_is_private_and_gone_after_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.ready()
            self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o600)
            process.send_signal(number)
            self.assertEqual(process.wait(), 0)
            self.assertFalse(self.socket.exists())

    def test_stale_one_is_replaced(self):
        self.leave_stale_socket()
        self.ready()

    def test_one_in_use_is_left_alone(self):
        first = self.ready()
        second = self.start()
        self.assertEqual(second.wait(), 1)
        self.assertIn("is in use by another server", second.stderr.read())
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(self.socket))
        self.assertIsNone(first.poll())

    def test_other_file_is_left_alone(self):
        self.socket.write_text("mine")
        process = self.start()
        self.assertEqual(process.wait(), 1)
        self.assertIn("is not a socket", process.stderr.read())
        self.assertEqual(self.socket.read_text(), "mine")

    def test_successor_is_not_removed(self):
        process = self.ready()
        self.socket.unlink()
        self.leave_stale_socket()
        process.terminate()
        self.assertEqual(process.wait(), 0)
        self.assertTrue(self.socket.exists())


class Life(Case):
    def test_model_that_does_not_load(self):
        process = self.start("bad.gguf")
        self.assertEqual(process.wait(), 1)
        self.assertIn("bad.gguf could not be served", process.stderr.read())
        self.assertFalse(self.socket.exists())

    def test_signal_while_loading_ends_it(self):
        process = self.start("slow.gguf")
        self.assertEqual(process.stdout.readline(), "loading\n")
        process.terminate()
        self.assertEqual(process.wait(), -signal.SIGTERM)

    def test_ends_with_its_parent(self):
        command = self.command("--model", "good.gguf", "--host", str(self.socket))
        parent = subprocess.Popen(
            [sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"],
            stderr=subprocess.PIPE, text=True,
        )
        self.assertIn("ready on", parent.stderr.readline())
        parent.kill()
        parent.communicate()  # the pipe ends when the last holder of it, the server, is gone
        self.assertFalse(self.socket.exists())

    def test_missing_library(self):
        shutil.rmtree(self.home / "xllamacpp")
        process = self.start()
        self.assertEqual(process.wait(), 1)
        self.assertIn("load the engine: No module named", process.stderr.read())


if __name__ == "__main__":
    unittest.main()
