#ifndef PINSAGE_MPI_H
#define PINSAGE_MPI_H
#include <stdint.h>

/// MPI as PinSageMPI uses it: all ranks of MPI_COMM_WORLD, blocking calls, sizes of 64 bits. mpi.h itself is macros that Swift cannot import.
/// Every function gives 0 or an MPI error code, for pinsage_mpi_error_text. Only the thread that started MPI may call them.
/// Built without the package trait MPI, the functions are not there.

/// Starts MPI. local_size: ranks that share this machine's memory.
int pinsage_mpi_start(int *rank, int *size, int *local_size);
/// values[i] becomes its sum over all ranks. Every rank gives the same count.
int pinsage_mpi_sum_f32(float *values, int64_t count);
int pinsage_mpi_sum_f64(double *values, int64_t count);
/// What rank 0 has replaces what the others have. Every rank gives the same count of bytes.
int pinsage_mpi_broadcast(void *bytes, int64_t count);
/// counts (size) becomes what each rank gave as `mine`.
int pinsage_mpi_gather_counts(int64_t mine, int64_t *counts);
/// bytes become those of all ranks, one after the other; counts (size) are those of pinsage_mpi_gather_counts.
int pinsage_mpi_gather(const void *mine, const int64_t *counts, void *bytes);
/// Ends MPI; every rank calls it at the end of its work.
int pinsage_mpi_finish(void);
/// Ends this and every other rank with a status. Does not return.
void pinsage_mpi_abort(int status);
/// What an error code means, as text of at most capacity - 1 bytes and a zero.
void pinsage_mpi_error_text(int code, char *text, int capacity);
#endif
