/* What every recurrence needs around its products: memory, packed weights, chunks for the weight gradients. */
#ifndef NEURORNN_WORK_H
#define NEURORNN_WORK_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <stdlib.h>

#include "product.h"
#include "threads.h"

/* Each function that the library shows exists once for every instruction set, under a name of its own. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAMED(a) JOIN(a, VARIANT)

/* Floats that the chunk of the weight gradients may take: half of a common second-level cache of 1 MiB. */
#define CHUNK_FLOATS (1 << 17)

/* Panels of drives and tiles of sources would lie a power of two apart, in the same sets of the cache, but for this. */
#define APART 16

static float *take(float **room, int64_t floats) {
    float *at = *room;
    *room += up_to(floats, 16);
    return at;
}

/* Copy a matrix (rows x columns; entry (i, j) at from[i * row + j * col]) into zero-padded panels. */
static void pack(float *to, const float *from, int64_t rows, int64_t columns, int64_t row, int64_t col) {
    for (int64_t p = 0; p * PANEL < columns; p++) {
        const int64_t n = least(PANEL, columns - p * PANEL);
        for (int64_t i = 0; i < rows; i++, to += PANEL) {
            const float *line = from + i * row + p * PANEL * col;
            for (int64_t j = 0; j < n; j++) to[j] = line[j * col];
            for (int64_t j = n; j < PANEL; j++) to[j] = 0.0f;
        }
    }
}

static void pad(float *to, const float *from, int64_t n, int64_t room) {
    if (from) memcpy(to, from, 4 * (size_t)n);
    memset(to + (from ? n : 0), 0, 4 * (size_t)(room - (from ? n : 0)));
}

static float *reserve(int64_t floats) {
    void *at = 0;
    return posix_memalign(&at, 64, 4 * (size_t)floats + 64) ? 0 : at;
}

/* A share of the trials for each thread that is allowed, as far as there are trials. */
static int64_t shares_of(int64_t threads, int64_t trials) {
    const int64_t most = least(MOST_THREADS, trials < 1 ? 1 : trials);
    return least(threads < 1 ? 1 : threads, most);
}

/* Lay a row of the chunk, [r; x; 1], TALL entries side by side; `apart` from tile to tile. */
INLINE void lay(const float *r, int64_t units, const float *x, int64_t inputs, float *to, int64_t apart) {
    const int64_t whole = units / TALL;
    for (int64_t n = 0; n < whole; n++) memcpy(to + n * apart, r + n * TALL, 4 * TALL);
    to += whole * apart;
    int64_t filled = 0, laid = 0;
    if (units == whole * TALL)
        for (; laid + TALL <= inputs; laid += TALL, to += apart) memcpy(to, x + laid, 4 * TALL);
#define PUT(v)                                                                                                    \
    to[filled] = (v);                                                                                             \
    if (++filled == TALL) filled = 0, to += apart;
    for (int64_t n = whole * TALL; n < units; n++) { PUT(r[n]) }
    for (int64_t n = laid; n < inputs; n++) { PUT(x[n]) }
    PUT(1.0f)
#undef PUT
}

#endif
