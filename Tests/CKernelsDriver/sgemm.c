/// A plain cblas_sgemm, row-major only: it stands in for OpenBLAS where the driver is built for another processor or under a sanitizer.
void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc);

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc) {
    enum { TRANSPOSE = 112 };
    (void)order;
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++) {
                double left = transpose_a == TRANSPOSE ? a[(long)l * lda + i] : a[(long)i * lda + l];
                double right = transpose_b == TRANSPOSE ? b[(long)j * ldb + l] : b[(long)l * ldb + j];
                sum += left * right;
            }
            float *out = &c[(long)i * ldc + j];
            *out = (float)(alpha * sum + (beta == 0.0f ? 0.0 : beta * (double)*out));
        }
    }
}
