/* Leaky rate units: the gradients of a whole sequence in one call.

   One reverse sweep keeps the adjoint of two steps only; weight gradients are products over chunks of several steps
   that still lie in cache. The gradient of what is read out joins the sweep as columns of its own, so that the gradient
   of the activity is never formed. */
#include "leaky_share.h"

/* Sources of the two weight gradients: of the drives [s; x; 1], and of r itself, [adjoint of s; gradient of outputs]. */
static int64_t sources_of(const struct leaky *c, const struct sizes *s) { return s->fed + c->inputs + 1; }

static int64_t readers_of(const struct leaky *c) {
    return c->grad_readout || c->grad_squeeze ? c->rank + c->outputs : 0;
}

static int64_t tiles(int64_t n) { return up_to(n, TALL) / TALL; }

/* Steps in a chunk: as many as fit the cache, but at least 1. */
static int64_t chunk_of(const struct leaky *c, const struct sizes *s, int64_t count) {
    const int64_t readers = readers_of(c), panels = s->panels * PANEL * (readers ? 2 : 1);
    const int64_t fit = CHUNK_FLOATS / (count * (panels + TALL * (tiles(sources_of(c, s)) + tiles(readers + 1))) + 1);
    return least(c->steps, fit > 1 ? fit : 1);
}

static int64_t backward_room(const struct leaky *c, const struct sizes *s, int64_t count) {
    const int64_t most = chunk_of(c, s, count) * count, readers = readers_of(c);
    return 2 * up_to(count * s->row, 16) + up_to(count * s->wide, 16) * (c->rank ? 2 : 1) + TALL * PANEL +
           up_to(s->wide, 16) + up_to(c->rank, 16) + up_to(s->panels * (most * PANEL + APART), 16) * (readers ? 2 : 1) +
           up_to(tiles(sources_of(c, s)) * (most * TALL + APART), 16) +
           up_to(tiles(readers + 1) * (most * TALL + APART), 16);
}

/* Gradients of one vector of columns at one step. `product` is what arrives through weights and readout; the returned
   adjoint of the drive goes on into the next product and into the weight gradient. */
INLINE vec unsettle(const int form, const int gate, const struct leaky *c, vec product, int64_t at, int64_t n,
                    float *carry_at, vec before, const uint8_t *bits, vec noise, vec keep_, vec gain, vec scale,
                    vec *to_keep, vec *to_gain, vec *to_scale) {
    vec sent = product, carried = load(carry_at);
    if (c->grad_sent) {
        sent += load_some(c->grad_sent + at, n);
        soon_read(c->grad_sent + at - c->units);
    }
    vec slope, rate = all(0.0f);
    if (form == RATE && gate != TANH) {
        slope = through(gate, all(1.0f), from_bits(LANES == 16 ? bits[0] | (uint32_t)bits[1] << 8 : bits[0]));
    } else if (form == RATE) {
        rate = load_some(c->rate + at, n);
        soon_read(c->rate + at - c->units);
        slope = gain * (1.0f - rate * rate);
    } else {
        slope = slope_at(gate, load_some(c->sent + at, n));
        soon_read(c->sent + at - c->units);
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
        *to_scale += drive * noise;
    } else if (c->noise_at == NOISE_STATE && c->grad_noise) {
        store_some(c->grad_noise + at, state, n);
    }
    return drive;
}

/* The noise that entered the drive, where its scale wants a gradient. */
INLINE vec noise_of(const struct leaky *c, int64_t trial, int64_t t, int64_t n) {
    if (!c->grad_scale) return (vec){0};
    if (c->sd == 0.0) return load_some(c->noise + (trial * c->steps + t) * c->units + n, c->units - n);
    float part[LANES];
    normal(1, part, all((float)c->sd), words_of(c->key, c->first_trial + trial, c->first_step + t), n);
    return load(part);
}

