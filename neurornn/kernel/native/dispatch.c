/* The library's front door: which build of the kernels this machine can run, and the calls that choose it. */
#include "drawn.h"
#include "leaky.h"
#include "lif.h"

#define PUBLIC __attribute__((visibility("default")))

#define DECLARE(V)                                                                                                \
    int leaky_forward_##V(const struct leaky *);                                                                  \
    int leaky_backward_##V(const struct leaky *);                                                                 \
    int lif_forward_##V(const struct lif *);                                                                      \
    int lif_backward_##V(const struct lif *);                                                                     \
    int noise_##V(const struct drawn *);

DECLARE(portable)
#if defined(NEURORNN_X86)
DECLARE(avx2)
DECLARE(avx512)
#endif

enum level { PORTABLE = 0, AVX2 = 1, AVX512 = 2 };

/* The best build that this machine can run. */
PUBLIC int neurornn_best(void) {
#if defined(NEURORNN_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#endif
    return PORTABLE;
}

/* A caller's table of sizes must be this library's: it changes with the layout of the structs. */
PUBLIC int neurornn_layout(void) {
    return (int)(1000000 * sizeof(struct drawn) + 1000 * sizeof(struct leaky) + sizeof(struct lif));
}

#if defined(NEURORNN_X86)
#define CHOOSE(NAME)                                                                                              \
    if (level >= AVX512) return NAME##_avx512(c);                                                                 \
    if (level == AVX2) return NAME##_avx2(c);
#else
#define CHOOSE(NAME) (void)level;
#endif

PUBLIC int neurornn_leaky_forward(const struct leaky *c, int level) {
    CHOOSE(leaky_forward)
    return leaky_forward_portable(c);
}

PUBLIC int neurornn_leaky_backward(const struct leaky *c, int level) {
    CHOOSE(leaky_backward)
    return leaky_backward_portable(c);
}

PUBLIC int neurornn_lif_forward(const struct lif *c, int level) {
    CHOOSE(lif_forward)
    return lif_forward_portable(c);
}

PUBLIC int neurornn_lif_backward(const struct lif *c, int level) {
    CHOOSE(lif_backward)
    return lif_backward_portable(c);
}

PUBLIC int neurornn_noise(const struct drawn *c, int level) {
    CHOOSE(noise)
    return noise_portable(c);
}
