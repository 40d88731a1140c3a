/* Leaky rate units: a whole sequence forward, and its gradients backward, in one call each.

   Trials are independent, so each thread takes its share of them through all of the steps and meets the others only at
   the end: no barrier in the time loop. Weights are packed once a call into panels that the tile of product.h streams
   from the second-level cache; what follows the product (leak, noise, nonlinearity) happens on the tile while it is in
   the first-level cache, so that the state goes to memory once. Backward, one reverse sweep keeps the adjoint of two
   steps only; weight gradients are products over chunks of several steps that still lie in cache. */
#include "work.h"

#include "leaky.h"

struct sizes {
    int64_t wide_units; /* N rounded up to whole vectors */
    int64_t depth;      /* N + I */
    int64_t row;        /* of a thread's own copy of r and x; odd in cache lines, so that rows do not share their sets */
    int64_t panels;     /* of N columns */
    int64_t bits_row;   /* bytes of `open` for one step of one trial */
};

static struct sizes sizes_of(const struct leaky *c) {
    struct sizes s;
    s.wide_units = up_to(c->units, LANES);
    s.depth = c->units + c->inputs;
    s.row = up_to(s.wide_units + c->inputs, 16);
    if ((s.row / 16) % 2 == 0) s.row += 16;
    s.panels = (c->units + PANEL - 1) / PANEL;
    s.bits_row = 2 * ((c->units + 15) / 16);
    return s;
}

/* One thread's share, and what all of them read. */
struct share {
    const struct leaky *c;
    struct sizes s;
    int64_t first, count; /* trials */
    int64_t chunk;        /* steps of a chunk: that of the largest share, for which the room is meant */
    const float *panels, *panels_x; /* packed weights; backward, those of the inputs apart */
    const float *bias, *keep, *gain, *scale; /* padded to whole panels */
    float *room;                             /* this thread's own memory */
    float *grad_weights;                     /* in panels; these four are summed over threads afterwards */
    float *grad_keep, *grad_gain, *grad_scale;
};

/* ---------------------------------------------------------------- forward */

static int64_t forward_room(const struct leaky *c, const struct sizes *s, int64_t count) {
    (void)c;
    return 2 * up_to(count * s->row, 16) + up_to(count * s->wide_units, 16) + TALL * PANEL;
}

INLINE vec activity_of(const int gate, vec h) {
    return gate == RELU ? relu(h) : gate == LEAKY ? leaky_relu(h) : hyperbolic_tangent(h);
}

/* `v` times the slope of a ReLU that is open there, or else shut but for its leak. */
INLINE vec through(const int gate, vec v, ivec open) { return gate == RELU ? keep(v, open) : choose(open, v, v * LEAK); }

/* Make h and r of one vector of columns from its drive u. `at` is its place in the (B, T, N) arrays, n what is left of
   the row there. */
INLINE void settle(const int form, const int gate, const struct leaky *c, vec u, int64_t at, int64_t n, float *h_at,
                   float *r_at, uint8_t *bits, vec keep_, vec gain, vec scale) {
    vec h = load(h_at) * keep_;
    vec noise = {0};
    if (c->noise_at != NOISE_NONE) {
        noise = load_some(c->noise + at, n);
        soon_read(c->noise + at + c->units);
    }
    if (c->noise_at == NOISE_DRIVE) u += scale * noise;
    if (form == RATE && gate != TANH) {
        const ivec open = ~(u <= all(0.0f));
        const uint32_t set = to_bits(open);
        bits[0] = (uint8_t)set;
        if (LANES == 16) bits[1] = (uint8_t)(set >> 8);
        h += through(gate, u, open);
    } else if (form == RATE) {
        const vec rate = hyperbolic_tangent(u);
        if (c->rate) {
            store_some(c->rate + at, rate, n);
            soon_written(c->rate + at + c->units);
        }
        h += gain * rate;
    } else {
        h += u;
    }
    if (c->noise_at == NOISE_STATE) h += noise;
    if (form == UPDATE) h = activity_of(gate, h);
    const vec r = form == CURRENT ? activity_of(gate, h) : h;
    store(h_at, h);
    store(r_at, r);
    store_some(c->sent + at, r, n);
    soon_written(c->sent + at + c->units);
    if (form == CURRENT && c->state) {
        store_some(c->state + at, h, n);
        soon_written(c->state + at + c->units);
    }
}

