/* Products of blocks by the matrix unit of recent Intel processors (AMX), in single precision.

   The unit multiplies numbers of 8 significant bits (bfloat16) and sums in float. A float has 24, so it is the sum of
   three such pieces, x = x1 + x2 + x3, exactly, and of the nine products of pieces the six that matter are summed,

     a b = a1 b1 + (a1 b2 + a2 b1) + (a1 b3 + a2 b2 + a3 b1) + what is below 2^-26 of it,

   the small ones first. Six products by this unit take 0.4 of the time that one takes with vectors of floats.

   Its registers are tiles of 16 rows of 64 bytes. One step sums over 32 entries: tile A holds 16 rows of 32 entries,
   tile B 16 pairs of entries for each of 16 columns, the two of a pair side by side. */
#ifndef NEURORNN_BLOCK_AMX_H
#define NEURORNN_BLOCK_AMX_H

#include <immintrin.h>

#include "work.h"

#define MATRIX_UNIT 1
#define ROWS 32
#define VECTORS 2
#define COLUMNS 32
#define DEEP 32  /* entries that one step sums over */
#define FEWEST_ROWS 96 /* of a chunk: with fewer, going through all of the gradient takes longer than the sums */
#define PIECES 3
#define TILE 256 /* floats that a tile takes */

/* What is written before is in memory, and what comes after is read from there: the intrinsics do not say so. */
#define IN_ORDER(AT) __asm__ volatile("" ::"r"(AT) : "memory")

/* Tiles have a shape, here 16 rows of 64 bytes for all eight; a thread sets it before it uses them. */
INLINE void begin_blocks(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) shape.bytes[i] = 64, shape.rows[i] = 16;
    IN_ORDER(&shape);
    _tile_loadconfig(&shape);
}

INLINE void end_blocks(void) { _tile_release(); }

/* The three pieces of a vector, each still a float. Rounded to nearest, so that what is left out has no bias. */
INLINE void pieces_of(vec x, vec *piece) {
    piece[0] = (vec)(((ivec)x + 0x8000) & (int32_t)0xffff0000);
    const vec rest = x - piece[0];
    piece[1] = (vec)(((ivec)rest + 0x8000) & (int32_t)0xffff0000);
    piece[2] = rest - piece[1];
}

/* Pairs of pieces, the upper halves of two vectors, as the words of a row of tile B. */
INLINE vec paired(vec first, vec second) {
    return (vec)((ivec)_mm512_srli_epi32((__m512i)first, 16) | ((ivec)second & (int32_t)0xffff0000));
}

/* Rows in tiles A: for each 16 rows and DEEP of the first entries, a tile for each piece. Of the further entries, which
   are few, one tile holds FEW: each is there six times, as the pieces that meet its weight's in one step. */
#define FEW 5

static int64_t blocks_of(int64_t first) { return up_to(first, DEEP) / DEEP; }
static int64_t row_of_tiles(int64_t first, int64_t more) {
    return (blocks_of(first) * PIECES + up_to(more, FEW) / FEW) * TILE;
}

struct operand {
    float *at;
    int64_t row, more; /* floats from 16 rows to the next 16, and where in them the further entries are */
};

static int64_t operand_room(int64_t count, int64_t first, int64_t more) {
    return up_to(count, 16) / 16 * row_of_tiles(first, more);
}

static struct operand operand_at(float **room, int64_t count, int64_t first, int64_t more) {
    float *at = take(room, operand_room(count, first, more));
    memset(at, 0, 4 * (size_t)operand_room(count, first, more)); /* what nobody puts is multiplied, too */
    return (struct operand){at, row_of_tiles(first, more), blocks_of(first) * PIECES * TILE};
}

/* Row i, as `put` takes it. */
INLINE float *row_of(struct operand to, int64_t i) {
    const uint64_t row = (uint64_t)i; /* whose quotients are shifts */
    return to.at + row / 16 * (uint64_t)to.row + row % 16 * 16;
}

