#ifndef PS_GATHER_H
#define PS_GATHER_H
#include "ps_context.h"

/// Copies rows by index: out[b,:] = table[indices[b],:], converted to f32.
/// Shapes: table (N,D) with row stride; indices (B); out (B,D) with row stride.
/// Errors: INDEX_OUT_OF_RANGE (checked before anything is written).
ps_status ps_gather_f32(const ps_context *ctx, const float *table, int64_t table_stride, const int64_t *indices,
                        int64_t N, int64_t D, int64_t B, float *out, int64_t out_stride);
/// The same from IEEE half precision (f16, as uint16 bits).
ps_status ps_gather_f16(const ps_context *ctx, const uint16_t *table, int64_t table_stride, const int64_t *indices,
                        int64_t N, int64_t D, int64_t B, float *out, int64_t out_stride);
/// The same from bfloat16 (as uint16 bits).
ps_status ps_gather_bf16(const ps_context *ctx, const uint16_t *table, int64_t table_stride, const int64_t *indices,
                         int64_t N, int64_t D, int64_t B, float *out, int64_t out_stride);
/// The same three by int32 indices.
ps_status ps_gather_f32_i32(const ps_context *ctx, const float *table, int64_t table_stride, const int32_t *indices,
                            int64_t N, int64_t D, int64_t B, float *out, int64_t out_stride);
ps_status ps_gather_f16_i32(const ps_context *ctx, const uint16_t *table, int64_t table_stride, const int32_t *indices,
                            int64_t N, int64_t D, int64_t B, float *out, int64_t out_stride);
ps_status ps_gather_bf16_i32(const ps_context *ctx, const uint16_t *table, int64_t table_stride, const int32_t *indices,
                             int64_t N, int64_t D, int64_t B, float *out, int64_t out_stride);

/// Adds rows into a table: table[indices[b],:] += rows[b,:], repeated indices summed in order of b (deterministic, no atomics).
/// Shapes: rows (B,D); indices (B); table (N,D), all contiguous.
ps_status ps_scatter_add_f32(const ps_context *ctx, const float *rows, const int64_t *indices, int64_t N, int64_t D,
                             int64_t B, float *table);

/// Conversions of flat arrays, round to nearest even; out (count).
ps_status ps_convert_f32_to_bf16(const ps_context *ctx, const float *values, int64_t count, uint16_t *out);
ps_status ps_convert_bf16_to_f32(const ps_context *ctx, const uint16_t *values, int64_t count, float *out);
ps_status ps_convert_f32_to_f16(const ps_context *ctx, const float *values, int64_t count, uint16_t *out);
ps_status ps_convert_f16_to_f32(const ps_context *ctx, const uint16_t *values, int64_t count, float *out);
#endif
