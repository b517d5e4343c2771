// OpenBLAS as the distribution installs it. LAPACK's symmetric eigensolver is in the same library but not in
// cblas.h, and Debian ships lapacke.h in another package, so its Fortran symbol is declared here.
#ifndef PINSAGE_COPENBLAS_SHIM_H
#define PINSAGE_COPENBLAS_SHIM_H
#include <cblas.h>

void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info);
#endif