INLINE void forward_share(const int form, const int gate, const struct share *w) {
    const struct leaky of = *w->c, *c = &of; /* a copy that no store can change: it stays in registers */
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs;
    float *room = w->room;
    float *now = take(&room, w->count * s.row), *next = take(&room, w->count * s.row);
    float *h = take(&room, w->count * s.wide_units), *tile = take(&room, TALL * PANEL);
    uint8_t unused[2];
    for (int64_t i = 0; i < w->count; i++) {
        pad(h + i * s.wide_units, c->start + (w->first + i) * N, N, s.wide_units);
        for (int64_t n = 0; n < s.wide_units; n += LANES) {
            const vec v = load(h + i * s.wide_units + n);
            store(now + i * s.row + n, form == CURRENT ? activity_of(gate, v) : v);
        }
    }
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < w->count && I; i++)
            memcpy(now + i * s.row + N, c->x + ((w->first + i) * T + t) * I, 4 * (size_t)I);
        for (int64_t p = 0; p < s.panels; p++) {
            const int wide = width_of(p, N);
            const float *panel = w->panels + p * s.depth * PANEL;
            for (int64_t b = 0; b < w->count; b += TALL) {
                const int tall = (int)least(TALL, w->count - b);
                product(tall, wide, s.depth, now + b * s.row, s.row, panel, w->bias + p * PANEL, 0, tile, PANEL);
                for (int j = 0; j < wide; j++) {
                    const int64_t n = p * PANEL + j * LANES;
                    const vec keep_ = load(w->keep + n), gain = load(w->gain + n), scale = load(w->scale + n);
                    for (int i = 0; i < tall; i++) {
                        const int64_t line = (w->first + b + i) * T + t;
                        uint8_t *bits = c->open ? (uint8_t *)c->open + line * s.bits_row + n / 8 : unused;
                        settle(form, gate, c, load(tile + i * PANEL + j * LANES), line * N + n, N - n,
                               h + (b + i) * s.wide_units + n, next + (b + i) * s.row + n, bits, keep_, gain, scale);
                    }
                }
            }
        }
        float *swap = now;
        now = next;
        next = swap;
    }
    for (int64_t i = 0; i < w->count; i++)
        memcpy(c->last + (w->first + i) * N, h + i * s.wide_units, 4 * (size_t)N);
}

/* ---------------------------------------------------------------- backward */

/* Steps in a chunk: as many as fit the cache, but at least 1. */
static int64_t chunk_of(const struct leaky *c, const struct sizes *s, int64_t count) {
    const int64_t fit = CHUNK_FLOATS / (count * (s->panels * PANEL + up_to(s->depth + 1, TALL)) + 1);
    return least(c->steps, fit > 1 ? fit : 1);
}

static int64_t backward_room(const struct leaky *c, const struct sizes *s, int64_t count) {
    const int64_t chunk = chunk_of(c, s, count) * count;
    return 3 * up_to(count * s->row, 16) + TALL * PANEL + up_to(s->panels * (chunk * PANEL + APART), 16) +
           up_to(up_to(s->depth + 1, TALL) / TALL * (chunk * TALL + APART), 16);
}

/* Gradients of one vector of columns at one step. `product` is what arrives through the recurrent weights; the returned
   adjoint of the drive goes on into the next product and into the weight gradient. */
