/// Vectors of PS_LANES floats in clang's extended vector types. Each leaf/<isa>.c defines the lane count and target, then includes
/// the bodies: one text per kernel, compiled once per instruction set, so that the instruction sets cannot drift apart in logic.
/// Where a loop needs an instruction that the types cannot express, the ISA's file says so with a PS_HAS_ macro.
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "../../../internal/ps_table.h"
#if PS_LANES == 16
#include "avx512_ops.h"
#endif

typedef float vf __attribute__((ext_vector_type(PS_LANES)));
typedef int32_t vi __attribute__((ext_vector_type(PS_LANES)));
typedef uint32_t vu __attribute__((ext_vector_type(PS_LANES)));
typedef uint16_t vh __attribute__((ext_vector_type(PS_LANES)));
typedef double vd __attribute__((ext_vector_type(PS_LANES)));

#define PS_INLINE static inline __attribute__((always_inline, unused))

PS_INLINE vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
PS_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
/// The first n < PS_LANES elements; the other lanes are 0. Masked instructions where there are some: a call of memcpy in the middle of a loop
/// would spill every accumulator around it.
PS_INLINE vf vf_load_part(const float *p, int64_t n) {
#if PS_LANES == 16
    vf v;
    avx512_load_part((float *)&v, p, n);
    return v;
#elif PS_LANES == 8
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return (vf)_mm256_maskload_ps(p, (__m256i)((vi)(int32_t)n > lane));
#else
    vf v = 0.0f;
    for (int lane = 0; lane < PS_LANES - 1; lane++) {
        if (lane < n) v[lane] = p[lane];
    }
    return v;
#endif
}
PS_INLINE void vf_store_part(float *p, vf v, int64_t n) {
#if PS_LANES == 16
    avx512_store_part(p, (const float *)&v, n);
#elif PS_LANES == 8
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
    _mm256_maskstore_ps(p, (__m256i)((vi)(int32_t)n > lane), (__m256)v);
#else
    for (int lane = 0; lane < PS_LANES - 1; lane++) {
        if (lane < n) p[lane] = v[lane];
    }
#endif
}

PS_INLINE vi vi_load(const int32_t *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}
PS_INLINE void vi_store(int32_t *p, vi v) { memcpy(p, &v, sizeof v); }

PS_INLINE vh vh_load(const uint16_t *p) {
    vh v;
    memcpy(&v, p, sizeof v);
    return v;
}
PS_INLINE void vh_store(uint16_t *p, vh v) { memcpy(p, &v, sizeof v); }
PS_INLINE vh vh_load_part(const uint16_t *p, int64_t n) {
    vh v = 0;
    for (int lane = 0; lane < PS_LANES - 1; lane++) {
        if (lane < n) v[lane] = p[lane];
    }
    return v;
}

PS_INLINE vf vf_bits(vu bits) {
    vf v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
PS_INLINE vu vf_to_bits(vf v) {
    vu bits;
    memcpy(&bits, &v, sizeof v);
    return bits;
}
/// Lanes of `a` where mask is all ones, of `b` where it is 0.
PS_INLINE vf vf_select(vi mask, vf a, vf b) {
    vu m = (vu)mask;
    return vf_bits((vf_to_bits(a) & m) | (vf_to_bits(b) & ~m));
}
PS_INLINE vi vi_select(vi mask, vi a, vi b) { return (a & mask) | (b & ~mask); }

/// a * b + c, fused where the instruction set has it: `fmaf` without hardware is a library call of 50 ns.
PS_INLINE vf vf_fma(vf a, vf b, vf c) {
#if PS_HAS_FMA
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}
PS_INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }

