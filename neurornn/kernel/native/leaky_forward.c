/* Leaky rate units: a whole sequence in one call.

   Trials are independent, so each thread takes its share of them through all of the steps and meets the others only at
   the end: no barrier in the time loop. Weights are packed once a call into panels that the tile of product.h streams
   from the second-level cache; what follows the product (leak, noise, nonlinearity) happens on the tile while it is in
   the first-level cache, so that the state goes to memory once. What is read out is made while a row is still there. */
#include "leaky_share.h"

/* Whether readouts are a product of their own; otherwise they are summed row by row, which takes less for a few. */
static int reads_apart(const struct leaky *c) { return c->outputs && !c->rank && (MATRIX_UNIT || c->outputs > 4); }

static int64_t forward_room(const struct leaky *c, const struct sizes *s, int64_t count) {
    return 2 * operand_room(count, s->fed, c->inputs) + 2 * up_to(count * s->wide, 16) +
           ROWS * COLUMNS * larger(s->panels, panels_of(c->outputs)) + up_to(c->outputs, 16) + up_to(c->rank, 16) +
           up_to(s->wide + 4 * LANES, 16);
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

/* Which row a trial takes of those that are fewer. */
INLINE int64_t turn_of(int64_t trial, int64_t rows) { return trial < rows ? trial : trial % rows; }

/* Where one trial's step reads and writes, each at its first unit; null what there is none of. */
struct step {
    const float *drive, *noise;
    float *h, *r, *fed; /* the thread's own; `fed` is a row of the operand, null for weights of low rank */
    int64_t line;       /* of the row in the (B, T, N) arrays */
    struct act act;
};

/* Take one vector of units, from n on, a step further. `plain` runs have neither noise nor anything done to units. */
INLINE void settle(const int form, const int gate, const int plain, const struct leaky *c, const struct share *w,
                   const struct step *at, int64_t n) {
    const int64_t left = c->units - n, here = at->line * c->units + n;
    vec u = load(at->drive + n), h = load(at->h + n) * load(w->keep + n), noise = {0};
    if (!plain && at->noise) {
        noise = load_some(at->noise + n, left);
        if (c->noise) soon_read(at->noise + n + c->units);
    }
    if (!plain && c->noise_at == NOISE_DRIVE) u += load(w->scale + n) * noise;
    if (!plain && at->act.current) u += load_some(at->act.current + n, left);
    if (form == RATE && gate != TANH) {
        const ivec open = ~(u <= all(0.0f));
        if (c->open) {
            const uint32_t set = to_bits(open);
            uint8_t *bits = (uint8_t *)c->open + at->line * w->s.bits_row + n / 8;
            bits[0] = (uint8_t)set;
            if (LANES == 16) bits[1] = (uint8_t)(set >> 8);
        }
        h += through(gate, u, open);
    } else if (form == RATE) {
        const vec rate = hyperbolic_tangent(u);
        if (c->rate) leave(w->streamed, c->rate + here, rate, left, c->units);
        h += load(w->gain + n) * rate;
    } else {
        h += u;
    }
    if (!plain && c->noise_at == NOISE_STATE) h += noise;
    if (form == UPDATE) h = activity_of(gate, h);
    vec r = form == CURRENT ? activity_of(gate, h) : h;
    store(at->h + n, h);
    if (!plain && at->act.gain) r *= load_some(at->act.gain + n, left);
    if (!plain && at->act.offset) r += load_some(at->act.offset + n, left);
    if (at->r) store(at->r + n, r);
    if (at->fed) put(at->fed, n, r);
    if (c->sent) leave(w->streamed, c->sent + here, r, left, c->units);
    if (form == CURRENT && c->state) leave(w->streamed, c->state + here, h, left, c->units);
}

/* Write what a trial feeds back: what it sent, r, squeezed where the weights are of low rank. */
static void feed_back(const struct share *w, struct operand to, int64_t i, const float *r, float *squeezed) {
    const int64_t R = w->c->rank;
    if (R) contract(squeezed, r, w->squeeze, R, w->s.wide);
    put_first(to, i, R ? squeezed : r, R ? R : w->c->units);
}

INLINE void forward_share(const int form, const int gate, const int plain, const struct share *w) {
    const struct leaky of = *w->c, *c = &of; /* a copy that no store can change: it stays in registers */
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, O = c->outputs, width = s.panels * COLUMNS;
    const int64_t out_width = panels_of(O) * COLUMNS;
    const int drawn = c->sd != 0.0, same = plain && form != CURRENT; /* whether r is h */
    const int apart = reads_apart(c);
    float *room = w->room;
    struct operand now = operand_at(&room, w->count, s.fed, I), next = operand_at(&room, w->count, s.fed, I);
    float *h = take(&room, w->count * s.wide), *rows = same ? h : take(&room, w->count * s.wide);
    memset(rows, 0, 4 * (size_t)(w->count * s.wide));
    float *tile = take(&room, ROWS * larger(width, out_width)), *answer = take(&room, O);
    float *squeezed = take(&room, c->rank);
    float *loud = take(&room, s.wide + 4 * LANES);
    for (int64_t i = 0; i < w->count; i++) {
        const int64_t b = w->first + i;
        pad(h + i * s.wide, c->start + b * N, N, s.wide);
        float *r = rows + i * s.wide;
        if (c->first) memcpy(r, c->first + b * N, 4 * (size_t)N);
        for (int64_t n = 0; !c->first && !same && n < N; n += LANES) {
            const vec v = load(h + i * s.wide + n);
            store_some(r + n, form == CURRENT ? activity_of(gate, v) : v, N - n);
        }
        feed_back(w, now, i, r, squeezed);
    }
    const vec sd = all((float)c->sd);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < w->count; i++)
            put_more(now, i, c->x + (turn_of(w->first + i, c->x_trials) * T + t) * I, I);
        for (int64_t b = 0; b < w->count; b += ROWS) {
            const int tall = (int)least(ROWS, w->count - b);
            multiply(tall, N, s.fed, I, now, b, w->panels, w->bias, tile, t & 1);
            for (int64_t i = b; i < b + tall; i++) {
                const int64_t trial = w->first + i;
                float *r = rows + i * s.wide;
                struct step at = {.drive = tile + (i - b) * width, .h = h + i * s.wide, .r = same ? 0 : r,
                                  .fed = c->rank ? 0 : row_of(next, i), .line = trial * T + t};
                if (!plain) {
                    const int64_t of_noise = turn_of(trial, c->noise_trials);
                    at.act = act_of(c, trial, t);
                    if (c->noise) at.noise = c->noise + (of_noise * T + t) * N;
                    if (drawn) at.noise = loud;
                    if (drawn) noise_row(loud, sd, words_of(c->key, c->first_trial + of_noise, c->first_step + t), N);
                }
                for (int64_t n = 0; n < N; n += LANES) settle(form, gate, plain, c, w, &at, n);
                if (c->rank) feed_back(w, next, i, r, squeezed);
                if (apart || !O) continue;
                contract(answer, r, w->readout, O, s.wide);
                float *out = c->out + at.line * O;
                for (int64_t o = 0; o < O; o++) out[o] = answer[o] + w->shift[o];
            }
            if (!apart) continue;
            multiply(tall, O, N, 0, next, b, w->panels_out, w->shift, tile, t & 1);
            for (int64_t i = 0; i < tall; i++)
                memcpy(c->out + ((w->first + b + i) * T + t) * O, tile + i * out_width, 4 * (size_t)O);
        }
        const struct operand swap = now;
        now = next;
        next = swap;
    }
    for (int64_t i = 0; i < w->count; i++)
        memcpy(c->last + (w->first + i) * N, h + i * s.wide, 4 * (size_t)N);
}

