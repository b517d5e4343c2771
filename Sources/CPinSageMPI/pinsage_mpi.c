#include "pinsage_mpi.h"
// The trait's name. Without it this file is empty, so that the package builds where no MPI is installed.
#ifdef PINSAGE_WITH_MPI
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

// MPI counts in int: longer arrays go in parts. Every rank cuts at the same places, because all give the same count.
enum { MOST = 1 << 28 };

int pinsage_mpi_start(int *rank, int *size, int *local_size) {
    int provided, code;
    MPI_Comm local;
    // Errors come back as codes: a message that says what was being done is better than MPI's own end of the process.
    if ((code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided))) return code;
    if ((code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN))) return code;
    if ((code = MPI_Comm_rank(MPI_COMM_WORLD, rank))) return code;
    if ((code = MPI_Comm_size(MPI_COMM_WORLD, size))) return code;
    if ((code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local))) return code;
    if ((code = MPI_Comm_size(local, local_size))) return code;
    return MPI_Comm_free(&local);
}

static int part(int64_t left) { return left < MOST ? (int)left : MOST; }

int pinsage_mpi_sum_f32(float *values, int64_t count) {
    int code = MPI_SUCCESS;
    for (int64_t at = 0; at < count && !code; at += MOST)
        code = MPI_Allreduce(MPI_IN_PLACE, values + at, part(count - at), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    return code;
}

int pinsage_mpi_sum_f64(double *values, int64_t count) {
    int code = MPI_SUCCESS;
    for (int64_t at = 0; at < count && !code; at += MOST)
        code = MPI_Allreduce(MPI_IN_PLACE, values + at, part(count - at), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return code;
}

int pinsage_mpi_broadcast(void *bytes, int64_t count) {
    int code = MPI_SUCCESS;
    for (int64_t at = 0; at < count && !code; at += MOST)
        code = MPI_Bcast((char *)bytes + at, part(count - at), MPI_BYTE, 0, MPI_COMM_WORLD);
    return code;
}

int pinsage_mpi_gather_counts(int64_t mine, int64_t *counts) {
    return MPI_Allgather(&mine, 1, MPI_INT64_T, counts, 1, MPI_INT64_T, MPI_COMM_WORLD);
}

int pinsage_mpi_gather(const void *mine, const int64_t *counts, void *bytes) {
    int rank, size, code;
    if ((code = MPI_Comm_rank(MPI_COMM_WORLD, &rank))) return code;
    if ((code = MPI_Comm_size(MPI_COMM_WORLD, &size))) return code;
    int64_t total = 0;
    for (int r = 0; r < size; r++) total += counts[r];
    // All ranks know all counts, so all refuse together.
    if (total > INT32_MAX) return MPI_ERR_COUNT;
    int *lengths = malloc(sizeof(int) * (size_t)size), *starts = malloc(sizeof(int) * (size_t)size);
    if (!lengths || !starts) {
        free(lengths);
        free(starts);
        return MPI_ERR_NO_MEM;
    }
    int64_t start = 0;
    for (int r = 0; r < size; r++) {
        lengths[r] = (int)counts[r];
        starts[r] = (int)start;
        start += counts[r];
    }
    code = MPI_Allgatherv(mine, lengths[rank], MPI_BYTE, bytes, lengths, starts, MPI_BYTE, MPI_COMM_WORLD);
    free(lengths);
    free(starts);
    return code;
}

int pinsage_mpi_finish(void) { return MPI_Finalize(); }

void pinsage_mpi_abort(int status) {
    MPI_Abort(MPI_COMM_WORLD, status);
    _Exit(status);
}

void pinsage_mpi_error_text(int code, char *text, int capacity) {
    char buffer[MPI_MAX_ERROR_STRING + 1] = "";
    int length = 0;
    MPI_Error_string(code, buffer, &length);
    snprintf(text, (size_t)capacity, "%s", buffer);
}
#else
// An object file of nothing is an error to some tools.
typedef int pinsage_mpi_is_off;
#endif
