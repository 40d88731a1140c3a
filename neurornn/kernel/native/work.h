/* What every recurrence needs around its products: memory, packed weights, chunks for the weight gradients. */
#ifndef NEURORNN_WORK_H
#define NEURORNN_WORK_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "product.h"
#include "threads.h"

/* Floats that the chunk of the weight gradients may take: half of a common second-level cache of 1 MiB. */
#define CHUNK_FLOATS (1 << 17)

/* Floats that the states of the trials which a thread takes through the steps together may take: with many trials, a
   stack of lesions for one, all of them would go through memory at each step. */
#define GROUP_FLOATS (1 << 17)

/* How many trials of `floats` each that is: whole tiles. */
UNUSED static int64_t group_of(int64_t floats) {
    const int64_t fit = GROUP_FLOATS / floats / TALL * TALL;
    return fit > 4 * TALL ? fit : 4 * TALL;
}

/* Panels of drives and tiles of sources would lie a power of two apart, in the same sets of the cache, but for this. */
#define APART 16

static float *take(float **room, int64_t floats) {
    float *at = *room;
    *room += up_to(floats, 16);
    return at;
}

static void pad(float *to, const float *from, int64_t n, int64_t room) {
    if (from) memcpy(to, from, 4 * (size_t)n);
    memset(to + (from ? n : 0), 0, 4 * (size_t)(room - (from ? n : 0)));
}

/* Copy a matrix (rows x columns; entry (i, j) at from[i * row + j * col]) into zero-padded panels of `panel` columns and
   `depth` rows, from their row `top` on. */
UNUSED static void pack_rows(float *to, int64_t panel, int64_t top, int64_t depth, const float *from, int64_t rows,
                             int64_t columns, int64_t row, int64_t col) {
    for (int64_t p = 0; p * panel < columns; p++) {
        const int64_t n = least(panel, columns - p * panel);
        for (int64_t i = 0; i < rows; i += 64) { /* a block that stays in cache, read along its rows or its columns */
            const int64_t some = least(64, rows - i);
            float *block = to + (p * depth + top + i) * panel;
            const float *corner = from + i * row + p * panel * col;
            if (col == 1)
                for (int64_t k = 0; k < some; k++) pad(block + k * panel, corner + k * row, n, panel);
            else
                for (int64_t j = 0; j < panel; j++)
                    for (int64_t k = 0; k < some; k++)
                        block[k * panel + j] = j < n ? corner[k * row + j * col] : 0.0f;
        }
    }
}

/* One work space is kept from call to call: fresh memory costs a page fault for each 4 KiB. */
#define MOST_SPARE ((int64_t)1 << 24)
static _Atomic(float *) spare;

/* Memory for `floats`, aligned to 64 bytes, behind a line that holds its size; 0 where there is none. */
static float *reserve(int64_t floats) {
    float *at = atomic_exchange(&spare, (float *)0);
    int64_t room = 0;
    if (at) memcpy(&room, at, sizeof room);
    if (!at || room < floats) {
        free(at);
        void *fresh = 0;
        if (posix_memalign(&fresh, 64, 4 * (size_t)floats + 128)) return 0;
        at = fresh;
        memcpy(at, &floats, sizeof floats);
    }
    return at + 16;
}

static void release(float *work) {
    float *at = work - 16;
    int64_t room;
    memcpy(&room, at, sizeof room);
    free(room <= MOST_SPARE ? atomic_exchange(&spare, at) : at);
}

/* A run's large arrays (B, T, N) are written once and next read by the backward pass. Beyond what caches hold, they would
   only push the weights out of them. */
#define STREAMED_FLOATS ((int64_t)1 << 21)

UNUSED static int is_streamed(const float *at, int64_t floats, int64_t units) {
    return floats >= STREAMED_FLOATS && units % LANES == 0 && (uintptr_t)at % (4 * LANES) == 0;
}

/* Write a vector of a row of such an array. */
INLINE void leave(const int streamed, float *at, vec v, int64_t left, int64_t row) {
    if (streamed) {
        stream(at, v);
    } else {
        store_some(at, v, left);
        soon_written(at + row);
    }
}

/* Tell the system that a large array is about to be touched for the first time: it may come in pages of 2 MiB, with a
   fault for each of them instead of one for each 4 KiB. Allocators reuse smaller ones. */
UNUSED static void first_touched(void *at, int64_t floats) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = (uintptr_t)1 << 21, first = ((uintptr_t)at + page - 1) & ~(page - 1);
    const uintptr_t end = (uintptr_t)at + 4 * (uintptr_t)floats;
    if (at && floats >= (int64_t)1 << 23 && end > first) madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)at, (void)floats;
#endif
}

#endif
