/// Dot products of queries with rows, and scans of scores. Driver: knn.c.

PS_INLINE vf load_row_f32(const float *p) { return vf_load(p); }
PS_INLINE vf load_row_bf16(const uint16_t *p) { return vf_from_bf16(vh_load(p)); }
PS_INLINE vf load_row_part_f32(const float *p, int64_t n) { return vf_load_part(p, n); }
PS_INLINE vf load_row_part_bf16(const uint16_t *p, int64_t n) { return vf_from_bf16(vh_load_part(p, n)); }

/// A tile of QUERIES x 4 dot products, each in the order of dot_f32. 3 x 4 fills 16 registers: 12 accumulators, 3 queries and one row at a time
/// (4 x 3 needs 17, and the one spill halves the speed).
#define TILE(QUERIES, kind) \
    do { \
        vf sums[QUERIES][4]; \
        for (int q = 0; q < QUERIES; q++) \
            for (int r = 0; r < 4; r++) sums[q][r] = 0.0f; \
        int64_t e = 0; \
        for (; e + PS_LANES <= E; e += PS_LANES) { \
            vf x[QUERIES]; \
            for (int q = 0; q < QUERIES; q++) x[q] = vf_load(queries + q * E + e); \
            for (int r = 0; r < 4; r++) { \
                vf v = load_row_##kind(rows + r * E + e); \
                for (int q = 0; q < QUERIES; q++) sums[q][r] = vf_fma(x[q], v, sums[q][r]); \
            } \
        } \
        if (e < E) { \
            vf x[QUERIES]; \
            for (int q = 0; q < QUERIES; q++) x[q] = vf_load_part(queries + q * E + e, E - e); \
            for (int r = 0; r < 4; r++) { \
                vf v = load_row_part_##kind(rows + r * E + e, E - e); \
                for (int q = 0; q < QUERIES; q++) sums[q][r] = vf_fma(x[q], v, sums[q][r]); \
            } \
        } \
        for (int q = 0; q < QUERIES; q++) { \
            vf4 four = vf_sum_four(sums[q]); \
            memcpy(scores + q * scores_stride, &four, sizeof four); \
        } \
    } while (0)

PS_INLINE void tile_3x4_f32(const float *queries, const float *rows, int64_t E, float *scores, int64_t scores_stride) {
    TILE(3, f32);
}
PS_INLINE void tile_3x4_bf16(const float *queries, const uint16_t *rows, int64_t E, float *scores, int64_t scores_stride) {
    TILE(3, bf16);
}
/// dot_f32 with bf16 rows.
PS_INLINE float dot_bf16(const float *a, const uint16_t *b, int64_t E) {
    vf sum = 0.0f;
    int64_t e = 0;
    for (; e + PS_LANES <= E; e += PS_LANES) sum = vf_fma(vf_load(a + e), load_row_bf16(b + e), sum);
    if (e < E) sum = vf_fma(vf_load_part(a + e, E - e), load_row_part_bf16(b + e, E - e), sum);
    return vf_sum(sum);
}

/// One query reads each row once, front to back: the processor prefetches that itself, but stops at every page. Rows this far ahead are asked for.
enum { ROWS_AHEAD = 2 };

/// dot_f32, meanwhile prefetching the row `ahead`.
PS_INLINE float dot_ahead_f32(const float *a, const float *row, const float *ahead, int64_t E) {
    for (int64_t e = 0; e < E; e += LINE_F32) __builtin_prefetch(ahead + e, 0, 3);
    return dot_f32(a, row, E);
}
PS_INLINE float dot_ahead_bf16(const float *a, const uint16_t *row, const uint16_t *ahead, int64_t E) {
    for (int64_t e = 0; e < E; e += LINE_16) __builtin_prefetch(ahead + e, 0, 3);
    return dot_bf16(a, row, E);
}

