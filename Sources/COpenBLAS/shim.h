// OpenBLAS as the distribution installs it. LAPACK is in the same library but not in cblas.h, and Debian ships
// lapacke.h in another package, so the Fortran symbols in use are declared here.
#ifndef PINSAGE_COPENBLAS_SHIM_H
#define PINSAGE_COPENBLAS_SHIM_H
#include <cblas.h>

void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info);

// Cholesky factor of a positive definite matrix, and the inverse from it.
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void spotri_(const char *uplo, const int *n, float *a, const int *lda, int *info);
#endif
