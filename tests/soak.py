"""Repeat the model tests for some minutes, with new random steps in each round.

    python tests/soak.py [MINUTES] [SEED]

It stops at the first failure. SEED is that of the first round, and each round adds one
to it. The seed alone determines the steps and the rung of a round, so starting with the
seed of a failed round repeats the failure.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = ["tests/test_model.py", "tests/test_array_model.py", "tests/test_io_model.py"]
RUNGS = ["", "maymove", "copy", "heap"]


def run(seed):
    """Run one round; return pytest's exit code."""
    rung = RUNGS[seed % len(RUNGS)]
    print(f"SEED={seed} (rung: {rung or 'best available'})", flush=True)
    options = ["-q", "-x", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *MODELS],
        cwd=ROOT,
        env={**os.environ, "GROWBUF_SOAK": "1", "GROWBUF_STRATEGY": rung},
    ).returncode


def main(minutes="60", seed=""):
    end = time.monotonic() + 60 * float(minutes)
    seed = int(seed or random.randrange(1_000_000))
    while time.monotonic() < end:
        if code := run(seed):
            print(f"to repeat this round: make soak SEED={seed}")
            return code
        seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
