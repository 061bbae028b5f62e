#!/bin/sh
#PBS -N where
#PBS -l nodes=2:ppn=1,walltime=00:01:00
#PBS -j oe
# Any program that was built for the MPI whose mpiexec this is may stand here in the place of hostname.
cd "$PBS_O_WORKDIR" || exit 1
cat "$PBS_NODEFILE"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # Open MPI does not run for root otherwise
mpiexec hostname