/// Sum of the lanes as a balanced tree: lane i with lane i + PS_LANES/2, and so on. Part of each kernel's documented order.
PS_INLINE float vf_sum(vf v) {
#if PS_LANES == 16
    __attribute__((ext_vector_type(8))) float a = v.lo + v.hi;
    __attribute__((ext_vector_type(4))) float b = a.lo + a.hi;
    __attribute__((ext_vector_type(2))) float c = b.lo + b.hi;
    return c.x + c.y;
#elif PS_LANES == 8
    __attribute__((ext_vector_type(4))) float b = v.lo + v.hi;
    __attribute__((ext_vector_type(2))) float c = b.lo + b.hi;
    return c.x + c.y;
#elif PS_LANES == 4
    __attribute__((ext_vector_type(2))) float c = v.lo + v.hi;
    return c.x + c.y;
#else
    return v[0];
#endif
}
/// vf_sum of four vectors, each in exactly its order; a third of the instructions.
typedef float vf4 __attribute__((ext_vector_type(4)));
PS_INLINE vf4 vf_sum_four(const vf v[4]) {
#if PS_LANES == 1
    return (vf4){v[0][0], v[1][0], v[2][0], v[3][0]};
#else
    vf4 a[4];
    for (int i = 0; i < 4; i++) {
#if PS_LANES == 16
        __attribute__((ext_vector_type(8))) float half = v[i].lo + v[i].hi;
        a[i] = half.lo + half.hi;
#elif PS_LANES == 8
        a[i] = v[i].lo + v[i].hi;
#else
        a[i] = v[i];
#endif
    }
    vf4 first = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5) + __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
    vf4 second = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5) + __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
    return __builtin_shufflevector(first, second, 0, 1, 4, 5) + __builtin_shufflevector(first, second, 2, 3, 6, 7);
#endif
}
/// By pointer: a vector of doubles wider than a register has no agreed way to be passed.
PS_INLINE double vd_sum(const vd *v) {
    double sum = 0;
    for (int i = 0; i < PS_LANES; i++) sum += (*v)[i];
    return sum;
}
PS_INLINE int32_t vi_any(vi mask) {
#if PS_LANES == 1
    return mask[0] != 0;
#else
    return __builtin_reduce_or(mask) != 0;
#endif
}

PS_INLINE vf vf_from_bf16(vh bits) { return vf_bits(__builtin_convertvector(bits, vu) << 16); }
/// Round to nearest even; a NaN stays a (quiet) NaN.
PS_INLINE vh vf_to_bf16(vf v) {
    vu bits = vf_to_bits(v);
    vu rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    vu quiet = (bits >> 16) | 0x40u;
    vu nan = (vu)(v != v);
    return __builtin_convertvector((quiet & nan) | (rounded & ~nan), vh);
}

PS_INLINE float f16_to_f32(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, mantissa = bits & 1023u, out;
    if (exponent == 31) {
        out = sign | 0x7f800000u | (mantissa << 13) | (mantissa ? 0x400000u : 0);
    } else if (exponent != 0) {
        out = sign | ((exponent + 112u) << 23) | (mantissa << 13);
    } else {
        float value = (float)mantissa * 0x1p-24f;  // subnormal or zero: exact
        return sign ? -value : value;
    }
    float value;
    memcpy(&value, &out, sizeof value);
    return value;
}
PS_INLINE uint16_t f32_to_f16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);  // 65520 and above round to infinity
    if (magnitude >= 0x38800000u) {
        uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
        return (uint16_t)(sign | ((rounded - 0x38000000u) >> 13));
    }
    float small;
    memcpy(&small, &magnitude, sizeof small);
    small += 0.5f;  // the sum's last bit is 2^-24, the f16 subnormal step: the addition rounds to nearest even for us
    uint32_t summed;
    memcpy(&summed, &small, sizeof summed);
    return (uint16_t)(sign | (summed - 0x3f000000u));
}
#if PS_LANES > 1
typedef _Float16 vhalf __attribute__((ext_vector_type(PS_LANES)));
PS_INLINE vf vf_from_f16(vh bits) {
    vhalf half;
    memcpy(&half, &bits, sizeof half);
    return __builtin_convertvector(half, vf);
}
PS_INLINE vh vf_to_f16(vf v) {
    vhalf half = __builtin_convertvector(v, vhalf);
    vh bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}
#else
PS_INLINE vf vf_from_f16(vh bits) { return (vf)f16_to_f32(bits[0]); }
PS_INLINE vh vf_to_f16(vf v) { return (vh)f32_to_f16(v[0]); }
#endif

