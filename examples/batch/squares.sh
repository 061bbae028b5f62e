#!/bin/sh
#PBS -N squares
#PBS -t 1-5%2
#PBS -l nodes=1:ppn=1,walltime=00:01:00,mem=64mb
#PBS -j oe
echo "$PBS_ARRAYID squared is $((PBS_ARRAYID * PBS_ARRAYID)), says $PBS_JOBID"
