/// Optimizer steps: element by element, so a cut anywhere changes nothing. Driver: optim.c.

/// The same arithmetic for full vectors and for the last lanes.
#define FOR_LANES(i, begin, end, lanes) \
    for (int64_t i = (begin), lanes; i < (end) && (lanes = (end) - i < PS_LANES ? (end) - i : PS_LANES, 1); i += PS_LANES)
#define LOAD_LANES(p, lanes) ((lanes) == PS_LANES ? vf_load(p) : vf_load_part(p, lanes))

PS_INLINE void store_lanes(float *p, vf v, int64_t lanes) {
    if (lanes == PS_LANES) vf_store(p, v);
    else vf_store_part(p, v, lanes);
}

static void sgd_f32(const float *gradient, int64_t begin, int64_t end, float learning_rate, float momentum, float weight_decay, float *w,
                    float *velocity) {
    FOR_LANES(i, begin, end, lanes) {
        vf weights = LOAD_LANES(w + i, lanes);
        vf g = vf_fma((vf)weight_decay, weights, LOAD_LANES(gradient + i, lanes));
        if (velocity) {
            g = vf_fma((vf)momentum, LOAD_LANES(velocity + i, lanes), g);
            store_lanes(velocity + i, g, lanes);
        }
        store_lanes(w + i, vf_fma((vf)-learning_rate, g, weights), lanes);
    }
}

static void adam_f32(const float *gradient, int64_t begin, int64_t end, float correction1, float correction2, float learning_rate,
                     float beta1, float beta2, float epsilon, float weight_decay, float *w, float *m, float *v) {
    FOR_LANES(i, begin, end, lanes) {
        vf g = LOAD_LANES(gradient + i, lanes), weights = LOAD_LANES(w + i, lanes);
        vf first = vf_fma((vf)beta1, LOAD_LANES(m + i, lanes), g * (1.0f - beta1));
        vf second = vf_fma((vf)beta2, LOAD_LANES(v + i, lanes), g * g * (1.0f - beta2));
        store_lanes(m + i, first, lanes);
        store_lanes(v + i, second, lanes);
        vf step = first * correction1 / (__builtin_elementwise_sqrt(second * correction2) + epsilon);
        step = vf_fma((vf)weight_decay, weights, step);
        store_lanes(w + i, vf_fma((vf)-learning_rate, step, weights), lanes);
    }
}

static void adagrad_f32(const float *gradient, int64_t begin, int64_t end, float learning_rate, float epsilon, float weight_decay, float *w,
                        float *v) {
    FOR_LANES(i, begin, end, lanes) {
        vf weights = LOAD_LANES(w + i, lanes);
        vf g = vf_fma((vf)weight_decay, weights, LOAD_LANES(gradient + i, lanes));
        vf sum = vf_fma(g, g, LOAD_LANES(v + i, lanes));
        store_lanes(v + i, sum, lanes);
        vf step = g / (__builtin_elementwise_sqrt(sum) + epsilon);
        store_lanes(w + i, vf_fma((vf)-learning_rate, step, weights), lanes);
    }
}

static double sum_squares_f32(const float *x, int64_t begin, int64_t end) { return sum_squares_of_row(x + begin, end - begin); }

static void scale_f32(float factor, int64_t begin, int64_t end, float *x) { scale_flat(x + begin, end - begin, factor); }