/// exp(x) within 2 ulp for results that are normal floats; 0 below exp(-87.3), infinity above exp(88.7), NaN for NaN.
/// Method: x = n ln 2 + r, |r| <= ln2 / 2; exp(r) by its Taylor series to degree 7; scale by 2^n.
PS_INLINE vf vf_exp(vf x) {
    vi small = x < -87.3f, large = x > 88.72f;
    vf clamped = vf_select(small, (vf)0.0f, vf_select(large, (vf)0.0f, x));
    vf n = __builtin_elementwise_rint(clamped * 1.44269504088896341f);
    vf r = vf_fma(n, (vf)-0.693359375f, clamped);  // ln 2 in two parts: the first has few bits, so the product is exact
    r = vf_fma(n, (vf)2.12194440e-4f, r);
    vf p = (vf)1.98412698e-4f;
    p = vf_fma(p, r, (vf)1.38888889e-3f);
    p = vf_fma(p, r, (vf)8.33333333e-3f);
    p = vf_fma(p, r, (vf)4.16666667e-2f);
    p = vf_fma(p, r, (vf)1.66666667e-1f);
    p = vf_fma(p, r, (vf)0.5f);
    p = vf_fma(p * r, r, r) + 1.0f;
    // 2^n in two factors, because n may be 128
    vi whole = __builtin_convertvector(vf_select(x != x, (vf)0.0f, n), vi);
    vi half = whole >> 1;
    vf result = p * vf_bits((vu)(half + 127) << 23) * vf_bits((vu)(whole - half + 127) << 23);
    result = vf_select(small, (vf)0.0f, vf_select(large, (vf)INFINITY, result));
    return vf_select(x != x, x, result);
}

/// The dot product of every kernel that promises bit-equal scores: one accumulator of PS_LANES lanes over ascending e, then vf_sum.
PS_INLINE float dot_f32(const float *a, const float *b, int64_t E) {
    vf sum = 0.0f;
    int64_t e = 0;
    for (; e + PS_LANES <= E; e += PS_LANES) sum = vf_fma(vf_load(a + e), vf_load(b + e), sum);
    if (e < E) sum = vf_fma(vf_load_part(a + e, E - e), vf_load_part(b + e, E - e), sum);
    return vf_sum(sum);
}

/// Elements of a cache line.
enum { LINE_F32 = 16, LINE_16 = 32 };

/// Places t to t + n - 1 of a list of rows, n at most 4, and the rows four places further to prefetch, themselves where the list ends at `last`.
PS_INLINE void rows_ahead_f32(const int n, const float *table, const int32_t *indices, int64_t t, int64_t last, int64_t width, const float *rows[4],
                              const float *ahead[4]) {
    for (int i = 0; i < n; i++) {
        rows[i] = table + indices[t + i] * width;
        ahead[i] = t + i + 4 < last ? table + indices[t + i + 4] * width : rows[i];
    }
}

/// The dot products of `a` with four rows, each in the order of dot_f32. Meanwhile the rows `ahead` are prefetched, a line of each for every
/// line that is read: whole rows at once would wait for free fill buffers.
PS_INLINE vf4 dot_four_f32(const float *a, const float *const rows[4], const float *const ahead[4], int64_t E) {
    vf sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    int64_t e = 0;
    for (; e + PS_LANES <= E; e += PS_LANES) {
        if (e % LINE_F32 == 0) {
            for (int i = 0; i < 4; i++) __builtin_prefetch(ahead[i] + e, 0, 3);
        }
        vf x = vf_load(a + e);
        for (int i = 0; i < 4; i++) sums[i] = vf_fma(x, vf_load(rows[i] + e), sums[i]);
    }
    if (e < E) {
        vf x = vf_load_part(a + e, E - e);
        for (int i = 0; i < 4; i++) sums[i] = vf_fma(x, vf_load_part(rows[i] + e, E - e), sums[i]);
    }
    return vf_sum_four(sums);
}

/// Makes stores past the caches visible before whatever the thread writes next: on x86 they are not ordered with ordinary stores.
PS_INLINE void finish_streaming(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

/// Asks for the cache lines of `bytes` bytes at p; may point anywhere that is mapped or not.
PS_INLINE void prefetch_bytes(const void *p, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 0, 2);
}
