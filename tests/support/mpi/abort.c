/* Rank 1 dies by a signal while all others wait for it for ever. */
#include <mpi.h>
#include <signal.h>

int main(int argc, char **argv) {
    int rank, nothing;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 1) raise(SIGKILL);
    MPI_Recv(&nothing, 1, MPI_INT, rank == 0 ? 1 : 0, 99, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Finalize();
    return 0;
}