INLINE vec unsettle(const int form, const int gate, const struct leaky *c, vec product, int64_t at, int64_t n,
                    float *carry_at, vec before, const uint8_t *bits, vec keep_, vec gain, vec scale, vec *to_keep,
                    vec *to_gain, vec *to_scale) {
    vec sent = product, carried = load(carry_at);
    if (c->grad_sent) {
        sent += load_some(c->grad_sent + at, n);
        soon_read(c->grad_sent + at - c->units);
    }
    vec slope = all(1.0f), rate = all(0.0f);
    if (form == RATE && gate != TANH) {
        slope = through(gate, slope, from_bits(LANES == 16 ? bits[0] | (uint32_t)bits[1] << 8 : bits[0]));
    } else if (form == RATE) {
        rate = load_some(c->rate + at, n);
        soon_read(c->rate + at - c->units);
        slope = gain * (1.0f - rate * rate);
    } else {
        const vec r = load_some(c->sent + at, n);
        soon_read(c->sent + at - c->units);
        slope = gate == TANH ? 1.0f - r * r : through(gate, slope, ~(r <= all(0.0f)));
    }
    vec state, drive;
    if (form == RATE) {
        state = sent + carried;
        drive = slope * state;
        *to_gain += state * rate;
    } else {
        state = form == CURRENT ? slope * sent + carried : slope * (sent + carried);
        drive = state;
    }
    store(carry_at, keep_ * state);
    *to_keep += state * before;
    if (c->noise_at == NOISE_DRIVE) {
        if (c->grad_noise) store_some(c->grad_noise + at, scale * drive, n);
        if (c->grad_scale) *to_scale += drive * load_some(c->noise + at, n);
    } else if (c->noise_at == NOISE_STATE && c->grad_noise) {
        store_some(c->grad_noise + at, state, n);
    }
    return drive;
}

/* Add the chunk's part to the weight gradient: sum over its rows k of [r; x; 1]_k drive_k^T. */
static void add_chunk(const struct share *w, const float *sources, const float *drives, int64_t rows, int64_t most) {
    const struct sizes s = w->s;
    for (int64_t p = 0; p < s.panels; p++)
        for (int64_t j = 0; j < s.depth + 1; j += TALL) {
            float *sum = w->grad_weights + (p * (s.depth + 1) + j) * PANEL;
            product_packed((int)least(TALL, s.depth + 1 - j), width_of(p, w->c->units), rows,
                           sources + j / TALL * (most * TALL + APART), drives + p * (most * PANEL + APART), sum, PANEL,
                           sum, PANEL);
        }
}