INLINE void put(float *row, int64_t n, vec v) {
    vec piece[PIECES];
    const uint64_t column = (uint64_t)n;
    float *at = row + column / DEEP * PIECES * TILE + column % DEEP / 2;
    pieces_of(v, piece);
#pragma GCC unroll 3
    for (int s = 0; s < PIECES; s++)
        _mm256_storeu_si256((void *)(at + s * TILE),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)piece[s], 16)));
}

UNUSED static void put_first(struct operand to, int64_t i, const float *from, int64_t count) {
    float *row = row_of(to, i);
    for (int64_t n = 0; n < count; n += LANES) put(row, n, load_some(from + n, count - n));
}

/* The same pieces of one number. */
INLINE void pieces_of_one(float x, uint32_t *piece) {
    uint32_t bits;
    float rest;
    memcpy(&bits, &x, 4);
    piece[0] = (bits + 0x8000) & 0xffff0000;
    memcpy(&rest, &piece[0], 4);
    rest = x - rest;
    memcpy(&bits, &rest, 4);
    piece[1] = (bits + 0x8000) & 0xffff0000;
    float second;
    memcpy(&second, &piece[1], 4);
    rest -= second;
    memcpy(&piece[2], &rest, 4);
}

INLINE void put_more(struct operand to, int64_t i, const float *from, int64_t count) {
    uint32_t *at = (uint32_t *)row_of(to, i) + to.more;
    for (; count > 0; count -= FEW, at += TILE)
        for (int64_t k = 0; k < least(count, FEW); k++, from++) {
            uint32_t x[PIECES], *pair = at + 3 * k;
            pieces_of_one(*from, x);
            pair[0] = x[0] >> 16 | x[0], pair[1] = x[0] >> 16 | x[1], pair[2] = x[1] >> 16 | (x[2] & 0xffff0000);
        }
}

/* Packed weights: for each panel and DEEP rows, two tiles B for each piece; then, for each FEW of the further rows, two
   tiles more. Behind them lie the same as floats, from which they are made. */
static int64_t panel_of_tiles(int64_t first, int64_t more) { return VECTORS * row_of_tiles(first, more); }

static int64_t weights_room(int64_t first, int64_t more, int64_t columns) {
    return up_to(columns, COLUMNS) / COLUMNS * panel_of_tiles(first, more) +
           (up_to(first, DEEP) + more) * up_to(columns, COLUMNS);
}

/* Make tiles B of `DEEP` rows by 16 columns: of the rows i and i + apart as pairs, `next` from pair to pair. */
INLINE void tiles_of(float *to, int64_t piece_apart, const float *from, int64_t row, int64_t apart, int64_t next) {
    for (int i = 0; i < 16; i++) {
        vec first[PIECES], second[PIECES];
        pieces_of(load(from + i * next * row), first);
        pieces_of(load(from + (i * next + apart) * row), second);
#pragma GCC unroll 3
        for (int s = 0; s < PIECES; s++) store(to + s * piece_apart + i * 16, paired(first[s], second[s]));
    }
}

/* Make a row of pairs of one further weight, which meet (x1 x1) (x1 x2) (x2 x3). */
INLINE void pairs_of(float *to, vec v) {
    vec piece[PIECES];
    pieces_of(v, piece);
    store(to, paired(piece[2], piece[1]));
    store(to + 16, paired(piece[0], piece[1]));
    store(to + 32, paired(piece[0], piece[0]));
}

/* Pack the weights of the first entries and those of the further ones, entry (i, j) of each at [i * row + j * col]. */
static void pack(float *to, const float *from, int64_t first, int64_t row, int64_t col, const float *from_more,
                 int64_t more, int64_t columns) {
    const int64_t whole = up_to(first, DEEP), depth = whole + more, panels = up_to(columns, COLUMNS) / COLUMNS;
    float *floats = to + panels * panel_of_tiles(first, more);
    memset(to, 0, 4 * (size_t)(weights_room(first, more, columns)));
    pack_rows(floats, COLUMNS, 0, depth, from, first, columns, row, col);
    pack_rows(floats, COLUMNS, whole, depth, from_more, more, columns, columns, 1);
    for (int64_t p = 0; p < panels; p++, floats += depth * COLUMNS) {
        for (int64_t k = 0; k < whole; k += DEEP, to += PIECES * VECTORS * TILE)
            for (int j = 0; j < VECTORS; j++)
                tiles_of(to + j * TILE, VECTORS * TILE, floats + k * COLUMNS + j * 16, COLUMNS, 1, 2);
        for (int64_t k = 0; k < more; k++)
            for (int j = 0; j < VECTORS; j++)
                pairs_of(to + (k / FEW * VECTORS + j) * TILE + k % FEW * 48,
                         load(floats + (whole + k) * COLUMNS + j * 16));
        to += up_to(more, FEW) / FEW * VECTORS * TILE;
    }
}

