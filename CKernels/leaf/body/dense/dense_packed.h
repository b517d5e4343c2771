/// Dense layer on weights packed into panels of columns. Driver: dense_packed.c.
///
/// A panel holds PACK_COLUMNS outputs: for each d their weights side by side, zeros beyond E. A tile of rows by one panel keeps its sums in registers:
/// each sum is one lane that takes d in ascending order, so no sum knows which row or column of a tile it is.

enum {
    PACK_COLUMNS = 2 * PS_LANES,
    PACK_ROWS = 6,     ///< 6 x 2 sums, 2 weights and 1 value: 15 of 16 registers
    PACK_DEPTH = 512,  ///< a panel of this depth (32 KiB with 8 lanes) stays in the nearest caches while rows pass by
    PACK_BLOCK = 96,   ///< rows whose values of one depth (192 KiB) stay in the second-level cache while panels pass by
    PACK_NEAR = 512,   ///< beyond this stride those values are copied together: rows pages apart cost a TLB miss each, and powers of 2 share cache sets
};

static void dense_pack_f32(const float *weight, int64_t D, int64_t E, float *packed) {
    for (int64_t first = 0; first < E; first += PACK_COLUMNS) {
        int64_t width = E - first < PACK_COLUMNS ? E - first : PACK_COLUMNS;
        for (int64_t d = 0; d < D; d++) {
            for (int64_t e = 0; e < width; e++) packed[e] = weight[(first + e) * D + d];
            for (int64_t e = width; e < PACK_COLUMNS; e++) packed[e] = 0.0f;
            packed += PACK_COLUMNS;
        }
    }
}

/// y[b, 0 ..< columns] = (add ? y : 0) + the products over `depth`; `rows` is a constant after inlining.
PS_INLINE void packed_tile(const int rows, const float *x, int64_t x_stride, const float *panel, int64_t depth, int64_t columns, int32_t add,
                           float *y, int64_t E) {
    vf sums[PACK_ROWS][2];
    for (int b = 0; b < rows; b++) {
        sums[b][0] = sums[b][1] = 0.0f;
        if (add) __builtin_prefetch(y + b * E, 1, 3);  // needed in `depth` steps, and often pages away from the tile before
    }
    for (int64_t d = 0; d < depth; d++) {
        vf left = vf_load(panel + d * PACK_COLUMNS), right = vf_load(panel + d * PACK_COLUMNS + PS_LANES);
        for (int b = 0; b < rows; b++) {
            vf value = (vf)x[b * x_stride + d];
            sums[b][0] = vf_fma(value, left, sums[b][0]);
            sums[b][1] = vf_fma(value, right, sums[b][1]);
        }
    }
    if (columns == PACK_COLUMNS) {
        for (int b = 0; b < rows; b++) {
            for (int half = 0; half < 2; half++) {
                float *to = y + b * E + half * PS_LANES;
                vf_store(to, add ? vf_load(to) + sums[b][half] : sums[b][half]);
            }
        }
        return;
    }
    for (int b = 0; b < rows; b++) {
        float all[PACK_COLUMNS];
        vf_store(all, sums[b][0]);
        vf_store(all + PS_LANES, sums[b][1]);
        for (int64_t e = 0; e < columns; e++) y[b * E + e] = add ? y[b * E + e] + all[e] : all[e];
    }
}

/// y[b,:] (+)= x[b,:] times columns first ..< first + D of the weight, for rows in the range. `packed` points at row `first` of the first panel,
/// panels are `panel_stride` apart.
static void dense_packed_f32(const float *x, int64_t x_stride, const float *packed, int64_t panel_stride, int64_t D, int64_t E, int64_t begin,
                             int64_t end, int32_t add, float *y) {
    float copy[PACK_BLOCK * PACK_DEPTH];
    for (int64_t block = begin; block < end; block += PACK_BLOCK) {
        int64_t rows = end - block < PACK_BLOCK ? end - block : PACK_BLOCK;
        for (int64_t d = 0; d < D; d += PACK_DEPTH) {
            int64_t depth = D - d < PACK_DEPTH ? D - d : PACK_DEPTH;
            int32_t adds = add || d > 0;
            const float *from = x + block * x_stride + d;
            int64_t stride = x_stride;
            if (x_stride > PACK_NEAR && E > PACK_COLUMNS) {
                for (int64_t b = 0; b < rows; b++) memcpy(copy + b * depth, from + b * x_stride, (size_t)depth * sizeof *copy);
                from = copy;
                stride = depth;
            }
            for (int64_t first = 0; first < E; first += PACK_COLUMNS) {
                int64_t columns = E - first < PACK_COLUMNS ? E - first : PACK_COLUMNS;
                const float *panel = packed + first / PACK_COLUMNS * panel_stride + d * PACK_COLUMNS;
                float *to = y + block * E + first;
                int64_t b = 0;
                for (; b + PACK_ROWS <= rows; b += PACK_ROWS) {
                    // A share of the next panel, which comes from memory when the weights exceed the caches.
                    if (first + PACK_COLUMNS < E) {
                        int64_t share = (depth * PACK_COLUMNS * PACK_ROWS + rows - 1) / rows;
                        prefetch_bytes(panel + panel_stride + b / PACK_ROWS * share, share * 4);
                    }
                    packed_tile(PACK_ROWS, from + b * stride, stride, panel, depth, columns, adds, to + b * E, E);
                }
                if (b + 3 <= rows) {
                    packed_tile(3, from + b * stride, stride, panel, depth, columns, adds, to + b * E, E);
                    b += 3;
                }
                for (; b < rows; b++) packed_tile(1, from + b * stride, stride, panel, depth, columns, adds, to + b * E, E);
            }
        }
    }
}
