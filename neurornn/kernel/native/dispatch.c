/* The library's front door: which build of the kernels this machine can run, and the calls that choose it. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include "drawn.h"
#include "leaky.h"
#include "lif.h"
#include "threads.h"

#if defined(NEURORNN_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
#if defined(NEURORNN_AMX)
DECLARE(amx)
#endif

enum level { PORTABLE = 0, AVX2 = 1, AVX512 = 2, AMX = 3 };

#if defined(NEURORNN_AMX)
/* Whether this machine has a matrix unit, and the system lets this process use it: its registers are large, so that
   Linux sets memory aside for them only where it is asked to. */
static int has_matrix_unit(void) {
    enum { ASK = 0x1023, TILES = 18 };
    uint32_t a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return 0; /* AMX-BF16, AMX-TILE */
    return syscall(SYS_arch_prctl, ASK, TILES) == 0;
}
#endif

static int find_best(void) {
#if defined(NEURORNN_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
#if defined(NEURORNN_AMX)
        if (has_matrix_unit()) return AMX;
#endif
        return AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#endif
    return PORTABLE;
}

/* The best build that this machine can run: found once, and no code for the matrix unit runs before that. */
PUBLIC int neurornn_best(void) {
    static _Atomic int known; /* one more than the level */
    if (!known) known = find_best() + 1;
    return known - 1;
}

/* A caller's table of sizes must be this library's: it changes with the layout of the structs. */
PUBLIC int neurornn_layout(void) {
    return (int)(1000000 * sizeof(struct drawn) + 1000 * sizeof(struct leaky) + sizeof(struct lif));
}

PUBLIC void neurornn_team(void *entry) { use_team(entry); }

#if defined(NEURORNN_AMX)
#define CHOOSE_AMX(NAME)                                                                                          \
    if (level >= AMX && neurornn_best() >= AMX) return NAME##_amx(c);
#else
#define CHOOSE_AMX(NAME)
#endif

#if defined(NEURORNN_X86)
#define CHOOSE(NAME)                                                                                              \
    if (level >= AVX512) return NAME##_avx512(c);                                                                 \
    if (level == AVX2) return NAME##_avx2(c);
#else
#define CHOOSE(NAME) (void)level;
#endif

PUBLIC int neurornn_leaky_forward(const struct leaky *c, int level) {
    CHOOSE_AMX(leaky_forward)
    CHOOSE(leaky_forward)
    return leaky_forward_portable(c);
}

PUBLIC int neurornn_leaky_backward(const struct leaky *c, int level) {
    CHOOSE_AMX(leaky_backward)
    CHOOSE(leaky_backward)
    return leaky_backward_portable(c);
}

PUBLIC int neurornn_lif_forward(const struct lif *c, int level) {
    CHOOSE(lif_forward)
    return lif_forward_portable(c);
}

PUBLIC int neurornn_lif_backward(const struct lif *c, int level) {
    CHOOSE_AMX(lif_backward)
    CHOOSE(lif_backward)
    return lif_backward_portable(c);
}

PUBLIC int neurornn_noise(const struct drawn *c, int level) {
    CHOOSE(noise)
    return noise_portable(c);
}