/* Sum products of pieces over `deep` steps into `high` x `wide` tiles, which begin as `from` (0 where that is null);
   then over `more` tiles, where all pieces lie side by side. From one pair of pieces to the next only one changes. Three
   pairs are enough where `exact` says that all of a has one piece, as spikes do. */
INLINE void sum_tiles(const int high, const int wide, const int exact, int64_t deep, int64_t more, const float *a,
                      int64_t a_apart, int64_t a_next, const float *b, int64_t b_apart, int64_t b_piece,
                      int64_t b_next, const float *from, int64_t from_row, float *to, int64_t to_row) {
#define EACH_TILE(WHAT)                                                                                           \
    WHAT(0, 0, 0, 4, 6)                                                                                           \
    if (wide > 1) WHAT(1, 0, 1, 4, 7)                                                                             \
    if (high > 1) WHAT(2, 1, 0, 5, 6)                                                                             \
    if (high > 1 && wide > 1) WHAT(3, 1, 1, 5, 7)
#define CLEAR(T, I, J, A, B) _tile_zero(T);
#define FETCH(T, I, J, A, B) _tile_loadd(T, from + (I) * 16 * from_row + (J) * 16, (size_t)(4 * from_row));
#define LEAVE(T, I, J, A, B) _tile_stored(T, to + (I) * 16 * to_row + (J) * 16, (size_t)(4 * to_row));
#define SUM(T, I, J, A, B) _tile_dpbf16ps(T, A, B);
#define TAKE_A(S)                                                                                                 \
    _tile_loadd(4, a + (S) * TILE, 64);                                                                           \
    if (high > 1) _tile_loadd(5, a + a_apart + (S) * TILE, 64);
#define TAKE_B(S)                                                                                                 \
    _tile_loadd(6, b + (S) * b_piece, 64);                                                                        \
    if (wide > 1) _tile_loadd(7, b + b_apart + (S) * b_piece, 64);
    IN_ORDER(to);
    if (from) { EACH_TILE(FETCH) }
    else { EACH_TILE(CLEAR) }
    for (int64_t k = 0; k < deep; k++, a += a_next, b += b_next) {
        TAKE_A(0) TAKE_B(2) EACH_TILE(SUM)
        TAKE_B(1) EACH_TILE(SUM)
        if (!exact) { TAKE_A(1) EACH_TILE(SUM) }
        TAKE_B(0) EACH_TILE(SUM)
        if (exact) continue;
        TAKE_A(2) EACH_TILE(SUM)
        TAKE_A(0) EACH_TILE(SUM)
    }
    for (int64_t k = 0; k < more; k++, a += TILE, b += VECTORS * TILE) { TAKE_A(0) TAKE_B(0) EACH_TILE(SUM) }
    EACH_TILE(LEAVE)
    IN_ORDER(to);
#undef TAKE_A
#undef TAKE_B
#undef SUM
#undef LEAVE
#undef FETCH
#undef CLEAR
#undef EACH_TILE
}

#define SUM_TILES(EXACT, ...)                                                                                     \
    {                                                                                                             \
        if (high > 1 && wide > 1) sum_tiles(2, 2, EXACT, __VA_ARGS__);                                            \
        else if (high > 1) sum_tiles(2, 1, EXACT, __VA_ARGS__);                                                   \
        else if (wide > 1) sum_tiles(1, 2, EXACT, __VA_ARGS__);                                                   \
        else sum_tiles(1, 1, EXACT, __VA_ARGS__);                                                                 \
    }