/* Add the chunk's part to a weight gradient: sum over its rows k of sources_k values_k^T. */
static void add_chunk(const struct share *w, float *grad, int64_t outer, const float *sources, const float *values,
                      int64_t rows, int64_t most) {
    for (int64_t p = 0; p < w->s.panels; p++)
        for (int64_t j = 0; j < outer; j += TALL) {
            float *sum = grad + (p * outer + j) * PANEL;
            product_packed((int)least(TALL, outer - j), width_of(p, w->c->units), rows,
                           sources + j / TALL * (most * TALL + APART), values + p * (most * PANEL + APART), sum, PANEL,
                           sum, PANEL);
        }
}

/* Lay a row into panels that are `apart`. */
INLINE void lay_panels(float *to, const float *from, int64_t n, int64_t apart) {
    for (; n >= PANEL; n -= PANEL, from += PANEL, to += apart) memcpy(to, from, 4 * PANEL);
    if (n) pad(to, from, n, PANEL);
}

/* A trial's r before step t, zero-padded; that before the first step is made from h anew. */
INLINE const float *sent_before(const int form, const int gate, const struct share *w, int64_t trial, int64_t t,
                                float *to) {
    const struct leaky *c = w->c;
    const int64_t N = c->units;
    const float *r = t ? c->sent + (trial * c->steps + t - 1) * N : c->start + trial * N;
    if (t == 0 && form == CURRENT) {
        for (int64_t n = 0; n < N; n += LANES) store_some(to + n, activity_of(gate, load_some(r + n, N - n)), N - n);
        return to;
    }
    if (!c->rank) return r;
    memcpy(to, r, 4 * (size_t)N);
    return to;
}

