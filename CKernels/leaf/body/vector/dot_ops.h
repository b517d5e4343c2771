/// The processor's dot products of bf16 and int8, or loops in their place (see avx512_ops.h).
#if PS_HAS_BF16_DOT
typedef uint16_t bf16x32 __attribute__((ext_vector_type(32)));
#if defined(PS_EMULATE_AVX512)
PS_INLINE vf bf16_dot(vf sum, bf16x32 a, bf16x32 b) {
    for (int lane = 0; lane < 32; lane++) sum[lane / 2] += vf_from_bf16((vh)a[lane])[0] * vf_from_bf16((vh)b[lane])[0];
    return sum;
}
#else
PS_INLINE vf bf16_dot(vf sum, bf16x32 a, bf16x32 b) { return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b); }
#endif
#endif

#if PS_HAS_I8_DOT
typedef int8_t i8x64 __attribute__((ext_vector_type(64)));
#if defined(PS_EMULATE_AVX512)
PS_INLINE vi i8_dot(vi sum, i8x64 a, i8x64 b) {
    for (int lane = 0; lane < 64; lane++) sum[lane / 4] += (int32_t)(uint8_t)a[lane] * (int32_t)b[lane];
    return sum;
}
#else
PS_INLINE vi i8_dot(vi sum, i8x64 a, i8x64 b) { return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b); }
#endif
#endif