static void multiply(int tall, int64_t columns, int64_t first, int64_t more, struct operand a, int64_t b,
                     const float *weights, const float *bias, float *to, int64_t back) {
    const int64_t panels = up_to(columns, COLUMNS) / COLUMNS;
    const int high = (tall + 15) / 16;
    for (int64_t k = 0; k < panels; k++) {
        const int64_t p = back ? panels - 1 - k : k, n = p * COLUMNS;
        const int wide = columns - n > 16 ? 2 : 1;
        SUM_TILES(0, blocks_of(first), up_to(more, FEW) / FEW, a.at + b / 16 * a.row, a.row, PIECES * TILE,
                  weights + p * panel_of_tiles(first, more), TILE, VECTORS * TILE, PIECES * VECTORS * TILE,
                  bias ? bias + n : 0, 0, to + n, panels * COLUMNS)
    }
}

/* Rows of sources and of values as floats; tiles are made of them when they are summed, DEEP rows at a time. */
struct chunk {
    float *sources, *values, *turned, *pairs;
    int64_t outer, inner; /* columns of the sources and of the values, the rows and the columns of the gradient */
    int64_t most, rows;   /* rows that there is room for, and that are there */
    int exact;            /* whether no source has more than 8 bits */
    int64_t source_row, value_row;
    float *grad;
    int64_t grad_row;
};

UNUSED static int64_t chunk_row(int64_t outer, int64_t inner) { return (up_to(outer, 16) + up_to(inner, 16)) * 5 / 2; }

UNUSED static struct chunk chunk_at(float **room, int64_t outer, int64_t inner, int64_t most, float *grad,
                                    int64_t grad_row) {
    struct chunk k = {.outer = outer, .inner = inner, .most = most, .grad = grad, .grad_row = grad_row};
    const int64_t whole = up_to(most, DEEP);
    k.source_row = up_to(outer, 16) + APART, k.value_row = up_to(inner, 16) + APART;
    k.sources = take(room, whole * k.source_row), k.values = take(room, whole * k.value_row);
    k.turned = take(room, up_to(outer, 16) / 16 * (whole / DEEP) * PIECES * TILE);
    k.pairs = take(room, up_to(inner, 16) / 16 * (whole / DEEP) * PIECES * TILE);
    return k;
}

UNUSED static int64_t chunk_room(int64_t outer, int64_t inner, int64_t most) {
    const int64_t whole = up_to(most, DEEP), columns = up_to(outer, 16) + up_to(inner, 16);
    return whole * (columns + 2 * APART) + columns / 16 * (whole / DEEP) * PIECES * TILE;
}

/* Write the sources of row k: n floats of one row, m of another, and a 1 where that is wanted. */
INLINE void put_source(const struct chunk *c, int64_t k, const float *r, int64_t n, const float *x, int64_t m,
                       int one) {
    float *to = c->sources + k * c->source_row;
    for (int64_t i = 0; i < n; i += LANES) store(to + i, load_some(r + i, n - i)); /* at most to the end of a tile */
    for (int64_t i = 0; i < m; i++) to[n + i] = x[i];
    if (one) to[n + m] = 1.0f;
}

/* The values of row k, as `put_value` takes them. */
INLINE float *values_of(const struct chunk *c, int64_t k) { return c->values + k * c->value_row; }

INLINE void put_value(const struct chunk *c, float *row, int64_t n, vec v) {
    (void)c;
    store(row + n, v);
}