INLINE void backward_share(const int form, const int gate, const struct share *w) {
    const struct leaky of = *w->c, *c = &of;
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, count = w->count;
    float *room = w->room;
    float *now = take(&room, count * s.row), *next = take(&room, count * s.row), *carry = take(&room, count * s.row);
    float *tile = take(&room, TALL * PANEL);
    const int64_t chunk = w->chunk, most = chunk * count;
    const int64_t drives_row = most * PANEL + APART, sources_row = most * TALL + APART;
    float *drives = take(&room, s.panels * drives_row);
    float *sources = take(&room, up_to(s.depth + 1, TALL) / TALL * sources_row);
    /* What r was before the first step is made from h anew: it is needed once. */
    memset(now, 0, 4 * (size_t)(count * s.row));
    memset(next, 0, 4 * (size_t)(count * s.row));
    for (int64_t i = 0; i < count; i++)
        pad(carry + i * s.row, c->grad_last ? c->grad_last + (w->first + i) * N : 0, c->grad_last ? N : 0, s.row);
    const int64_t in_panels = (I + PANEL - 1) / PANEL;
    int64_t slot = 0;
    for (int64_t t = T - 1; t >= 0; t--) {
        for (int64_t p = 0; p < s.panels; p++) {
            const int wide = width_of(p, N);
            const float *panel = w->panels + p * N * PANEL;
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b);
                product(tall, wide, N, now + b * s.row, s.row, panel, 0, 0, tile, PANEL);
                for (int j = 0; j < wide; j++) {
                    const int64_t n = p * PANEL + j * LANES;
                    const vec keep_ = load(w->keep + n), gain = load(w->gain + n), scale = load(w->scale + n);
                    vec to_keep = {0}, to_gain = {0}, to_scale = {0};
                    for (int i = 0; i < tall; i++) {
                        const int64_t trial = w->first + b + i, line = trial * T + t;
                        const float *earlier = form == CURRENT ? c->state : c->sent;
                        vec before = {0};
                        if (c->grad_keep) {
                            before = load_some(t ? earlier + (line - 1) * N + n : c->start + trial * N + n, N - n);
                            soon_read(earlier + (line - 2) * N + n);
                        }
                        const uint8_t *bits = c->open ? (uint8_t *)c->open + line * s.bits_row + n / 8 : 0;
                        const vec drive = unsettle(form, gate, c, load(tile + i * PANEL + j * LANES), line * N + n,
                                                   N - n, carry + (b + i) * s.row + n, before, bits, keep_, gain,
                                                   scale, &to_keep, &to_gain, &to_scale);
                        store(next + (b + i) * s.row + n, drive);
                        store(drives + p * drives_row + (slot * count + b + i) * PANEL + j * LANES, drive);
                    }
                    store(w->grad_keep + n, load(w->grad_keep + n) + to_keep);
                    store(w->grad_gain + n, load(w->grad_gain + n) + to_gain);
                    store(w->grad_scale + n, load(w->grad_scale + n) + to_scale);
                }
            }
        }
        float *swap = now;
        now = next;
        next = swap;
        if (c->grad_weights) {
            for (int64_t i = 0; i < count; i++) {
                const int64_t trial = w->first + i, line = trial * T + t;
                const float *r = t ? c->sent + (line - 1) * N : c->start + trial * N;
                if (t == 0 && form == CURRENT) {
                    for (int64_t n = 0; n < N; n += LANES)
                        store(next + i * s.row + n, activity_of(gate, load_some(r + n, N - n)));
                    r = next + i * s.row;
                }
                lay(r, N, c->x + line * I, I, sources + (slot * count + i) * TALL, sources_row);
            }
            if (++slot == chunk || t == 0) {
                add_chunk(w, sources, drives, slot * count, most);
                slot = 0;
            }
        }
        if (c->grad_x)
            for (int64_t p = 0; p < in_panels; p++)
                for (int64_t b = 0; b < count; b += TALL) {
                    const int tall = (int)least(TALL, count - b), wide = width_of(p, I);
                    product(tall, wide, N, now + b * s.row, s.row, w->panels_x + p * N * PANEL, 0, 0, tile, PANEL);
                    for (int i = 0; i < tall; i++)
                        memcpy(c->grad_x + ((w->first + b + i) * T + t) * I + p * PANEL, tile + i * PANEL,
                               4 * (size_t)least(PANEL, I - p * PANEL));
                }
    }
    if (!c->grad_start) return;
    for (int64_t p = 0; p < s.panels; p++) /* what r before the first step did, and the h that was kept from it */
        for (int64_t b = 0; b < count; b += TALL) {
            const int tall = (int)least(TALL, count - b), wide = width_of(p, N);
            product(tall, wide, N, now + b * s.row, s.row, w->panels + p * N * PANEL, 0, 0, tile, PANEL);
            for (int i = 0; i < tall; i++)
                for (int j = 0; j < wide; j++) {
                    const int64_t n = p * PANEL + j * LANES, at = (w->first + b + i) * N + n;
                    vec g = load(tile + i * PANEL + j * LANES);
                    if (form == CURRENT) {
                        const vec r = activity_of(gate, load_some(c->start + at, N - n));
                        g = gate == TANH ? g * (1.0f - r * r) : through(gate, g, ~(r <= all(0.0f)));
                    }
                    store_some(c->grad_start + at, g + load(carry + (b + i) * s.row + n), N - n);
                }
        }
}

/* ---------------------------------------------------------------- both */

