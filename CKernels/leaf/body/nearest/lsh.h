/// Sums of term weights. Driver: lsh.c.

/// The first position in begin ..< end whose value is at least `threshold`, or end.
static int64_t find_at_least_u16(const uint16_t *values, int64_t begin, int64_t end, uint16_t threshold) {
    enum { STEP = 64 };
    int64_t i = begin;
    for (; i + STEP <= end; i += STEP) {
        uint16_t most = 0;
        for (int j = 0; j < STEP; j++) most = values[i + j] > most ? values[i + j] : most;
        if (most >= threshold) break;
    }
    while (i < end && values[i] < threshold) i++;
    return i;
}
