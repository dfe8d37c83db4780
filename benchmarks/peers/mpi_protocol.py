"""protocol.py for several MPI ranks: rank 0 talks, all run; the wall time is the slowest rank's, CPU time the sum."""

import os
import sys

import protocol
from mpi4py import MPI

COMM = MPI.COMM_WORLD
_folder = None


def job():
    """The job, for every rank."""
    global _folder
    task = COMM.bcast(protocol.job() if COMM.rank == 0 else None)
    _folder = task["folder"]
    return task


def _pipe(rank):
    return f"{_folder}/rank-{os.getppid()}-{rank}"


def serve(run):
    """As protocol.serve. Between runs ranks wait for a named pipe: in a collective call they would keep their cores busy."""
    if COMM.rank:
        os.mkfifo(_pipe(COMM.rank))
    COMM.barrier()
    if COMM.rank == 0:
        pipes = [open(_pipe(rank), "w") for rank in range(1, COMM.size)]
        protocol.answer(ready=True)
        lines = sys.stdin
    else:
        pipes, lines = [], open(_pipe(COMM.rank))
    for line in lines:
        for pipe in pipes:
            pipe.write(line)
            pipe.flush()
        COMM.barrier()
        wall, cpu, values, detail = run()
        wall, cpu = COMM.allreduce(wall, MPI.MAX), COMM.allreduce(cpu, MPI.SUM)
        if COMM.rank == 0:
            protocol.answer(wall=wall, cpu=cpu, answer=values, detail=detail)