static int is_plain_forward(const struct leaky *c) {
    return c->noise_at == NOISE_NONE && !c->act_gain && !c->act_offset && !c->act_current && !c->first;
}

EACH_CASE(forward)

/* Deal the trials out, a share a thread. Returns 0, or 1 where memory is short. */
int NAMED(leaky_forward)(const struct leaky *c) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, width = s.panels * COLUMNS, depth = s.fed + c->inputs;
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(forward_room(c, &s, most), 16);
    float *whole = reserve(weights_room(s.fed, c->inputs, N) + 4 * up_to(width, 16) + up_to(c->rank * s.wide, 16) +
                           up_to(c->outputs * s.wide, 16) + weights_room(N, 0, c->outputs) +
                           up_to(panels_of(c->outputs) * COLUMNS, 16) + shares * own);
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, weights_room(s.fed, c->inputs, N));
    float *bias = take(&room, width), *keep_ = take(&room, width);
    float *gain = take(&room, width), *scale = take(&room, width);
    float *squeeze = take(&room, c->rank * s.wide), *readout = take(&room, c->outputs * s.wide);
    float *panels_out = take(&room, weights_room(N, 0, c->outputs));
    float *shift = take(&room, panels_of(c->outputs) * COLUMNS);
    pack(panels, c->weights, s.fed, N, 1, c->weights + s.fed * N, c->inputs, N);
    if (reads_apart(c)) pack(panels_out, c->readout, N, 1, N, 0, 0, c->outputs);
    pad(shift, c->shift, c->outputs, panels_of(c->outputs) * COLUMNS);
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
    const int streamed = is_streamed(c->sent, all_states, N) && is_streamed(c->state, all_states, N) &&
                         is_streamed(c->rate, all_states, N); /* 0 is aligned */
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .group = group, .streamed = streamed,
                                  .panels = panels, .bias = bias, .keep = keep_, .gain = gain, .scale = scale,
                                  .squeeze = squeeze, .readout = readout, .panels_out = panels_out, .shift = shift,
                                  .room = take(&room, own)};
    }
    on_threads(forward_any, share, sizeof share[0], (int)shares);
    release(whole);
    return 0;
}
