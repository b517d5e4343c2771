/// Dot products of one query with rows that lie anywhere, in the order of dot_f32. Drivers: hnsw.c, hnsw_insert.c.

/// Eight rows at a time: as many additions in flight as two multiply-add units with a latency of four cycles take.
#define SCATTERED(COUNT, kind) \
    do { \
        vf sums[COUNT]; \
        for (int r = 0; r < COUNT; r++) sums[r] = 0.0f; \
        int64_t e = 0; \
        for (; e + PS_LANES <= E; e += PS_LANES) { \
            vf x = vf_load(query + e); \
            for (int r = 0; r < COUNT; r++) sums[r] = vf_fma(x, load_row_##kind(row[r] + e), sums[r]); \
        } \
        if (e < E) { \
            vf x = vf_load_part(query + e, E - e); \
            for (int r = 0; r < COUNT; r++) sums[r] = vf_fma(x, load_row_part_##kind(row[r] + e, E - e), sums[r]); \
        } \
        for (int r = 0; r < COUNT; r += 4) { \
            vf4 four = vf_sum_four(sums + r); \
            memcpy(out + i + r, &four, sizeof four); \
        } \
    } while (0)

#define DOTS_ROWS(kind, element) \
    static void dots_rows_##kind(const float *query, const element *rows, const uint32_t *ids, int64_t count, int64_t E, float *out) { \
        int64_t i = 0; \
        for (; i + 8 <= count; i += 8) { \
            const element *row[8]; \
            for (int r = 0; r < 8; r++) row[r] = rows + (int64_t)ids[i + r] * E; \
            SCATTERED(8, kind); \
        } \
        for (; i + 4 <= count; i += 4) { \
            const element *row[4]; \
            for (int r = 0; r < 4; r++) row[r] = rows + (int64_t)ids[i + r] * E; \
            SCATTERED(4, kind); \
        } \
        for (; i < count; i++) out[i] = dot_##kind(query, rows + (int64_t)ids[i] * E, E); \
    }
DOTS_ROWS(f32, float)
DOTS_ROWS(bf16, uint16_t)