INLINE void backward_share(const int form, const int gate, const struct share *w) {
    const struct leaky of = *w->c, *c = &of;
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, O = c->outputs, R = c->rank, count = w->count;
    const int64_t depth = s.fed + O, sources_n = sources_of(c, &s), readers_n = readers_of(c);
    float *room = w->room;
    float *now = take(&room, count * s.row), *next = take(&room, count * s.row), *carry = take(&room, count * s.wide);
    float *tile = take(&room, TALL * PANEL), *before_row = take(&room, s.wide), *squeezed = take(&room, R);
    float *adjoints = R ? take(&room, count * s.wide) : 0; /* of the drives; where they are fed back whole, in `next` */
    const int64_t adjoints_row = R ? s.wide : s.row;
    const int64_t most = w->chunk * count, values_row = most * PANEL + APART, sources_row = most * TALL + APART;
    float *drives = take(&room, s.panels * values_row), *sources = take(&room, tiles(sources_n) * sources_row);
    float *activity = readers_n ? take(&room, s.panels * values_row) : 0;
    float *readers = take(&room, tiles(readers_n + 1) * sources_row);
    memset(now, 0, 4 * (size_t)(2 * up_to(count * s.row, 16))); /* both lie side by side */
    memset(before_row, 0, 4 * (size_t)s.wide);
    for (int64_t i = 0; i < count; i++)
        pad(carry + i * s.wide, c->grad_last ? c->grad_last + (w->first + i) * N : 0, c->grad_last ? N : 0, s.wide);
    const int64_t in_panels = (I + PANEL - 1) / PANEL;
    int64_t slot = 0;
    for (int64_t t = T - 1; t >= 0; t--) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t line = (w->first + i) * T + t, k = slot * count + i;
            float *row = now + i * s.row;
            if (O) memcpy(row + s.fed, c->grad_out + line * O, 4 * (size_t)O);
            if (!readers_n) continue;
            lay(row + s.fed - R, readers_n, 0, 0, readers + k * TALL, sources_row);
            lay_panels(activity + k * PANEL, c->sent + line * N, N, values_row);
        }
        if (!R) adjoints = next;
        for (int64_t p = 0; p < s.panels; p++) {
            const int wide = width_of(p, N);
            const float *panel = w->panels + p * depth * PANEL;
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b);
                product(tall, wide, depth, now + b * s.row, s.row, panel, 0, 0, tile, PANEL);
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
                        const vec noise = noise_of(c, trial, t, n);
                        const vec drive = unsettle(form, gate, c, load(tile + i * PANEL + j * LANES), line * N + n,
                                                   N - n, carry + (b + i) * s.wide + n, before, bits, noise, keep_, gain,
                                                   scale, &to_keep, &to_gain, &to_scale);
                        store(adjoints + (b + i) * adjoints_row + n, drive);
                        store(drives + p * values_row + (slot * count + b + i) * PANEL + j * LANES, drive);
                    }
                    store(w->grad_keep + n, load(w->grad_keep + n) + to_keep);
                    store(w->grad_gain + n, load(w->grad_gain + n) + to_gain);
                    store(w->grad_scale + n, load(w->grad_scale + n) + to_scale);
                }
            }
        }
        for (int64_t i = 0; i < count && R; i++)
            contract(next + i * s.row, adjoints + i * s.wide, w->feeds, R, s.wide);
        float *swap = now;
        now = next;
        next = swap;
        for (int64_t i = 0; c->grad_weights && i < count; i++) {
            const int64_t trial = w->first + i, line = trial * T + t;
            const float *r = sent_before(form, gate, w, trial, t, before_row);
            if (R) contract(squeezed, r, w->squeeze, R, s.wide);
            lay(R ? squeezed : r, s.fed, c->x + line * I, I, sources + (slot * count + i) * TALL, sources_row);
        }
        if (++slot == w->chunk || t == 0) {
            if (c->grad_weights) add_chunk(w, w->grad_weights, sources_n, sources, drives, slot * count, most);
            if (readers_n) add_chunk(w, w->grad_read, readers_n, readers, activity, slot * count, most);
            slot = 0;
        }
        for (int64_t p = 0; c->grad_x && p < in_panels; p++)
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b), wide = width_of(p, I);
                product(tall, wide, N, (R ? adjoints : now) + b * adjoints_row, adjoints_row,
                        w->panels_x + p * N * PANEL, 0, 0, tile, PANEL);
                for (int i = 0; i < tall; i++)
                    memcpy(c->grad_x + ((w->first + b + i) * T + t) * I + p * PANEL, tile + i * PANEL,
                           4 * (size_t)least(PANEL, I - p * PANEL));
            }
    }
    if (c->grad_squeeze) { /* what was sent before the first step, squeezed into it */
        for (int64_t i = 0; i < count; i++) {
            const float *r = sent_before(form, gate, w, w->first + i, 0, before_row);
            memset(now + i * s.row + R, 0, 4 * (size_t)O);
            lay(now + i * s.row, readers_n, 0, 0, readers + i * TALL, sources_row);
            lay_panels(activity + i * PANEL, r, N, values_row);
        }
        add_chunk(w, w->grad_read, readers_n, readers, activity, count, most);
    }
    if (!c->grad_start) return;
    for (int64_t p = 0; p < s.panels; p++) /* what r before the first step did, and the h that was kept from it */
        for (int64_t b = 0; b < count; b += TALL) {
            const int tall = (int)least(TALL, count - b), wide = width_of(p, N);
            product(tall, wide, s.fed, now + b * s.row, s.row, w->panels + p * depth * PANEL, 0, 0, tile, PANEL);
            for (int i = 0; i < tall; i++)
                for (int j = 0; j < wide; j++) {
                    const int64_t n = p * PANEL + j * LANES, at = (w->first + b + i) * N + n;
                    vec g = load(tile + i * PANEL + j * LANES);
                    if (form == CURRENT) g *= slope_at(gate, activity_of(gate, load_some(c->start + at, N - n)));
                    store_some(c->grad_start + at, g + load(carry + (b + i) * s.wide + n), N - n);
                }
        }
}

EACH_CASE(backward)

