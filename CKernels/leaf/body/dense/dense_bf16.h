/// Dense layer on bf16 inputs with f32 accumulation. Driver: dense.c.
///
/// Both operands have their inner dimension contiguous, so a tile of rows by outputs is a set of dot products and nothing is packed.

#if PS_HAS_BF16_DOT
/// 32 values per step: the processor's dot product adds pairs of products to 16 f32 lanes.
enum { BF16_STEP = 32, BF16_ROWS = 6 };
typedef bf16x32 vbf;
PS_INLINE vbf bf16_load(const uint16_t *p) {
    vbf v;
    memcpy(&v, p, sizeof v);
    return v;
}
PS_INLINE vbf bf16_load_part(const uint16_t *p, int64_t n) {
    vbf v = 0;
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}
PS_INLINE vf bf16_fma(vbf a, vbf b, vf sum) { return bf16_dot(sum, a, b); }
#else
/// Without such an instruction values are widened, so only memory traffic is saved.
enum { BF16_STEP = PS_LANES, BF16_ROWS = 3 };
typedef vf vbf;
PS_INLINE vbf bf16_load(const uint16_t *p) { return vf_from_bf16(vh_load(p)); }
PS_INLINE vbf bf16_load_part(const uint16_t *p, int64_t n) { return vf_from_bf16(vh_load_part(p, n)); }
PS_INLINE vf bf16_fma(vbf a, vbf b, vf sum) { return vf_fma(a, b, sum); }
#endif

/// y[b, e ..< e + 4] for `rows` rows; a constant after inlining, so that the sums stay in registers.
PS_INLINE void dense_tile_bf16(const int rows, const uint16_t *x, int64_t x_stride, const uint16_t *weight, int64_t D, int64_t E, float *y) {
    vf sums[BF16_ROWS][4];
    for (int b = 0; b < rows; b++)
        for (int e = 0; e < 4; e++) sums[b][e] = 0.0f;
    int64_t d = 0;
    for (; d + BF16_STEP <= D; d += BF16_STEP) {
        vbf left[BF16_ROWS];
        for (int b = 0; b < rows; b++) left[b] = bf16_load(x + b * x_stride + d);
        for (int e = 0; e < 4; e++) {
            vbf right = bf16_load(weight + e * D + d);
            for (int b = 0; b < rows; b++) sums[b][e] = bf16_fma(left[b], right, sums[b][e]);
        }
    }
    if (d < D) {
        vbf left[BF16_ROWS];
        for (int b = 0; b < rows; b++) left[b] = bf16_load_part(x + b * x_stride + d, D - d);
        for (int e = 0; e < 4; e++) {
            vbf right = bf16_load_part(weight + e * D + d, D - d);
            for (int b = 0; b < rows; b++) sums[b][e] = bf16_fma(left[b], right, sums[b][e]);
        }
    }
    for (int b = 0; b < rows; b++) {
        vf4 four = vf_sum_four(sums[b]);
        memcpy(y + b * E, &four, sizeof four);
    }
}

PS_INLINE float dense_one_bf16(const uint16_t *x, const uint16_t *weight, int64_t D) {
    vf sum = 0.0f;
    int64_t d = 0;
    for (; d + BF16_STEP <= D; d += BF16_STEP) sum = bf16_fma(bf16_load(x + d), bf16_load(weight + d), sum);
    if (d < D) sum = bf16_fma(bf16_load_part(x + d, D - d), bf16_load_part(weight + d, D - d), sum);
    return vf_sum(sum);
}

/// Outputs are taken in blocks whose weights stay in the second-level cache while the rows pass by.
static void dense_bf16(const uint16_t *x, int64_t x_stride, const uint16_t *weight, int64_t D, int64_t E, int64_t begin, int64_t end, float *y) {
    int64_t block = D > 0 ? (192 * 1024) / (2 * D) / 4 * 4 : E;
    if (block < 4) block = 4;
    for (int64_t first = 0; first < E; first += block) {
        int64_t last = first + block < E ? first + block : E;
        int64_t b = begin;
        while (b < end) {
            int rows = end - b >= BF16_ROWS ? BF16_ROWS : 1;
            const uint16_t *from = x + b * x_stride;
            float *to = y + b * E;
            int64_t e = first;
            for (; e + 4 <= last; e += 4) {
                if (rows == BF16_ROWS) dense_tile_bf16(BF16_ROWS, from, x_stride, weight + e * D, D, E, to + e);
                else dense_tile_bf16(1, from, x_stride, weight + e * D, D, E, to + e);
            }
            for (; e < last; e++) {
                for (int i = 0; i < rows; i++) to[i * E + e] = dense_one_bf16(from + i * x_stride, weight + e * D, D);
            }
            b += rows;
        }
    }
}
