"""The peer's side of benchmarks/src/peer.rs: a job in one line of JSON, then an answer for every line `run`."""

import json
import os
import sys
import time

# Libraries print what they like: only answers go to the real standard output.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(**values):
    print(json.dumps(values), file=_answers, flush=True)


def job():
    """The job that the benchmark sends first."""
    return json.loads(sys.stdin.readline())


def missing(error):
    """Tells that something is not installed, and ends."""
    sys.stdin.readline()
    answer(missing=str(error))
    sys.exit(0)


class Timer:
    """Wall and CPU seconds of a block."""

    def __enter__(self):
        self.start, self.cpu_start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall = time.perf_counter() - self.start
        self.cpu = time.process_time() - self.cpu_start


def serve(run):
    """Answers until the input ends. `run()` gives (wall, cpu, answer, detail)."""
    answer(ready=True)
    for line in sys.stdin:
        if line.strip() == "run":
            wall, cpu, values, detail = run()
            answer(wall=wall, cpu=cpu, answer=values, detail=detail)