/* Sum a part of all shares' own memory, panels of `outer` rows, into rows of n floats. */
static void gather(float *to, const struct share *share, int64_t shares, int64_t part, int64_t outer, int64_t n) {
    for (int64_t p = 0; p * PANEL < n; p++)
        for (int64_t k = 0; k < outer; k++)
            for (int64_t j = 0; j < least(PANEL, n - p * PANEL); j += LANES) {
                vec sum = {0};
                for (int64_t i = 0; i < shares; i++)
                    sum += load(share[i].grad_weights + part + (p * outer + k) * PANEL + j);
                store_some(to + k * n + p * PANEL + j, sum, n - p * PANEL - j);
            }
}

/* Deal the trials out, a share a thread, and sum what the shares found. Returns 0, or 1 where memory is short. */
int NAMED(leaky_backward)(const struct leaky *c) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, O = c->outputs, R = c->rank, width = s.panels * PANEL, depth = s.fed + O;
    const int64_t sources_n = sources_of(c, &s), readers_n = readers_of(c), in_width = up_to(c->inputs, PANEL);
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(backward_room(c, &s, most), 16), line = up_to(width, 16);
    const int64_t sums = up_to(sources_n * width, 16) + up_to(readers_n * width, 16) + 3 * line;
    float *whole = reserve(up_to(depth * width, 16) + up_to(N * in_width, 16) + 3 * line + 2 * up_to(R * s.wide, 16) +
                           shares * (own + sums));
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, depth * width), *panels_x = take(&room, N * in_width);
    float *keep_ = take(&room, width), *gain = take(&room, width), *scale = take(&room, width);
    float *squeeze = take(&room, R * s.wide), *feeds = take(&room, R * s.wide);
    pad(keep_, c->keep, N, width);
    pad(gain, c->gain, c->gain ? N : 0, width);
    pad(scale, c->scale, c->scale ? N : 0, width);
    if (R) pack_under(panels, 0, depth, c->squeeze, R, N, N, 1);
    else pack_under(panels, 0, depth, c->weights, N, N, 1, N); /* transposed */
    pack_under(panels, s.fed, depth, c->readout, O, N, N, 1);
    if (c->grad_x) pack(panels_x, c->weights + s.fed * N, N, c->inputs, 1, N);
    widen(squeeze, c->squeeze, R, N, s.wide);
    widen(feeds, c->weights, R, N, s.wide);
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .group = group,
                                  .panels = panels, .panels_x = panels_x, .keep = keep_, .gain = gain, .scale = scale,
                                  .squeeze = squeeze, .feeds = feeds};
        share[i].chunk = chunk_of(c, &s, most);
        share[i].room = take(&room, own);
        share[i].grad_weights = take(&room, sources_n * width);
        share[i].grad_read = take(&room, readers_n * width);
        share[i].grad_keep = take(&room, width);
        share[i].grad_gain = take(&room, width);
        share[i].grad_scale = take(&room, width);
        memset(share[i].grad_weights, 0, 4 * (size_t)sums); /* the five of them lie side by side */
    }
    on_threads(backward_any, share, sizeof share[0], (int)shares);
    const float *base = share[0].grad_weights;
    if (c->grad_weights) gather(c->grad_weights, share, shares, 0, sources_n, N);
    if (c->grad_keep) gather(c->grad_keep, share, shares, share[0].grad_keep - base, 1, N);
    if (c->grad_gain) gather(c->grad_gain, share, shares, share[0].grad_gain - base, 1, N);
    if (c->grad_scale) gather(c->grad_scale, share, shares, share[0].grad_scale - base, 1, N);
    /* Panels hold the rows of both in turn: those of `squeeze`, then those of the readout. */
    if (readers_n) {
        float *both = panels; /* no longer needed, and large enough */
        gather(both, share, shares, share[0].grad_read - base, readers_n, N);
        if (c->grad_squeeze) memcpy(c->grad_squeeze, both, 4 * (size_t)(R * N));
        if (c->grad_readout) memcpy(c->grad_readout, both + R * N, 4 * (size_t)(O * N));
    }
    release(whole);
    return 0;
}
