/* The one matrix product that every recurrence of this folder is made of: a tile that stays in registers.

   `to = from + a b`, for `tall` rows of a against one panel of packed weights b (depth rows of PANEL columns, 64-byte
   aligned, zero-padded). Entry (i, k) of a lies at a[i * row + k * col], so that a may be a row of states (col = 1) or
   be packed with the rows of a tile side by side (row = 1, col = TALL). */
#ifndef NEURORNN_PRODUCT_H
#define NEURORNN_PRODUCT_H

#include "vector.h"

INLINE void tile_of(const int tall, const int wide, int64_t depth, const float *a, int64_t row, int64_t col,
                    const float *b, const float *from, int64_t from_row, float *to, int64_t to_row) {
    vec sum[TALL][WIDE];
#pragma GCC unroll 16
    for (int i = 0; i < tall; i++)
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) sum[i][j] = from ? *(const vec *)(from + i * from_row + j * LANES) : (vec){0};
#pragma GCC unroll 2
    for (int64_t k = 0; k < depth; k++, b += PANEL, a += col) {
        vec w[WIDE];
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) w[j] = *(const vec *)(b + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < tall; i++) {
            const vec s = all(a[i * row]);
#pragma GCC unroll 4
            for (int j = 0; j < wide; j++) sum[i][j] += s * w[j];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < tall; i++)
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) *(vec *)(to + i * to_row + j * LANES) = sum[i][j];
}

#define TILE_OF(T, V)                                                                                             \
    case (T) * 8 + (V):                                                                                           \
        tile_of(T, V, depth, a, row, col, b, from, from_row, to, to_row);                                         \
        return;
#if WIDE == 1
#define TILES_OF(T) TILE_OF(T, 1)
#elif WIDE == 2
#define TILES_OF(T) TILE_OF(T, 1) TILE_OF(T, 2)
#elif WIDE == 3
#define TILES_OF(T) TILE_OF(T, 1) TILE_OF(T, 2) TILE_OF(T, 3)
#else
#define TILES_OF(T) TILE_OF(T, 1) TILE_OF(T, 2) TILE_OF(T, 3) TILE_OF(T, 4)
#endif

/* The rows of a state lie next to each other: col = 1. */
UNUSED static void product(int tall, int wide, int64_t depth, const float *a, int64_t row, const float *b, const float *from,
                    int64_t from_row, float *to, int64_t to_row) {
    const int64_t col = 1;
    switch (tall * 8 + wide) {
        TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4)
#if TALL >= 6
        TILES_OF(5) TILES_OF(6)
#endif
#if TALL >= 8
        TILES_OF(7) TILES_OF(8)
#endif
#if TALL >= 12
        TILES_OF(9) TILES_OF(10) TILES_OF(11) TILES_OF(12)
#endif
#if TALL >= 14
        TILES_OF(13) TILES_OF(14)
#endif
    }
}

/* The rows of a tile lie side by side: row = 1, col = TALL. Used for weight gradients, where depth is steps x trials. */
UNUSED static void product_packed(int tall, int wide, int64_t depth, const float *a, const float *b, const float *from,
                           int64_t from_row, float *to, int64_t to_row) {
    const int64_t row = 1, col = TALL;
    switch (tall * 8 + wide) {
        TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4)
#if TALL >= 6
        TILES_OF(5) TILES_OF(6)
#endif
#if TALL >= 8
        TILES_OF(7) TILES_OF(8)
#endif
#if TALL >= 12
        TILES_OF(9) TILES_OF(10) TILES_OF(11) TILES_OF(12)
#endif
#if TALL >= 14
        TILES_OF(13) TILES_OF(14)
#endif
    }
}

INLINE int64_t up_to(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Number of vectors of panel p in a matrix of n columns. */
INLINE int width_of(int64_t p, int64_t n) { return (int)least(WIDE, (n - p * PANEL + LANES - 1) / LANES); }

#endif
