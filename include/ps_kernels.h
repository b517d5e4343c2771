/// CKernels: the numeric core of PinSageKit.
///
/// Conventions, for every family:
/// - Row-major f32 unless the name says otherwise; contiguous unless a `_stride` (in elements) is a parameter.
/// - Argument order: context, inputs, sizes, options, outputs, workspace. All sizes are int64.
/// - Null is legal exactly where its size is 0 or the text says optional; zero sizes succeed and write nothing.
/// - Kernels never allocate, print, exit, read the environment or keep state; but see ps_context_make for OpenBLAS's threads, which belong
///   to the process, and OpenMP's blocktime, which belongs to the calling thread.
/// - Results are bit-equal for any thread count, except where a product goes through BLAS (dense, losses' scores).
///
/// Shape letters: N items (table rows), B batch rows, T neighbors, D input width, H hidden width, E embedding width,
/// Q queries, R results, M negatives, P pairs, Z nonzeros of ragged lists (sum of T).
#ifndef PS_KERNELS_H
#define PS_KERNELS_H
#include "ps_status.h"
#include "ps_context.h"
#include "ps_gather.h"
#include "ps_dense.h"
#include "ps_pool.h"
#include "ps_norm.h"
#include "ps_loss.h"
#include "ps_optim.h"
#include "ps_knn.h"
#include "ps_hnsw.h"
#include "ps_lsh.h"
#include "ps_probe.h"
#include "ps_prefetch.h"
#endif
