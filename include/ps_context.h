#ifndef PS_CONTEXT_H
#define PS_CONTEXT_H
#include <stdint.h>
#include "ps_status.h"

/// Instruction sets with leaves of their own. Values are part of the ABI.
typedef enum ps_isa {
    PS_ISA_SCALAR = 0,
    PS_ISA_AVX2 = 1,    ///< AVX2 + FMA + F16C
    PS_ISA_AVX512 = 2,  ///< AVX-512 F/BW/VL/DQ; VNNI and BF16 are used where present
    PS_ISA_NEON = 3,
} ps_isa;

/// Everything a kernel may know besides its arguments: immutable after ps_context_make, so any number of threads share one.
typedef struct ps_context {
    const void *leaves;  ///< the leaf table of `isa` (internal/ps_table.h)
    ps_isa isa;
    int32_t threads;  ///< most threads a kernel uses, for products too; at least 1
    int64_t bytes_per_thread;  ///< a thread joins a parallel region for each so many bytes of work, so that small calls stay on the caller's
                               ///< thread; ps_context_make sets a measured default, tests set 1 to split everything
} ps_context;

/// The best instruction set that this processor and operating system can run.
ps_isa ps_isa_detect(void);
/// 1 when `isa` can run here, 0 otherwise.
int32_t ps_isa_supported(ps_isa isa);
const char *ps_isa_name(ps_isa isa);

/// Fills `context`. Two settings reach beyond it. It sets OpenBLAS to one thread, for the whole process: kernels cut products for their own threads,
/// and an application that calls BLAS itself sets its number again afterwards. And a kernel that runs on more than one thread sets its caller's
/// OpenMP blocktime to 0 (kmp_set_blocktime, a setting of the calling thread): workers then sleep when a region ends, instead of spinning on cores
/// that others want, in the caller's own parallel regions too.
/// Errors: UNSUPPORTED_ISA (never degrades silently), BAD_PARAMETER when threads < 1, NULL_POINTER.
ps_status ps_context_make(ps_isa isa, int32_t threads, ps_context *context);

/// What the leaves of this context use, in words: "AVX-512 with BF16 and VNNI dot products". "unknown" for a context that was not made.
const char *ps_context_description(const ps_context *context);

/// How many threads really ran a parallel region under this context (a build against the wrong OpenMP runtime is silently serial).
int32_t ps_context_probe_threads(const ps_context *context);

/// The file of the OpenMP runtime that was loaded; "none" in a build without OpenMP.
const char *ps_openmp_runtime(void);

/// The kernel set that OpenBLAS chose when it was loaded, e.g. "SkylakeX", and its build description.
const char *ps_blas_core_name(void);
const char *ps_blas_configuration(void);

#endif
