"""Hands a list round through all ranks, and adds up their numbers: a program for mpi4py."""

from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.Get_rank(), world.Get_size()
token = [0]
if rank == 0:
    world.send([0], dest=(rank + 1) % size)
    token = world.recv(source=size - 1)
else:
    token = world.recv(source=rank - 1)
    world.send([*token, rank], dest=(rank + 1) % size)
print("total", rank, world.allreduce(rank + 1), flush=True)
if rank == 0:
    print("ring", token, flush=True)