/* Turn 16 rows of 16 floats: shuffles of 1, 2, 4 and 8 columns. */
INLINE void turn(vec *v) {
    vec w[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
        w[i] = (vec)_mm512_unpacklo_ps((__m512)v[i], (__m512)v[i + 1]);
        w[i + 1] = (vec)_mm512_unpackhi_ps((__m512)v[i], (__m512)v[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {
        v[i] = (vec)_mm512_unpacklo_pd((__m512d)w[i], (__m512d)w[i + 2]);
        v[i + 1] = (vec)_mm512_unpackhi_pd((__m512d)w[i], (__m512d)w[i + 2]);
        v[i + 2] = (vec)_mm512_unpacklo_pd((__m512d)w[i + 1], (__m512d)w[i + 3]);
        v[i + 3] = (vec)_mm512_unpackhi_pd((__m512d)w[i + 1], (__m512d)w[i + 3]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        w[i] = (vec)_mm512_shuffle_f32x4((__m512)v[i], (__m512)v[i + 4], 0x88);
        w[i + 4] = (vec)_mm512_shuffle_f32x4((__m512)v[i], (__m512)v[i + 4], 0xdd);
        w[i + 8] = (vec)_mm512_shuffle_f32x4((__m512)v[i + 8], (__m512)v[i + 12], 0x88);
        w[i + 12] = (vec)_mm512_shuffle_f32x4((__m512)v[i + 8], (__m512)v[i + 12], 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        v[i] = (vec)_mm512_shuffle_f32x4((__m512)w[i], (__m512)w[i + 8], 0x88);
        v[i + 8] = (vec)_mm512_shuffle_f32x4((__m512)w[i], (__m512)w[i + 8], 0xdd);
        v[i + 4] = (vec)_mm512_shuffle_f32x4((__m512)w[i + 4], (__m512)w[i + 12], 0x88);
        v[i + 12] = (vec)_mm512_shuffle_f32x4((__m512)w[i + 4], (__m512)w[i + 12], 0xdd);
    }
}

/* Make tiles A of 16 columns of DEEP rows: row j of a tile is column j. Pairs are of the rows i and i + 16. */
static void turned_tiles(float *to, const float *from, int64_t row) {
    vec first[16], second[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) first[i] = load(from + i * row), second[i] = load(from + (16 + i) * row);
    turn(first);
    turn(second);
    for (int j = 0; j < 16; j++) {
        vec one[PIECES], other[PIECES];
        pieces_of(first[j], one);
        pieces_of(second[j], other);
#pragma GCC unroll 3
        for (int s = 0; s < PIECES; s++) store(to + s * TILE + j * 16, paired(one[s], other[s]));
    }
}

/* grad += sources^T values, and begin anew. */
UNUSED static void add_chunk(struct chunk *c) {
    const int64_t deep = up_to(c->rows, DEEP) / DEEP, next = PIECES * TILE;
    const int64_t high_tiles = up_to(c->outer, 16) / 16, wide_tiles = up_to(c->inner, 16) / 16;
    const int64_t missing = deep * DEEP - c->rows;
    if (!c->rows) return;
    memset(c->sources + c->rows * c->source_row, 0, 4 * (size_t)(missing * c->source_row));
    memset(c->values + c->rows * c->value_row, 0, 4 * (size_t)(missing * c->value_row));
    for (int64_t k = 0; k < deep; k++) {
        for (int64_t m = 0; m < high_tiles; m++)
            turned_tiles(c->turned + (m * deep + k) * next, c->sources + k * DEEP * c->source_row + m * 16,
                         c->source_row);
        for (int64_t n = 0; n < wide_tiles; n++)
            tiles_of(c->pairs + (n * deep + k) * next, TILE, c->values + k * DEEP * c->value_row + n * 16, c->value_row,
                     16, 1);
    }
    for (int64_t m = 0; m < high_tiles; m += 2)
        for (int64_t n = 0; n < wide_tiles; n += 2) {
            const int high = (int)least(2, high_tiles - m), wide = (int)least(2, wide_tiles - n);
            float *sum = c->grad + m * 16 * c->grad_row + n * 16;
#define SUM_CHUNK(EXACT)                                                                                          \
    SUM_TILES(EXACT, deep, 0, c->turned + m * deep * next, deep * next, next, c->pairs + n * deep * next,         \
              deep * next, TILE, next, sum, c->grad_row, sum, c->grad_row)
            if (c->exact) SUM_CHUNK(1)
            else SUM_CHUNK(0)
#undef SUM_CHUNK
        }
    c->rows = 0;
}

#endif
