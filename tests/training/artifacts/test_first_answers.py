from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import tiny
from tests.conftest import ROOT
from training.artifacts.version_files import SERVING_MODEL_NAMES

# Whoever looks NumPy up lets other threads run in the meantime, as a busy machine does now and then.
ASK_IN_TWO_THREADS = f"""
import builtins, sys, threading, time
from pathlib import Path
import numpy
from training.artifacts.serving_model import open_serving_model

def slowly(name, *rest, load=builtins.__import__):
    if "multiarray" in name:
        time.sleep(0.2)
    return load(name, *rest)

builtins.__import__ = slowly
both = threading.Barrier(2)
answers = []

def open_and_ask():
    both.wait()
    serving_model = open_serving_model(*(Path(sys.argv[1], name).read_bytes() for name in {SERVING_MODEL_NAMES}))
    both.wait()
    answers.append(serving_model(numpy.zeros((1, {tiny.CONFIG.image_size}, {tiny.CONFIG.image_size}, 3), "float32")))

threads = [threading.Thread(target=open_and_ask) for _ in range(2)]
for each in threads: each.start()
for each in threads: each.join()
print([each.shape for each in answers])
"""


def test_two_threads_may_ask_for_the_first_answers_of_a_process_at_once(tiny_files: Path) -> None:
    command = [sys.executable, "-c", ASK_IN_TWO_THREADS, str(tiny_files)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[(2,), (2,)]"
