/// Sums of products of int8 codes with VNNI: 64 products per instruction. It multiplies unsigned by signed bytes, so rows are read as
/// x + 128 and 128 times the query's sum is taken off again.
PS_INLINE i8x64 i8_load(const int8_t *p) {
    i8x64 v;
    memcpy(&v, p, sizeof v);
    return v;
}
PS_INLINE i8x64 i8_load_part(const int8_t *p, int64_t n) {
    i8x64 v = 0;
    memcpy(&v, p, (size_t)n);
    return v;
}
PS_INLINE int32_t vi_sum(vi v) { return __builtin_reduce_add(v); }

/// QUERIES x 4 sums. A part of a query is filled with zeros, which also cancel the 128 in the row's missing bytes.
PS_INLINE void tile_i8(const int queries_at_once, const int rows_at_once, const int8_t *queries, const int8_t *rows, int64_t E, int32_t *dots,
                       int64_t stride) {
    vi sums[3][4], offsets[3];
    const i8x64 flip = (int8_t)-128;
    for (int q = 0; q < queries_at_once; q++) {
        offsets[q] = 0;
        for (int r = 0; r < rows_at_once; r++) sums[q][r] = 0;
    }
    for (int64_t e = 0; e < E; e += 64) {
        int64_t n = E - e;
        i8x64 y[3];
        for (int q = 0; q < queries_at_once; q++) {
            y[q] = n >= 64 ? i8_load(queries + q * E + e) : i8_load_part(queries + q * E + e, n);
            offsets[q] = i8_dot(offsets[q], flip, y[q]);
        }
        for (int r = 0; r < rows_at_once; r++) {
            i8x64 x = (n >= 64 ? i8_load(rows + r * E + e) : i8_load_part(rows + r * E + e, n)) ^ flip;
            for (int q = 0; q < queries_at_once; q++) sums[q][r] = i8_dot(sums[q][r], x, y[q]);
        }
    }
    for (int q = 0; q < queries_at_once; q++) {
        for (int r = 0; r < rows_at_once; r++) dots[q * stride + r] = vi_sum(sums[q][r] - offsets[q]);
    }
}

static void dots_i8(const int8_t *queries, const int8_t *rows, int64_t Q, int64_t R, int64_t E, int32_t *dots, int64_t stride) {
    int64_t q = 0;
    for (; q + 3 <= Q; q += 3) {
        int64_t r = 0;
        for (; r + 4 <= R; r += 4) tile_i8(3, 4, queries + q * E, rows + r * E, E, dots + q * stride + r, stride);
        for (; r < R; r++) tile_i8(3, 1, queries + q * E, rows + r * E, E, dots + q * stride + r, stride);
    }
    for (; q < Q; q++) {
        int64_t r = 0;
        for (; r + 4 <= R; r += 4) tile_i8(1, 4, queries + q * E, rows + r * E, E, dots + q * stride + r, stride);
        for (; r < R; r++) tile_i8(1, 1, queries + q * E, rows + r * E, E, dots + q * stride + r, stride);
    }
}

static void dots_rows_i8(const int8_t *query, const int8_t *rows, const uint32_t *ids, int64_t count, int64_t E, int32_t *dots) {
    for (int64_t i = 0; i < count; i++) tile_i8(1, 1, query, rows + (int64_t)ids[i] * E, E, dots + i, 1);
}
