/* Leaky rate units: a whole sequence in one call.

   Trials are independent, so each thread takes its share of them through all of the steps and meets the others only at
   the end: no barrier in the time loop. Weights are packed once a call into panels that the tile of product.h streams
   from the second-level cache; what follows the product (leak, noise, nonlinearity) happens on the tile while it is in
   the first-level cache, so that the state goes to memory once. What is read out is made while a row is still there. */
#include "leaky_share.h"

static int64_t forward_room(const struct leaky *c, const struct sizes *s, int64_t count) {
    return 2 * up_to(count * s->row, 16) + up_to(count * s->wide, 16) * (1 + (c->sd != 0.0) + (c->rank > 0)) +
           TALL * PANEL + up_to(c->outputs, 16);
}

/* What is done to units: the rows of trial b at step t. */
struct act {
    const float *gain, *offset, *current;
};

static struct act act_of(const struct leaky *c, int64_t b, int64_t t) {
    struct act a = {c->act_gain, c->act_offset, c->act_current};
    const int64_t at[3] = {b / c->inner, b % c->inner, t};
    for (int i = 0; i < 3; i++) {
        if (a.gain) a.gain += at[i] * c->by_gain[i];
        if (a.offset) a.offset += at[i] * c->by_offset[i];
        if (a.current) a.current += at[i] * c->by_current[i];
    }
    return a;
}

/* Make h and r of one vector of columns from its drive u. `at` is its place in the (B, T, N) arrays, n what is left of
   the row there. */
INLINE void settle(const int form, const int gate, const struct leaky *c, vec u, int64_t at, int64_t n, float *h_at,
                   float *r_at, uint8_t *bits, vec keep_, vec gain, vec scale, vec noise, const struct act *a,
                   int64_t column) {
    vec h = load(h_at) * keep_;
    if (c->noise_at == NOISE_DRIVE) u += scale * noise;
    if (a && a->current) u += load_some(a->current + column, n);
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
    vec r = form == CURRENT ? activity_of(gate, h) : h;
    store(h_at, h);
    if (a) {
        if (a->gain) r *= load_some(a->gain + column, n);
        if (a->offset) r += load_some(a->offset + column, n);
    }
    if (n < LANES) store_some(r_at, r, n); /* what lies beyond stays 0 */
    else store(r_at, r);
    if (c->sent) {
        store_some(c->sent + at, r, n);
        soon_written(c->sent + at + c->units);
    }
    if (form == CURRENT && c->state) {
        store_some(c->state + at, h, n);
        soon_written(c->state + at + c->units);
    }
}

