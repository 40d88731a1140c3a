/* Products of blocks by vectors of floats: the tile of product.h. */
#ifndef NEURORNN_BLOCK_FLOAT_H
#define NEURORNN_BLOCK_FLOAT_H

#include "work.h"

#define MATRIX_UNIT 0
#define ROWS TALL
#define COLUMNS PANEL
#define DEEP 1
#define FEWEST_ROWS 1

INLINE void begin_blocks(void) {}
INLINE void end_blocks(void) {}

/* Rows of floats, odd in cache lines, so that they do not share their sets. */
struct operand {
    float *at;
    int64_t row, more; /* floats from row to row, and where in a row the further entries are */
};

UNUSED static int64_t operand_row(int64_t depth) {
    const int64_t lines = up_to(depth, 16) / 16;
    return 16 * (lines % 2 ? lines : lines + 1);
}

UNUSED static int64_t operand_room(int64_t count, int64_t first, int64_t more) {
    return count * operand_row(up_to(first, 16) + more);
}

UNUSED static struct operand operand_at(float **room, int64_t count, int64_t first, int64_t more) {
    float *at = take(room, operand_room(count, first, more));
    memset(at, 0, 4 * (size_t)operand_room(count, first, more));
    return (struct operand){at, operand_row(up_to(first, 16) + more), first};
}

/* Row i, as `put` takes it. */
INLINE float *row_of(struct operand to, int64_t i) { return to.at + i * to.row; }

INLINE void put(float *row, int64_t n, vec v) { store(row + n, v); }

INLINE void put_first(struct operand to, int64_t i, const float *from, int64_t count) {
    memcpy(to.at + i * to.row, from, 4 * (size_t)count);
}

INLINE void put_more(struct operand to, int64_t i, const float *from, int64_t count) {
    float *at = to.at + i * to.row + to.more;
    for (int64_t k = 0; k < count; k++) at[k] = from[k];
}

UNUSED static int64_t weights_room(int64_t first, int64_t more, int64_t columns) {
    return (first + more) * up_to(columns, PANEL);
}

/* Pack the weights of the first entries and those of the further ones, entry (i, j) of each at [i * row + j * col]. */
UNUSED static void pack(float *to, const float *from, int64_t first, int64_t row, int64_t col, const float *from_more,
                 int64_t more, int64_t columns) {
    pack_rows(to, PANEL, 0, first + more, from, first, columns, row, col);
    pack_rows(to, PANEL, first, first + more, from_more, more, columns, columns, 1);
}

UNUSED static void multiply(int tall, int64_t columns, int64_t first, int64_t more, struct operand a, int64_t b,
                            const float *weights, const float *bias, float *to, int64_t back) {
    const int64_t depth = first + more, panels = up_to(columns, PANEL) / PANEL;
    for (int64_t k = 0; k < panels; k++) {
        const int64_t p = back ? panels - 1 - k : k;
        product(tall, width_of(p, columns), depth, a.at + b * a.row, a.row, weights + p * depth * PANEL,
                bias ? bias + p * PANEL : 0, 0, to + p * PANEL, panels * PANEL);
    }
}

/* Sources lie in tiles of TALL columns, values in panels; both a little apart, lest they meet in the cache. */
struct chunk {
    float *sources, *values;
    int64_t outer, inner; /* columns of the sources and of the values, the rows and the columns of the gradient */
    int64_t most, rows;   /* rows that there is room for, and that are there */
    int exact;            /* whether no source has more than 8 bits: of no use here */
    float *grad;
    int64_t grad_row;
};

UNUSED static int64_t chunk_row(int64_t outer, int64_t inner) { return up_to(outer, TALL) + up_to(inner, PANEL); }

UNUSED static int64_t chunk_room(int64_t outer, int64_t inner, int64_t most) {
    return up_to(up_to(outer, TALL) / TALL * (most * TALL + APART), 16) +
           up_to(up_to(inner, PANEL) / PANEL * (most * PANEL + APART), 16);
}

UNUSED static struct chunk chunk_at(float **room, int64_t outer, int64_t inner, int64_t most, float *grad,
                                    int64_t grad_row) {
    struct chunk k = {.outer = outer, .inner = inner, .most = most, .grad = grad, .grad_row = grad_row};
    k.sources = take(room, up_to(outer, TALL) / TALL * (most * TALL + APART));
    k.values = take(room, up_to(inner, PANEL) / PANEL * (most * PANEL + APART));
    return k;
}

/* Write the sources of row k: n floats of one row, m of another, and a 1 where that is wanted. */
INLINE void put_source(const struct chunk *c, int64_t k, const float *r, int64_t n, const float *x, int64_t m,
                       int one) {
    const int64_t apart = c->most * TALL + APART, whole = n / TALL;
    float *to = c->sources + k * TALL;
    for (int64_t i = 0; i < whole; i++, to += apart) memcpy(to, r + i * TALL, 4 * TALL);
    int64_t filled = 0, laid = 0;
    if (n == whole * TALL)
        for (; laid + TALL <= m; laid += TALL, to += apart) memcpy(to, x + laid, 4 * TALL);
#define PUT(v)                                                                                                    \
    to[filled] = (v);                                                                                             \
    if (++filled == TALL) filled = 0, to += apart;
    for (int64_t i = whole * TALL; i < n; i++) { PUT(r[i]) }
    for (int64_t i = laid; i < m; i++) { PUT(x[i]) }
    if (one) { PUT(1.0f) }
#undef PUT
}

/* The values of row k, as `put_value` takes them. */
INLINE float *values_of(const struct chunk *c, int64_t k) { return c->values + k * PANEL; }

INLINE void put_value(const struct chunk *c, float *row, int64_t n, vec v) {
    const uint64_t column = (uint64_t)n;
    store(row + column / PANEL * (uint64_t)(c->most * PANEL + APART) + column % PANEL, v);
}

/* grad += sources^T values, and begin anew. */
UNUSED static void add_chunk(struct chunk *c) {
    for (int64_t p = 0; p * PANEL < c->inner && c->rows; p++)
        for (int64_t j = 0; j < c->outer; j += TALL) {
            float *sum = c->grad + j * c->grad_row + p * PANEL;
            product_packed((int)least(TALL, c->outer - j), width_of(p, c->inner), c->rows,
                           c->sources + j / TALL * (c->most * TALL + APART),
                           c->values + p * (c->most * PANEL + APART), sum, c->grad_row, sum, c->grad_row);
        }
    c->rows = 0;
}

#endif
