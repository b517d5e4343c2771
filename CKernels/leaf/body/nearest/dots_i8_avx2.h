/// Sums of products of int8 codes with AVX2. maddubs multiplies unsigned by signed bytes, so it gets |x| and q with x's sign; codes stay
/// within +-127, hence two products fit its int16 (2 * 127 * 127 = 32258) and nothing saturates.

/// The sums of four accumulators, in order.
PS_INLINE __m128i sums_of_four(__m256i a, __m256i b, __m256i c, __m256i d) {
    __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

/// QUERIES x ROWS sums; the twelve accumulators of 3 x 4 leave registers for one row and one query.
#define TILE_I8(QUERIES, ROWS) \
    __m256i sums[QUERIES][ROWS]; \
    for (int q = 0; q < QUERIES; q++) \
        for (int r = 0; r < ROWS; r++) sums[q][r] = _mm256_setzero_si256(); \
    const __m256i ones = _mm256_set1_epi16(1); \
    int64_t e = 0; \
    for (; e + 32 <= E; e += 32) { \
        for (int r = 0; r < ROWS; r++) { \
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(rows + r * E + e)), size = _mm256_abs_epi8(x); \
            for (int q = 0; q < QUERIES; q++) { \
                __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(queries + q * E + e)); \
                __m256i products = _mm256_maddubs_epi16(size, _mm256_sign_epi8(y, x)); \
                sums[q][r] = _mm256_add_epi32(sums[q][r], _mm256_madd_epi16(products, ones)); \
            } \
        } \
    }

PS_INLINE int32_t rest_i8(const int8_t *a, const int8_t *b, int64_t e, int64_t E) {
    int32_t sum = 0;
    for (; e < E; e++) sum += a[e] * b[e];
    return sum;
}

#define FINISH_I8(QUERIES) \
    for (int q = 0; q < QUERIES; q++) { \
        int32_t *to = dots + q * stride; \
        _mm_storeu_si128((__m128i *)(void *)to, sums_of_four(sums[q][0], sums[q][1], sums[q][2], sums[q][3])); \
        if (e < E) { \
            for (int r = 0; r < 4; r++) to[r] += rest_i8(queries + q * E, rows + r * E, e, E); \
        } \
    }

PS_INLINE void tile_3x4_i8(const int8_t *queries, const int8_t *rows, int64_t E, int32_t *dots, int64_t stride) {
    TILE_I8(3, 4)
    FINISH_I8(3)
}

PS_INLINE void tile_1x4_i8(const int8_t *queries, const int8_t *rows, int64_t E, int32_t *dots, int64_t stride) {
    TILE_I8(1, 4)
    FINISH_I8(1)
}

PS_INLINE void tile_1x1_i8(const int8_t *queries, const int8_t *rows, int64_t E, int32_t *dots) {
    TILE_I8(1, 1)
    __m256i zero = _mm256_setzero_si256();
    *dots = _mm_cvtsi128_si32(sums_of_four(sums[0][0], zero, zero, zero)) + rest_i8(queries, rows, e, E);
}

static void dots_i8(const int8_t *queries, const int8_t *rows, int64_t Q, int64_t R, int64_t E, int32_t *dots, int64_t stride) {
    int64_t q = 0;
    for (; q + 3 <= Q; q += 3) {
        int64_t r = 0;
        for (; r + 4 <= R; r += 4) tile_3x4_i8(queries + q * E, rows + r * E, E, dots + q * stride + r, stride);
        for (; r < R; r++) {
            for (int64_t i = q; i < q + 3; i++) tile_1x1_i8(queries + i * E, rows + r * E, E, dots + i * stride + r);
        }
    }
    for (; q < Q; q++) {
        int64_t r = 0;
        for (; r + 4 <= R; r += 4) tile_1x4_i8(queries + q * E, rows + r * E, E, dots + q * stride + r, stride);
        for (; r < R; r++) tile_1x1_i8(queries + q * E, rows + r * E, E, dots + q * stride + r);
    }
}

/// Four rows that lie anywhere.
PS_INLINE void four_rows_i8(const int8_t *query, const int8_t *const row[4], int64_t E, int32_t *dots) {
    __m256i sums[4];
    for (int r = 0; r < 4; r++) sums[r] = _mm256_setzero_si256();
    const __m256i ones = _mm256_set1_epi16(1);
    int64_t e = 0;
    for (; e + 32 <= E; e += 32) {
        __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(query + e)), size = _mm256_abs_epi8(y);
        for (int r = 0; r < 4; r++) {
            // The query's absolute values are shared by the rows, which take its sign instead.
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(row[r] + e));
            __m256i products = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, y));
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(products, ones));
        }
    }
    _mm_storeu_si128((__m128i *)(void *)dots, sums_of_four(sums[0], sums[1], sums[2], sums[3]));
    if (e < E) {
        for (int r = 0; r < 4; r++) dots[r] += rest_i8(query, row[r], e, E);
    }
}

static void dots_rows_i8(const int8_t *query, const int8_t *rows, const uint32_t *ids, int64_t count, int64_t E, int32_t *dots) {
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const int8_t *const row[4] = {rows + (int64_t)ids[i] * E, rows + (int64_t)ids[i + 1] * E, rows + (int64_t)ids[i + 2] * E,
                                      rows + (int64_t)ids[i + 3] * E};
        four_rows_i8(query, row, E, dots + i);
    }
    for (; i < count; i++) tile_1x1_i8(query, rows + (int64_t)ids[i] * E, E, dots + i);
}