INLINE void forward_share(const int form, const int gate, const struct share *w) {
    const struct leaky of = *w->c, *c = &of; /* a copy that no store can change: it stays in registers */
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, O = c->outputs, depth = s.fed + I;
    const int acts = c->act_gain || c->act_offset || c->act_current, drawn = c->sd != 0.0;
    float *room = w->room;
    float *now = take(&room, w->count * s.row), *next = take(&room, w->count * s.row);
    float *h = take(&room, w->count * s.wide), *tile = take(&room, TALL * PANEL), *answer = take(&room, O);
    float *loud = drawn ? take(&room, w->count * s.wide) : 0;
    float *rows = c->rank ? take(&room, w->count * s.wide) : now; /* r; where it is fed back whole, in `next` */
    const int64_t rows_row = c->rank ? s.wide : s.row;
    memset(w->room, 0, 4 * (size_t)(2 * up_to(w->count * s.row, 16)));
    if (c->rank) memset(rows, 0, 4 * (size_t)(w->count * s.wide));
    uint8_t unused[2];
    for (int64_t i = 0; i < w->count; i++) {
        const int64_t b = w->first + i;
        pad(h + i * s.wide, c->start + b * N, N, s.wide);
        float *r = rows + i * rows_row;
        if (c->first) {
            memcpy(r, c->first + b * N, 4 * (size_t)N);
        } else {
            for (int64_t n = 0; n < N; n += LANES) {
                const vec v = load(h + i * s.wide + n);
                store_some(r + n, form == CURRENT ? activity_of(gate, v) : v, N - n);
            }
        }
        if (c->rank) contract(now + i * s.row, r, w->squeeze, c->rank, s.wide);
    }
    const vec sd = all((float)c->sd);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < w->count; i++) {
            const int64_t b = w->first + i;
            if (I) memcpy(now + i * s.row + s.fed, c->x + (b % c->x_trials * T + t) * I, 4 * (size_t)I);
            if (drawn) {
                const uint64_t words = words_of(c->key, c->first_trial + b % c->noise_trials, c->first_step + t);
                noise_row(loud + i * s.wide, sd, words, N);
            }
        }
        if (!c->rank) rows = next;
        for (int64_t p = 0; p < s.panels; p++) {
            const int wide = width_of(p, N);
            const float *panel = w->panels + p * depth * PANEL;
            for (int64_t b = 0; b < w->count; b += TALL) {
                const int tall = (int)least(TALL, w->count - b);
                product(tall, wide, depth, now + b * s.row, s.row, panel, w->bias + p * PANEL, 0, tile, PANEL);
                for (int i = 0; i < tall; i++) {
                    const int64_t trial = w->first + b + i, line = trial * T + t;
                    struct act act;
                    if (acts) act = act_of(c, trial, t);
                    for (int j = 0; j < wide; j++) {
                        const int64_t n = p * PANEL + j * LANES;
                        uint8_t *bits = c->open ? (uint8_t *)c->open + line * s.bits_row + n / 8 : unused;
                        vec noise = {0};
                        if (drawn) {
                            noise = load(loud + (b + i) * s.wide + n);
                        } else if (c->noise_at != NOISE_NONE) {
                            const float *from = c->noise + (trial % c->noise_trials * T + t) * N + n;
                            noise = load_some(from, N - n);
                            soon_read(from + N);
                        }
                        settle(form, gate, c, load(tile + i * PANEL + j * LANES), line * N + n, N - n,
                               h + (b + i) * s.wide + n, rows + (b + i) * rows_row + n, bits, load(w->keep + n),
                               load(w->gain + n), load(w->scale + n), noise, acts ? &act : 0, n);
                    }
                }
            }
        }
        for (int64_t i = 0; i < w->count; i++) {
            const float *r = rows + i * rows_row;
            if (c->rank) contract(next + i * s.row, r, w->squeeze, c->rank, s.wide);
            if (!O) continue;
            contract(answer, r, w->readout, O, s.wide);
            float *out = c->out + ((w->first + i) * T + t) * O;
            for (int64_t o = 0; o < O; o++) out[o] = answer[o] + c->shift[o];
        }
        float *swap = now;
        now = next;
        next = swap;
        if (!c->rank && s.wide > N) /* what the inputs left there would count as units beyond the last */
            for (int64_t i = 0; i < w->count; i++) memset(next + i * s.row + N, 0, 4 * (size_t)(s.wide - N));
    }
    for (int64_t i = 0; i < w->count; i++)
        memcpy(c->last + (w->first + i) * N, h + i * s.wide, 4 * (size_t)N);
}

EACH_CASE(forward)

/* Deal the trials out, a share a thread. Returns 0, or 1 where memory is short. */
int NAMED(leaky_forward)(const struct leaky *c) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, width = s.panels * PANEL, depth = s.fed + c->inputs;
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(forward_room(c, &s, most), 16);
    float *whole = reserve(up_to(depth * width, 16) + 4 * up_to(width, 16) + up_to(c->rank * s.wide, 16) +
                           up_to(c->outputs * s.wide, 16) + shares * own);
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, depth * width), *bias = take(&room, width), *keep_ = take(&room, width);
    float *gain = take(&room, width), *scale = take(&room, width);
    float *squeeze = take(&room, c->rank * s.wide), *readout = take(&room, c->outputs * s.wide);
    pack(panels, c->weights, depth, N, N, 1);
    pad(bias, c->weights + depth * N, N, width);
    pad(keep_, c->keep, N, width);
    pad(gain, c->gain, c->gain ? N : 0, width);
    pad(scale, c->scale, c->scale ? N : 0, width);
    widen(squeeze, c->squeeze, c->rank, N, s.wide);
    widen(readout, c->readout, c->outputs, N, s.wide);
    const int64_t all_states = c->trials * c->steps * N;
    first_touched(c->sent, all_states);
    first_touched(c->state, all_states);
    first_touched(c->rate, all_states);
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .group = group,
                                  .panels = panels, .bias = bias, .keep = keep_, .gain = gain, .scale = scale,
                                  .squeeze = squeeze, .readout = readout, .room = take(&room, own)};
    }
    on_threads(forward_any, share, sizeof share[0], (int)shares);
    release(whole);
    return 0;
}
