/// Sums of products of int8 codes in plain C, which clang turns into the widening multiply-adds of most processors.
static void dots_i8(const int8_t *queries, const int8_t *rows, int64_t Q, int64_t R, int64_t E, int32_t *dots, int64_t stride) {
    for (int64_t q = 0; q < Q; q++) {
        for (int64_t r = 0; r < R; r++) {
            const int8_t *a = queries + q * E, *b = rows + r * E;
            int32_t sum = 0;
            for (int64_t e = 0; e < E; e++) sum += a[e] * b[e];
            dots[q * stride + r] = sum;
        }
    }
}

static void dots_rows_i8(const int8_t *query, const int8_t *rows, const uint32_t *ids, int64_t count, int64_t E, int32_t *dots) {
    for (int64_t i = 0; i < count; i++) dots_i8(query, rows + (int64_t)ids[i] * E, 1, 1, E, dots + i, 1);
}
