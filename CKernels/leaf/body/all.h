#include "vector.h"
#include "gather.h"
#include "dense.h"
#if PS_HAS_BF16_DOT
#include "dot_ops.h"
#endif
#include "dense_bf16.h"
#include "dense_packed.h"
#include "pool.h"
#include "norm.h"
#include "loss.h"
#include "optim.h"
#include "knn.h"
#include PS_DOTS_I8
#include "quantized.h"
#include "hnsw.h"
#include "probe.h"
#include "table.h"
