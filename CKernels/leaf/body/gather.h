/// Gather, scatter-add and conversions. Driver: gather.c.

/// Random rows miss every cache, and the processor cannot guess the next index. Four rows are copied side by side, while the next four are
/// prefetched line by line: their misses, and those of their pages' addresses, then wait together. Rows that are added to are asked for
/// SCATTER_AHEAD rows before their turn.
enum { GATHER_ROWS = 4, SCATTER_AHEAD = 8 };

/// Stores past the caches when `stream` says that the output is larger than they are and each store is aligned.
PS_INLINE void store_row_part(float *out, vf v, int32_t stream) {
    if (stream) __builtin_nontemporal_store(v, (vf *)out);
    else vf_store(out, v);
}

PS_INLINE int32_t can_stream(const float *out, int64_t out_stride, int32_t stream) {
    return stream && PS_LANES > 1 && ((uintptr_t)out % sizeof(vf)) == 0 && out_stride % PS_LANES == 0;
}

/// `line` elements of the table fill a cache line. A last group of fewer rows repeats the last row.
#define COPY_ROWS(type, line, load, load_part) \
    do { \
        stream = can_stream(out, out_stride, stream); \
        for (int64_t b = begin; b < end; b += GATHER_ROWS) { \
            const type *rows[GATHER_ROWS], *ahead[GATHER_ROWS]; \
            float *to[GATHER_ROWS]; \
            for (int i = 0; i < GATHER_ROWS; i++) { \
                int64_t row = b + i < end ? b + i : end - 1; \
                rows[i] = table + indices[row] * table_stride; \
                ahead[i] = row + GATHER_ROWS < end ? table + indices[row + GATHER_ROWS] * table_stride : rows[i]; \
                to[i] = out + row * out_stride; \
            } \
            int64_t d = 0; \
            for (; d + PS_LANES <= D; d += PS_LANES) { \
                for (int i = 0; i < GATHER_ROWS; i++) { \
                    if (d % (line) == 0) __builtin_prefetch(ahead[i] + d, 0, 3); \
                    store_row_part(to[i] + d, load(rows[i] + d), stream); \
                } \
            } \
            if (d < D) { \
                for (int i = 0; i < GATHER_ROWS; i++) vf_store_part(to[i] + d, load_part(rows[i] + d, D - d), D - d); \
            } \
        } \
        if (stream) finish_streaming(); \
    } while (0)

PS_INLINE vf gather_load_f16(const uint16_t *p) { return vf_from_f16(vh_load(p)); }
PS_INLINE vf gather_load_part_f16(const uint16_t *p, int64_t n) { return vf_from_f16(vh_load_part(p, n)); }
PS_INLINE vf gather_load_bf16(const uint16_t *p) { return vf_from_bf16(vh_load(p)); }
PS_INLINE vf gather_load_part_bf16(const uint16_t *p, int64_t n) { return vf_from_bf16(vh_load_part(p, n)); }

#define GATHER_LEAF(kind, width, type, line, load, load_part) \
    static void gather_##kind##width(const type *table, int64_t table_stride, const int##width##_t *indices, int64_t D, int64_t begin, \
                                     int64_t end, float *out, int64_t out_stride, int32_t stream) { \
        COPY_ROWS(type, line, load, load_part); \
    }
GATHER_LEAF(f32_i, 64, float, LINE_F32, vf_load, vf_load_part)
GATHER_LEAF(f16_i, 64, uint16_t, LINE_16, gather_load_f16, gather_load_part_f16)
GATHER_LEAF(bf16_i, 64, uint16_t, LINE_16, gather_load_bf16, gather_load_part_bf16)
GATHER_LEAF(f32_i, 32, float, LINE_F32, vf_load, vf_load_part)
GATHER_LEAF(f16_i, 32, uint16_t, LINE_16, gather_load_f16, gather_load_part_f16)
GATHER_LEAF(bf16_i, 32, uint16_t, LINE_16, gather_load_bf16, gather_load_part_bf16)

/// Which thread owns a table row: a multiplicative hash, so that neither a popular range nor a stride lands on one thread.
PS_INLINE int32_t owner_of(int64_t index, int32_t owners) {
    uint32_t hash = (uint32_t)((uint64_t)index * 0x9e3779b97f4a7c15u >> 32);
    return (int32_t)((uint64_t)hash * (uint32_t)owners >> 32);
}

static void scatter_add_f32(const float *rows, const int64_t *indices, int64_t D, int64_t B, int32_t owner, int32_t owners, float *table) {
    for (int64_t b = 0; b < B; b++) {
        if (b + SCATTER_AHEAD < B && (owners == 1 || owner_of(indices[b + SCATTER_AHEAD], owners) == owner)) {
            prefetch_bytes(table + indices[b + SCATTER_AHEAD] * D, D * 4);
        }
        if (owners > 1 && owner_of(indices[b], owners) != owner) continue;
        const float *row = rows + b * D;
        float *to = table + indices[b] * D;
        int64_t d = 0;
        for (; d + PS_LANES <= D; d += PS_LANES) vf_store(to + d, vf_load(to + d) + vf_load(row + d));
        for (; d < D; d++) to[d] += row[d];
    }
}

static void convert_f32_to_bf16(const float *values, int64_t begin, int64_t end, uint16_t *out) {
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) vh_store(out + i, vf_to_bf16(vf_load(values + i)));
    if (i < end) {
        vh last = vf_to_bf16(vf_load_part(values + i, end - i));
        memcpy(out + i, &last, (size_t)(end - i) * 2);
    }
}

static void convert_bf16_to_f32(const uint16_t *values, int64_t begin, int64_t end, float *out) {
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) vf_store(out + i, vf_from_bf16(vh_load(values + i)));
    if (i < end) vf_store_part(out + i, vf_from_bf16(vh_load_part(values + i, end - i)), end - i);
}

static void convert_f32_to_f16(const float *values, int64_t begin, int64_t end, uint16_t *out) {
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) vh_store(out + i, vf_to_f16(vf_load(values + i)));
    if (i < end) {
        vh last = vf_to_f16(vf_load_part(values + i, end - i));
        memcpy(out + i, &last, (size_t)(end - i) * 2);
    }
}

static void convert_f16_to_f32(const uint16_t *values, int64_t begin, int64_t end, float *out) {
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) vf_store(out + i, vf_from_f16(vh_load(values + i)));
    if (i < end) vf_store_part(out + i, vf_from_f16(vh_load_part(values + i, end - i)), end - i);
}
