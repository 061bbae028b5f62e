/* A token goes round all ranks; then all add up; each rank says where it is. Exits 3 if a number is wrong. */
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int rank, size, token = 0, sum = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank) MPI_Recv(&token, 1, MPI_INT, rank - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    token += rank;
    MPI_Send(&token, 1, MPI_INT, (rank + 1) % size, 0, MPI_COMM_WORLD);
    if (!rank) MPI_Recv(&token, 1, MPI_INT, size - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    char host[256];
    gethostname(host, sizeof host);
    printf("rank %d on %s\n", rank, host);
    if (!rank) printf("ring %d sum %d size %d\n", token, sum, size);
    int wrong = sum != size * (size - 1) / 2 || (!rank && token != sum);
    MPI_Finalize();
    return wrong ? 3 : 0;
}
