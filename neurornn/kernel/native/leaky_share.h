/* What both passes of leaky rate units have in common: sizes, a thread's share of the trials, and how they are dealt. */
#ifndef NEURORNN_LEAKY_SHARE_H
#define NEURORNN_LEAKY_SHARE_H

#include "block.h"

#include "leaky.h"
#include "noise.h"

struct sizes {
    int64_t wide;     /* N rounded up to whole vectors */
    int64_t fed;      /* F, what is fed back */
    int64_t panels;   /* of N columns */
    int64_t bits_row; /* bytes of `open` for one step of one trial */
};

static struct sizes sizes_of(const struct leaky *c) {
    struct sizes s;
    s.wide = up_to(c->units, LANES);
    s.fed = c->rank ? c->rank : c->units;
    s.panels = panels_of(c->units);
    s.bits_row = 2 * ((c->units + 15) / 16);
    return s;
}

/* One thread's share, and what all of them read. */
struct share {
    const struct leaky *c;
    struct sizes s;
    int64_t first, count; /* trials */
    int64_t group;        /* of them that go through the steps together */
    int streamed;         /* whether the large arrays are written past the caches */
    int64_t chunk;        /* steps of a chunk: that of the largest share, for which the room is meant */
    const float *panels, *panels_x, *panels_out; /* packed weights; backward the inputs' apart, forward the readout's */
    const float *bias, *shift, *keep, *gain, *scale; /* padded to whole panels */
    const float *squeeze, *readout, *feeds;  /* rows of whole vectors: (R, wide), (O, wide); backward, (R, wide) */
    float *room;                             /* this thread's own memory */
    float *grad_weights, *grad_read;         /* rows of whole panels; these five are summed over threads afterwards */
    float *grad_keep, *grad_gain, *grad_scale;
};

INLINE vec activity_of(const int gate, vec h) {
    return gate == RELU ? relu(h) : gate == LEAKY ? leaky_relu(h) : hyperbolic_tangent(h);
}

/* `v` times the slope of a ReLU that is open there, or else shut but for its leak. */
INLINE vec through(const int gate, vec v, ivec open) { return gate == RELU ? keep(v, open) : choose(open, v, v * LEAK); }

/* The slope of the nonlinearity where its value is r. */
INLINE vec slope_at(const int gate, vec r) {
    return gate == TANH ? 1.0f - r * r : through(gate, all(1.0f), ~(r <= all(0.0f)));
}

/* to[k] = sum over the columns of r * rows[k], for vectors that are padded with 0. */
static void contract(float *to, const float *r, const float *rows, int64_t count, int64_t wide) {
    int64_t k = 0;
    for (; k + 4 <= count; k += 4, rows += 4 * wide) {
        vec a = {0}, b = {0}, c = {0}, d = {0};
        for (int64_t n = 0; n < wide; n += LANES) {
            const vec v = load(r + n);
            a += v * load(rows + n), b += v * load(rows + wide + n);
            c += v * load(rows + 2 * wide + n), d += v * load(rows + 3 * wide + n);
        }
        to[k] = total(a), to[k + 1] = total(b), to[k + 2] = total(c), to[k + 3] = total(d);
    }
    for (; k < count; k++, rows += wide) {
        vec a = {0}, b = {0};
        int64_t n = 0;
        for (; n + 2 * LANES <= wide; n += 2 * LANES)
            a += load(r + n) * load(rows + n), b += load(r + n + LANES) * load(rows + n + LANES);
        if (n < wide) a += load(r + n) * load(rows + n);
        to[k] = total(a + b);
    }
}

/* Copy rows of n floats to rows of `wide`, zero-padded. */
static void widen(float *to, const float *from, int64_t count, int64_t n, int64_t wide) {
    for (int64_t k = 0; k < count; k++) pad(to + k * wide, from + k * n, n, wide);
}

/* How many trials go through the steps together. */
static int64_t trials_together(const struct sizes *s) {
    return group_of(2 * operand_room(ROWS, s->fed, 0) / ROWS + 3 * s->wide);
}

/* The function that runs a pass on one share, group by group, whatever the form and the gate. What most runs do without
   is left out of the code of those. */
#define CASE(WHAT, FORM, GATE)                                                                                    \
    case FORM * 3 + GATE: WHAT##_share(FORM, GATE, 0, w); break;
#define PLAIN_CASE(WHAT, FORM, GATE)                                                                              \
    if (plain && w->c->form == FORM && w->c->gate == GATE) {                                                      \
        WHAT##_share(FORM, GATE, 1, w);                                                                           \
        return;                                                                                                   \
    }
#define EACH_CASE(WHAT)                                                                                           \
    static void WHAT##_group(const struct share *w) {                                                             \
        const int plain = is_plain_##WHAT(w->c);                                                                  \
        PLAIN_CASE(WHAT, RATE, RELU) PLAIN_CASE(WHAT, RATE, TANH) PLAIN_CASE(WHAT, CURRENT, TANH)                 \
        switch (w->c->form * 3 + w->c->gate) {                                                                    \
            CASE(WHAT, RATE, RELU) CASE(WHAT, RATE, TANH) CASE(WHAT, RATE, LEAKY)                                 \
            CASE(WHAT, CURRENT, RELU) CASE(WHAT, CURRENT, TANH) CASE(WHAT, CURRENT, LEAKY)                        \
            CASE(WHAT, UPDATE, RELU) CASE(WHAT, UPDATE, TANH) CASE(WHAT, UPDATE, LEAKY)                           \
        }                                                                                                         \
    }                                                                                                             \
    static void WHAT##_any(void *of) {                                                                            \
        const struct share *whole = of;                                                                           \
        const uint32_t before = flush_tiny();                                                                     \
        begin_blocks();                                                                                           \
        for (int64_t done = 0; done < whole->count; done += whole->group) {                                       \
            struct share part = *whole;                                                                           \
            part.first += done, part.count = least(whole->group, whole->count - done);                            \
            WHAT##_group(&part);                                                                                  \
        }                                                                                                         \
        end_blocks();                                                                                             \
        settled();                                                                                                \
        restore_tiny(before);                                                                                     \
    }

#endif
