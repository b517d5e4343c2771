/// The machine's own limits. Driver: probe.c.

static double probe_read_f32(const float *x, int64_t begin, int64_t end) {
    vf sums[8];
    for (int s = 0; s < 8; s++) sums[s] = 0.0f;
    int64_t i = begin;
    for (; i + 8 * PS_LANES <= end; i += 8 * PS_LANES) {
        for (int s = 0; s < 8; s++) sums[s] += vf_load(x + i + s * PS_LANES);
    }
    double sum = 0;
    for (; i < end; i++) sum += x[i];
    for (int s = 0; s < 8; s++) sum += vf_sum(sums[s]);
    return sum;
}

static void probe_copy_f32(const float *x, int64_t begin, int64_t end, float *y) {
    int32_t stream = PS_LANES > 1 && (uintptr_t)(y + begin) % sizeof(vf) == 0;
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) {
        if (stream) __builtin_nontemporal_store(vf_load(x + i), (vf *)(y + i));
        else vf_store(y + i, vf_load(x + i));
    }
    for (; i < end; i++) y[i] = x[i];
    if (stream) finish_streaming();
}

/// Sums rows, four side by side while the four `ahead` groups further are prefetched line by line.
static double probe_rows_f32(const float *table, const int64_t *indices, int64_t D, int64_t begin, int64_t end, int64_t ahead) {
    vf sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    double rest = 0;
    int64_t b = begin;
    for (; b + 4 <= end; b += 4) {
        const float *rows[4], *next[4];
        for (int i = 0; i < 4; i++) {
            rows[i] = table + indices[b + i] * D;
            next[i] = b + i + 4 * ahead < end ? table + indices[b + i + 4 * ahead] * D : rows[i];
        }
        int64_t d = 0;
        for (; d + PS_LANES <= D; d += PS_LANES) {
            for (int i = 0; i < 4; i++) {
                if (d % LINE_F32 == 0) __builtin_prefetch(next[i] + d, 0, 3);
                sums[i] += vf_load(rows[i] + d);
            }
        }
        for (; d < D; d++) {
            for (int i = 0; i < 4; i++) rest += rows[i][d];
        }
    }
    for (; b < end; b++) {
        for (int64_t d = 0; d < D; d++) rest += table[indices[b] * D + d];
    }
    for (int i = 0; i < 4; i++) rest += vf_sum(sums[i]);
    return rest;
}

static double probe_multiply_f32(int64_t rounds) {
    vf sums[12];
    for (int s = 0; s < 12; s++) sums[s] = (float)s;
    // Through memory, so that the compiler cannot fold the rounds into one.
    volatile float source[2] = {0.999f, 1e-3f};
    vf factor = source[0], addend = source[1];
    for (int64_t round = 0; round < rounds; round++) {
        for (int s = 0; s < 12; s++) sums[s] = vf_fma(sums[s], factor, addend);
    }
    double sum = 0;
    for (int s = 0; s < 12; s++) sum += vf_sum(sums[s]);
    return sum;
}
