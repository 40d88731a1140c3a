/* How the trials of a call are dealt out to threads, and how each of these treats numbers next to zero. */
#ifndef NEURORNN_THREADS_H
#define NEURORNN_THREADS_H

#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#define MOST_THREADS 256

/* A share of the trials for each thread that is allowed, as far as there are trials. */
static inline int64_t shares_of(int64_t threads, int64_t trials) {
    int64_t most = trials < 1 ? 1 : trials;
    if (most > MOST_THREADS) most = MOST_THREADS;
    return threads < 1 ? 1 : threads < most ? threads : most;
}

/* Run `work` on each of `n` shares of `size` bytes, and return when all are done. */
void on_threads(void (*work)(void *), void *shares, size_t size, int n);

/* The entry of an OpenMP library by which on_threads is to work from now on (see threads.c); null for none. */
void use_team(void *entry);

/* States that decay towards zero end as denormal numbers, on which arithmetic is up to a hundred times slower. They are
   taken as zero while a kernel runs, and the caller's setting is put back. */
static inline uint32_t flush_tiny(void) {
#if defined(__x86_64__)
    const uint32_t before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

static inline void restore_tiny(uint32_t before) {
#if defined(__x86_64__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

#endif
