/* The products that are almost all of the work: rows of states against packed weights, and the gradients of weights as
   sums over trials and steps. Every pass is written once, against the names below; what stands behind them is chosen by
   the instruction set that this copy of the source is compiled for.

   An operand holds the rows that are multiplied: first entries, which are what is fed back, and some more, the inputs
   or the gradients of the outputs. `put` writes a vector of the first, `put_first` and `put_more` write all of either.
   `pack` lays weights out in panels of COLUMNS columns. `multiply` gives up to ROWS rows, from b on, times weights, in
   rows of whole panels; plus a bias, where there is one. Panels are taken from the last on where `back` is 1: a caller
   that takes turns begins with those that it used last, which are in cache still if not all of the weights fit.
   A chunk gathers rows of two matrices, sources and values; `add_chunk` adds the sum of their outer products to `grad`.
   `begin_blocks` and `end_blocks` enclose all of it on each thread. */
#ifndef NEURORNN_BLOCK_H
#define NEURORNN_BLOCK_H

#include "work.h"

#if defined(__AMX_BF16__)
#include "block_amx.h"
#else
#include "block_float.h"
#endif

/* How many panels a matrix of n columns has. */
INLINE int64_t panels_of(int64_t n) { return (n + COLUMNS - 1) / COLUMNS; }

/* How many steps a chunk has, if each adds `count` rows of `floats`: as many as fit, and of those and up to twice as many
   what leaves the fewest rows empty, since rows are summed DEEP at a time. */
UNUSED static int64_t chunk_steps(int64_t steps, int64_t count, int64_t floats) {
    const int64_t rows = larger(CHUNK_FLOATS / floats, FEWEST_ROWS), fit = larger(rows / larger(count, 1), 1);
    int64_t best = fit;
    for (int64_t some = fit; some <= 2 * fit; some++)
        if (up_to(some * count, DEEP) * best < up_to(best * count, DEEP) * some) best = some;
    return least(steps, best);
}

/* Sums of a vector or four of columns. */
INLINE void add_some_columns(const int some, const int many, float *grad, int64_t grad_row, const float *a,
                             int64_t a_row, const float *b, int64_t b_row, int64_t left, int64_t rows) {
    vec sum[4][4];
#pragma GCC unroll 4
    for (int o = 0; o < some; o++)
#pragma GCC unroll 4
        for (int j = 0; j < many; j++) sum[o][j] = load(grad + o * grad_row + j * LANES);
    for (int64_t k = 0; k < rows; k++, a += a_row, b += b_row) {
        vec v[4];
#pragma GCC unroll 4
        for (int j = 0; j < many; j++) v[j] = many > 1 ? load(b + j * LANES) : load_some(b, left);
#pragma GCC unroll 4
        for (int o = 0; o < some; o++) {
            const vec x = all(a[o]);
#pragma GCC unroll 4
            for (int j = 0; j < many; j++) sum[o][j] += x * v[j];
        }
    }
#pragma GCC unroll 4
    for (int o = 0; o < some; o++)
#pragma GCC unroll 4
        for (int j = 0; j < many; j++) store(grad + o * grad_row + j * LANES, sum[o][j]);
}

/* grad[o] += the sum over rows of a[o] b, for rows that lie anywhere: where a has few columns, to lay the rows out for
   a chunk would cost more than to multiply them. */
UNUSED static void add_rows(float *grad, int64_t grad_row, const float *a, int64_t a_row, int64_t outer, const float *b,
                            int64_t b_row, int64_t n, int64_t rows) {
    for (; outer > 0; outer -= 4, a += 4, grad += 4 * grad_row)
        for (int64_t at = 0, left = n; left > 0;) {
            const int many = left >= 4 * LANES ? 4 : 1;
#define SOME(S)                                                                                                   \
    if (many == 4) add_some_columns(S, 4, grad + at, grad_row, a, a_row, b + at, b_row, left, rows);              \
    else add_some_columns(S, 1, grad + at, grad_row, a, a_row, b + at, b_row, left, rows);
            if (outer >= 4) { SOME(4) }
            else if (outer == 3) { SOME(3) }
            else if (outer == 2) { SOME(2) }
            else { SOME(1) }
#undef SOME
            at += many * LANES, left -= many * LANES;
        }
}

#endif
