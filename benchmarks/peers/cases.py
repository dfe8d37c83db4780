"""What both peers of many-cases share: processes, a file each, answers."""

import multiprocessing
import os
import time

import h5py
import numpy as np


class Worker:
    """Solves cases in one process and writes each into this process's HDF5 file. `solve(case)` gives a dictionary of arrays."""

    solve = None
    file = None

    @classmethod
    def start(cls, prepare, job):
        cls.solve = staticmethod(prepare(job))
        cls.folder = job["folder"]

    @classmethod
    def one(cls, task):
        index, case = task
        clock = time.process_time()
        if cls.file is None:
            cls.file = h5py.File(f"{cls.folder}/peer-{os.getpid()}.h5", "w")
        fields = cls.solve(case)
        name = f"case-{index}"
        if name in cls.file:
            del cls.file[name]
        group = cls.file.create_group(name)
        for key, values in fields.items():
            group.create_dataset(key, data=values)
        largest = float(np.hypot(*fields["displacement"].T[:2]).max())
        return largest, len(fields["points"]), time.process_time() - clock


def runner(prepare, job):
    """A function that solves all cases, over `threads` processes."""
    cases = list(enumerate(np.load(job["folder"] + "/cases.npy")))
    if job["threads"] > 1:
        pool = multiprocessing.get_context("spawn").Pool(job["threads"], initializer=Worker.start, initargs=(prepare, job))
    else:
        Worker.start(prepare, job)

    def run():
        start = time.perf_counter()
        if job["threads"] > 1:
            results = pool.map(Worker.one, cases, chunksize=4)
        else:
            results = [Worker.one(case) for case in cases]
        wall = time.perf_counter() - start
        largest, nodes, cpu = (np.array(r) for r in zip(*results))
        return wall, float(cpu.sum()), {"displacement": float(largest.mean())}, {"nodes": float(nodes.mean())}

    return run