static void dots_f32(const float *queries, const float *rows, int64_t Q, int64_t R, int64_t E, float *scores, int64_t scores_stride) {
    int64_t q = 0;
    for (; q + 3 <= Q; q += 3) {
        const float *three = queries + q * E;
        float *to = scores + q * scores_stride;
        int64_t r = 0;
        for (; r + 4 <= R; r += 4) tile_3x4_f32(three, rows + r * E, E, to + r, scores_stride);
        for (; r < R; r++) {
            for (int i = 0; i < 3; i++) to[i * scores_stride + r] = dot_f32(three + i * E, rows + r * E, E);
        }
    }
    for (; q < Q; q++) {
        const float *one = queries + q * E;
        float *to = scores + q * scores_stride;
        for (int64_t r = 0; r < R; r++) to[r] = dot_ahead_f32(one, rows + r * E, rows + (r + ROWS_AHEAD < R ? r + ROWS_AHEAD : r) * E, E);
    }
}

static void dots_bf16(const float *queries, const uint16_t *rows, int64_t Q, int64_t R, int64_t E, float *scores, int64_t scores_stride) {
    int64_t q = 0;
    for (; q + 3 <= Q; q += 3) {
        const float *three = queries + q * E;
        float *to = scores + q * scores_stride;
        int64_t r = 0;
        for (; r + 4 <= R; r += 4) tile_3x4_bf16(three, rows + r * E, E, to + r, scores_stride);
        for (; r < R; r++) {
            for (int i = 0; i < 3; i++) to[i * scores_stride + r] = dot_bf16(three + i * E, rows + r * E, E);
        }
    }
    for (; q < Q; q++) {
        const float *one = queries + q * E;
        float *to = scores + q * scores_stride;
        for (int64_t r = 0; r < R; r++) to[r] = dot_ahead_bf16(one, rows + r * E, rows + (r + ROWS_AHEAD < R ? r + ROWS_AHEAD : r) * E, E);
    }
}

static void dots_indexed_f32(const float *query, const float *rows, const int64_t *indices, int64_t E, int64_t begin, int64_t end,
                             float *out) {
    if (!indices) {
        dots_f32(query, rows + begin * E, 1, end - begin, E, out + begin, end - begin);
        return;
    }
    int64_t i = begin;
    for (; i + 4 <= end; i += 4) {
        const float *now[4], *ahead[4];
        for (int r = 0; r < 4; r++) {
            now[r] = rows + indices[i + r] * E;
            ahead[r] = i + r + 4 < end ? rows + indices[i + r + 4] * E : now[r];
        }
        vf4 four = dot_four_f32(query, now, ahead, E);
        memcpy(out + i, &four, sizeof four);
    }
    for (; i < end; i++) {
        out[i] = dot_f32(query, rows + indices[i] * E, E);
    }
}

static int64_t find_at_least_f32(const float *scores, int64_t begin, int64_t end, float threshold) {
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) {
        if (vi_any(vf_load(scores + i) >= threshold)) break;
    }
    while (i < end && !(scores[i] >= threshold)) i++;
    return i;
}

static void count_above_f32(const float *scores, int64_t N, float threshold, int64_t *above, int64_t *equal) {
    int64_t more = 0, same = 0, i = 0;
    while (i + PS_LANES <= N) {
        vi more_lanes = 0, same_lanes = 0;  // 32-bit counts: emptied long before they could overflow
        int64_t stop = N - i > (int64_t)PS_LANES << 20 ? i + ((int64_t)PS_LANES << 20) : N;
        for (; i + PS_LANES <= stop; i += PS_LANES) {
            vf v = vf_load(scores + i);
            more_lanes -= v > threshold;
            same_lanes -= v == threshold;
        }
        for (int lane = 0; lane < PS_LANES; lane++) {
            more += more_lanes[lane];
            same += same_lanes[lane];
        }
    }
    for (; i < N; i++) {
        more += scores[i] > threshold;
        same += scores[i] == threshold;
    }
    *above = more;
    *equal = same;
}
