"""What the Python stories share: facts as lines, chapters, conditions to wait for, members to kill."""

import os
import subprocess
import sys
import time

# Records carry these times, so that looking them up gives the same offset in every run.
EPOCH = 1_700_000_000_000
LIMIT = 60.0
# How many replicas topics have.
REPLICAS = int(os.environ["REPLICAS"])


def fact(name, *values):
    """Prints one observed fact."""
    print(f"{name}:", *values, flush=True)


def refused(name, action):
    """Prints how `action` fails; that it does not fail is a fact too."""
    try:
        fact(name, "accepted", action())
    except Exception as error:
        fact(name, type(error).__name__, describe(error))


def describe(error):
    """An error's text on one line; of those that quote the request too, what was answered."""
    return " ".join(str(error).split("failed with response")[-1].split())


def plain(value):
    """A value as text whose order is that of the names in it."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{plain(key)}: {plain(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    return str(value)


def wait_until(name, condition):
    """Calls `condition`, which does some of the work itself, until it holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            fact(name, "did not happen")
            sys.exit(1)


def tell(chapters):
    """Runs the chapters that the command line names, or all of them in order."""
    chosen = sys.argv[3:] or list(chapters)
    for name in chosen:
        fact("chapter", name)
        chapters[name]()
    fact("end", "of the story")


class Member:
    """A group member in a process of its own, to be killed without a word to the broker."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, *sys.argv[:3], "member", *arguments])

    def kill(self):
        self.process.kill()
        self.process.wait()
