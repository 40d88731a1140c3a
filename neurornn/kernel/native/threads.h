/* Threads that live for one call: nothing is left behind for a fork to inherit, and no idle thread spins. */
#ifndef NEURORNN_THREADS_H
#define NEURORNN_THREADS_H

#include <pthread.h>
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

struct task {
    void (*work)(void *);
    void *share;
};

static void *start_task(void *of) {
    struct task *task = of;
    task->work(task->share);
    return 0;
}

/* Run `work` on each of `n` shares, one on the calling thread. A thread that cannot be started is no error: its share
   is done here. */
static void on_threads(void (*work)(void *), void *shares, size_t size, int n) {
    pthread_t threads[MOST_THREADS];
    struct task tasks[MOST_THREADS];
    char started[MOST_THREADS];
    for (int i = 1; i < n; i++) {
        tasks[i] = (struct task){work, (char *)shares + (size_t)i * size};
        started[i] = pthread_create(&threads[i], 0, start_task, &tasks[i]) == 0;
    }
    work(shares);
    for (int i = 1; i < n; i++) {
        if (started[i]) pthread_join(threads[i], 0);
        else work(tasks[i].share);
    }
}

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
