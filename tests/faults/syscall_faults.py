#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails each system call that the store makes on its files, each time that it makes it.

strace first lists the calls of store_probe on the files of its cache, then runs it again and again with one of them
failing: once, or from then on; with a kill in its place; or with a result that is not true. Asserted: every request of
the probe gets the right bytes, and a clean run afterwards finds a cache that works. An error, or a kill, must not make
a good database count as damaged; a lie, or a disk that reads nothing any more, may.
"""

import argparse
import collections
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

ERRORS = ["ENOSPC", "EIO", "EROFS", "EACCES", "EMFILE"]
# What a call says without having done it. Of reads: nothing, a little, a page of whatever was in memory. Of writes:
# nothing, a little, a page that never arrives.
LIES = {"pread64": [0, 10, 4096], "pwrite64": [0, 10, 4096], "ftruncate": [0], "fdatasync": [0], "fsync": [0],
        "flock": [0], "unlink": [0], "rename": [0]}
SKIPPED = 77


class Fault(collections.namedtuple("Fault", "start syscall number effect")):
    """One run: from which directory, at which call, the strace expression of what happens."""

    def is_lie(self):
        return self.effect.startswith("retval")

    def may_damage(self):
        """A disk that goes on failing to read cannot be told from a database that is gone."""
        return self.is_lie() or ("EIO" in self.effect and self.effect.endswith("+"))

    def __str__(self):
        return f"{self.start}: {self.syscall} {self.number}: {self.effect}"


class Suite:
    def __init__(self, probe, scratch):
        self.probe = probe
        self.scratch = scratch
        self.starts = {}

    def prepare(self):
        """The directories that runs start from: none, one that was closed, one whose writer was killed."""
        closed = os.path.join(self.scratch, "closed")
        subprocess.run([self.probe, closed, "clean"], check=True)
        names = os.listdir(closed)
        databases = [name for name in names if name.endswith(".db")]
        names += [name + end for name in databases for end in ("-wal", "-shm", "-journal")]
        self.files = sorted(set(names))
        killed = os.path.join(self.scratch, "killed")
        writes = self.calls_of("absent")["pwrite64"]
        run = self.strace(killed, "pwrite64", f"signal=KILL:when={writes * 3 // 4}")
        if run.returncode == 0:
            sys.exit("the probe was not killed")
        self.starts = {"absent": None, "closed": closed, "killed": killed}

    def strace(self, directory, syscall, effect, log=os.devnull):
        command = ["strace", "-f", "-qq", "-o", log, "-P", directory]
        for name in self.files:
            command += ["-P", os.path.join(directory, name)]
        if syscall:
            command += ["-e", f"trace={syscall}", "-e", f"inject={syscall}:{effect}"]
        return subprocess.run(command + [self.probe, directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=120, check=False)

    def lay_out(self, start, directory):
        if self.starts.get(start):
            shutil.copytree(self.starts[start], directory)

    def calls_of(self, start):
        """How often each system call is made on the files of the cache."""
        directory = os.path.join(self.scratch, "listed")
        log = os.path.join(self.scratch, "log")
        self.lay_out(start, directory)
        run = self.strace(directory, None, None, log)
        if run.returncode != 0:
            sys.exit("the probe failed without a fault: " + run.stdout.decode())
        shutil.rmtree(directory)
        with open(log, encoding="utf-8", errors="replace") as lines:
            return collections.Counter(re.findall(r"^(?:[0-9]+ +)?([a-z_0-9]+)\(", lines.read(), re.MULTILINE))

    def all_faults(self):
        for start in self.starts:
            for syscall, count in sorted(self.calls_of(start).items()):
                for number in range(1, count + 1):
                    for error in ERRORS:
                        yield Fault(start, syscall, number, f"error={error}:when={number}")
                        yield Fault(start, syscall, number, f"error={error}:when={number}+")
                    yield Fault(start, syscall, number, f"error=EINTR:when={number}")
                    yield Fault(start, syscall, number, f"signal=KILL:when={number}")
                    for lie in LIES.get(syscall, []):
                        yield Fault(start, syscall, number, f"retval={lie}:when={number}")

    def check(self, fault):
        """None, or what went wrong."""
        directory = tempfile.mkdtemp(dir=self.scratch)
        cache = os.path.join(directory, "cache")
        try:
            self.lay_out(fault.start, cache)
            try:
                run = self.strace(cache, fault.syscall, fault.effect)
            except subprocess.TimeoutExpired:
                return f"{fault}: hangs"
            expected = [0, -9, 137] if "KILL" in fault.effect else [0]
            if run.returncode not in expected:
                return f"{fault}: status {run.returncode}: {run.stdout.decode(errors='replace')}"
            bad = [name for name in os.listdir(cache) if ".bad-" in name] if os.path.isdir(cache) else []
            if bad and not fault.may_damage():
                return f"{fault}: a good database was taken for damaged: {bad}: {run.stdout.decode(errors='replace')}"
            # A lie may leave damage that the first clean run finds and sets aside, or that no read meets.
            for _ in range(2 if fault.is_lie() else 1):
                wanted = "works" if fault.is_lie() else "clean"
                clean = subprocess.run([self.probe, cache, wanted], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       timeout=120, check=False)
                if clean.returncode == 0:
                    return None
                if clean.returncode < 0 or b"wrong" in clean.stdout:
                    break
            return f"{fault}: the next clean run fails: {clean.stdout.decode(errors='replace')}"
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def may_trace():
    if shutil.which("strace") is None:
        return "strace is not installed"
    run = subprocess.run(["strace", "-qq", "-o", os.devnull, "-e", "inject=getppid:retval=1", "true"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return None if run.returncode == 0 else "strace may not trace here: " + run.stdout.decode(errors="replace").strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("probe", help="the program store_probe")
    parser.add_argument("--seed", type=int, default=1, help="which faults are chosen; 0: others each time")
    parser.add_argument("--count", type=int, default=300, help="how many; 0: all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="part of the name of a fault, as printed after a failure")
    arguments = parser.parse_args()
    problem = may_trace()
    if problem:
        print("skipped:", problem)
        return SKIPPED
    seed = arguments.seed or time.time_ns() % 1_000_000_000
    root = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=root, prefix="sinter-syscalls-") as scratch:
        suite = Suite(arguments.probe, scratch)
        suite.files = []
        suite.prepare()
        for start in suite.starts:
            print(f"{start}:", ", ".join(f"{name} {count}" for name, count in sorted(suite.calls_of(start).items())))
        faults = [fault for fault in suite.all_faults() if not arguments.only or arguments.only in str(fault)]
        total = len(faults)
        if 0 < arguments.count < total:
            faults = random.Random(seed).sample(faults, arguments.count)
        print(f"seed {seed}: {len(faults)} of {total} faults", flush=True)
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as executor:
            failures = [failure for failure in executor.map(suite.check, faults) if failure]
    print("\n".join(failures[:50]))
    print(f"{len(faults)} faults injected, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