#define EACH_CASE(WHAT)                                                                                           \
    static void WHAT##_any(void *of) {                                                                            \
        struct share *w = of;                                                                                     \
        const uint32_t before = flush_tiny();                                                                     \
        switch (w->c->form * 3 + w->c->gate) {                                                                    \
            case RATE * 3 + RELU: WHAT##_share(RATE, RELU, w); break;                                             \
            case RATE * 3 + TANH: WHAT##_share(RATE, TANH, w); break;                                             \
            case RATE * 3 + LEAKY: WHAT##_share(RATE, LEAKY, w); break;                                           \
            case CURRENT * 3 + RELU: WHAT##_share(CURRENT, RELU, w); break;                                       \
            case CURRENT * 3 + TANH: WHAT##_share(CURRENT, TANH, w); break;                                       \
            case CURRENT * 3 + LEAKY: WHAT##_share(CURRENT, LEAKY, w); break;                                     \
            case UPDATE * 3 + RELU: WHAT##_share(UPDATE, RELU, w); break;                                         \
            case UPDATE * 3 + TANH: WHAT##_share(UPDATE, TANH, w); break;                                         \
            case UPDATE * 3 + LEAKY: WHAT##_share(UPDATE, LEAKY, w); break;                                       \
        }                                                                                                         \
        restore_tiny(before);                                                                                     \
    }

EACH_CASE(forward)
EACH_CASE(backward)

/* Deal the trials out, a share a thread, and run `work` on all shares. Returns 0, or 1 where memory is short. */
static int run(const struct leaky *c, int backward) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, width = s.panels * PANEL, K = s.depth + 1;
    const int64_t shares = shares_of(c->threads, c->trials), most = (c->trials + shares - 1) / shares;
    const int64_t own = up_to(backward ? backward_room(c, &s, most) : forward_room(c, &s, most), 16);
    const int64_t a_row = up_to(width, 16), sums = up_to(K * width, 16) + 3 * a_row;
    const int64_t in_width = up_to(c->inputs, PANEL);
    const int64_t packed = backward ? up_to(N * width, 16) + up_to(N * in_width, 16) : up_to(s.depth * width, 16);
    float *whole = reserve(packed + 4 * a_row + shares * (own + (backward ? sums : 0)));
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, backward ? N * width : s.depth * width);
    float *panels_x = backward ? take(&room, N * in_width) : 0;
    float *bias = take(&room, width), *keep_ = take(&room, width), *gain = take(&room, width);
    float *scale = take(&room, width);
    pad(bias, c->weights + s.depth * N, N, width);
    pad(keep_, c->keep, N, width);
    pad(gain, c->gain, c->gain ? N : 0, width);
    pad(scale, c->scale, c->scale ? N : 0, width);
    if (backward) {
        pack(panels, c->weights, N, N, 1, N); /* transposed */
        if (c->grad_x) pack(panels_x, c->weights + N * N, N, c->inputs, 1, N);
    } else {
        pack(panels, c->weights, s.depth, N, N, 1);
    }
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .panels = panels, .panels_x = panels_x, .bias = bias, .keep = keep_, .gain = gain,
                                  .scale = scale};
        share[i].chunk = chunk_of(c, &s, most);
        share[i].room = take(&room, own);
        if (backward) {
            share[i].grad_weights = take(&room, K * width);
            share[i].grad_keep = take(&room, width);
            share[i].grad_gain = take(&room, width);
            share[i].grad_scale = take(&room, width);
            memset(share[i].grad_weights, 0, 4 * (size_t)sums);
        }
    }
    on_threads(backward ? backward_any : forward_any, share, sizeof share[0], (int)shares);
    if (backward) {
        float *const all_of[] = {c->grad_weights, c->grad_keep, c->grad_gain, c->grad_scale};
        for (int a = 0; a < 4; a++)
            for (int64_t k = 0; all_of[a] && k < (a ? 1 : K); k++)
                for (int64_t n = 0; n < N; n++) {
                    const int64_t at = a ? n : (n / PANEL * K + k) * PANEL + n % PANEL;
                    float sum = 0.0f;
                    for (int64_t i = 0; i < shares; i++) {
                        const float *of[] = {share[i].grad_weights, share[i].grad_keep, share[i].grad_gain,
                                             share[i].grad_scale};
                        sum += of[a][at];
                    }
                    all_of[a][k * N + n] = sum;
                }
    }
    free(whole);
    return 0;
}

int NAMED(leaky_forward)(const struct leaky *c) { return run(c, 0); }
int NAMED(leaky_backward)(const struct leaky *c) { return run(c, 1); }
