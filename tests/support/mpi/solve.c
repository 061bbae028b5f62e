/* Solves Ax = b by Gaussian elimination with partial pivoting, rows dealt out in turn to the ranks (as LINPACK deals out
   columns), and prints the scaled residual of LINPACK, which must be below 16. Exits 3 if it is not. */
#include <float.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double entry(int i, int j) {
    unsigned x = (unsigned)i * 2654435761u + (unsigned)j * 40503u + 12345u;
    x ^= x >> 13; x *= 1274126177u; x ^= x >> 16;
    return x / 4294967296.0 - 0.5;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 200, rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    double began = MPI_Wtime();
    double *rows = malloc(sizeof(double) * ((n + size - 1) / size) * (n + 1)), *pivot = malloc(sizeof(double) * (n + 1));
    double *x = calloc(n, sizeof(double));
    int *done = calloc((n + size - 1) / size, sizeof(int)), *owner = malloc(sizeof(int) * n), *place = malloc(sizeof(int) * n);
    for (int i = rank; i < n; i += size) {
        double *row = rows + (size_t)(i / size) * (n + 1);
        for (int j = 0; j < n; j++) row[j] = entry(i, j);
        row[n] = entry(i, n);
    }
    for (int k = 0; k < n; k++) {
        struct { double value; int rank; } mine = {-1, rank}, best;
        int local = -1;
        for (int i = rank; i < n; i += size) {
            double a = fabs(rows[(size_t)(i / size) * (n + 1) + k]);
            if (!done[i / size] && a > mine.value) { mine.value = a; local = i / size; }
        }
        MPI_Allreduce(&mine, &best, 1, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD);
        owner[k] = best.rank;
        if (best.rank == rank) {
            done[local] = 1; place[k] = local;
            memcpy(pivot, rows + (size_t)local * (n + 1), sizeof(double) * (n + 1));
        }
        MPI_Bcast(pivot + k, n + 1 - k, MPI_DOUBLE, best.rank, MPI_COMM_WORLD);
        for (int i = rank; i < n; i += size) {
            if (done[i / size]) continue;
            double *row = rows + (size_t)(i / size) * (n + 1), factor = row[k] / pivot[k];
            for (int j = k; j <= n; j++) row[j] -= factor * pivot[j];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        if (owner[k] == rank) {
            double *row = rows + (size_t)place[k] * (n + 1), value = row[n];
            for (int j = k + 1; j < n; j++) value -= row[j] * x[j];
            x[k] = value / row[k];
        }
        MPI_Bcast(x + k, 1, MPI_DOUBLE, owner[k], MPI_COMM_WORLD);
    }
    double worst = 0, norm_a = 0, norm_x = 0;
    for (int i = rank; i < n; i += size) {
        double r = -entry(i, n), a = 0;
        for (int j = 0; j < n; j++) { r += entry(i, j) * x[j]; a += fabs(entry(i, j)); }
        worst = fmax(worst, fabs(r)); norm_a = fmax(norm_a, a);
    }
    for (int j = 0; j < n; j++) norm_x = fmax(norm_x, fabs(x[j]));
    double local[2] = {worst, norm_a}, all[2];
    MPI_Allreduce(local, all, 2, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    double residual = all[0] / (all[1] * norm_x * n * DBL_EPSILON);
    if (!rank) printf("n %d size %d seconds %.3f residual %.4f\n", n, size, MPI_Wtime() - began, residual);
    MPI_Finalize();
    return residual < 16 ? 0 : 3;
}
