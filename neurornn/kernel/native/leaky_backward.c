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

static int64_t chunk_of(const struct leaky *c, const struct sizes *s, int64_t count) {
    const int64_t reads = c->rank ? chunk_row(readers_of(c), c->units) : 0;
    return chunk_steps(c->steps, count, chunk_row(sources_of(c, s), c->units) + reads);
}

static int64_t backward_room(const struct leaky *c, const struct sizes *s, int64_t count) {
    const int64_t most = chunk_of(c, s, count) * count, O = up_to(c->outputs, 16), R = up_to(c->rank, 16);
    const int64_t plain = 2 * operand_room(count, s->fed, c->outputs) + up_to(s->wide, 16) + O + count * s->wide +
                          ROWS * COLUMNS * larger(s->panels, panels_of(c->inputs)) +
                          chunk_room(sources_of(c, s), c->units, most);
    if (!R) return plain;
    return plain + R + up_to(count * c->rank, 16) + count * s->wide + operand_room(count, c->units, 0) +
           chunk_room(readers_of(c), c->units, most);
}

/* The noise that entered the drive, where its scale wants a gradient. */
INLINE vec noise_of(const struct leaky *c, int64_t trial, int64_t t, int64_t n) {
    if (!c->grad_scale) return (vec){0};
    if (c->sd == 0.0) return load_some(c->noise + (trial * c->steps + t) * c->units + n, c->units - n);
    float part[LANES];
    normal(1, part, all((float)c->sd), words_of(c->key, c->first_trial + trial, c->first_step + t), n);
    return load(part);
}

/* Where one trial's step reads and writes, each at its first unit; null what there is none of. */
struct step {
    const float *arriving, *before; /* through weights and readout; h before this step */
    float *carry, *drive, *fed, *value;
    int64_t trial, t, line; /* of the row in the (B, T, N) arrays */
};

INLINE void add_to(float *sum, vec v) { store(sum, load(sum) + v); }

/* Gradients of one vector of units, from n on, at one step. The adjoint of the drive goes on into the next product and
   into the weight gradient. `plain` runs have no gradient at the activity itself, and none of the noise. */
INLINE void unsettle(const int form, const int gate, const int plain, const struct leaky *c, const struct share *w,
                     const struct step *at, const struct chunk *drives, int64_t n) {
    const int64_t left = c->units - n, here = at->line * c->units + n;
    vec sent = load(at->arriving + n), carried = load(at->carry + n);
    if (!plain && c->grad_sent) {
        sent += load_some(c->grad_sent + here, left);
        soon_read(c->grad_sent + here - c->units);
    }
    vec slope, rate = all(0.0f);
    if (form == RATE && gate != TANH) {
        const uint8_t *bits = (const uint8_t *)c->open + at->line * w->s.bits_row + n / 8;
        slope = through(gate, all(1.0f), from_bits(LANES == 16 ? bits[0] | (uint32_t)bits[1] << 8 : bits[0]));
    } else if (form == RATE) {
        rate = load_some(c->rate + here, left);
        soon_read(c->rate + here - c->units);
        slope = load(w->gain + n) * (1.0f - rate * rate);
    } else {
        slope = slope_at(gate, load_some(c->sent + here, left));
        soon_read(c->sent + here - c->units);
    }
    vec state, drive;
    if (form == RATE) {
        state = sent + carried;
        drive = slope * state;
        if (gate == TANH) add_to(w->grad_gain + n, state * rate);
    } else {
        state = form == CURRENT ? slope * sent + carried : slope * (sent + carried);
        drive = state;
    }
    store(at->carry + n, load(w->keep + n) * state);
    if (c->grad_keep) {
        add_to(w->grad_keep + n, state * load_some(at->before + n, left));
        soon_read(at->before + n - c->units);
    }
    if (!plain && c->noise_at == NOISE_DRIVE) {
        if (c->grad_noise) store_some(c->grad_noise + here, load(w->scale + n) * drive, left);
        add_to(w->grad_scale + n, drive * noise_of(c, at->trial, at->t, n));
    } else if (!plain && c->noise_at == NOISE_STATE && c->grad_noise) {
        store_some(c->grad_noise + here, state, left);
    }
    if (at->drive) store(at->drive + n, drive);
    if (at->fed) put(at->fed, n, drive);
    put_value(drives, at->value, n, drive);
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

/* Write row i of what comes next in a chunk: sources of two kinds, and a row of N values. */
static void put_pair(const struct chunk *to, int64_t i, const float *one, int64_t n, const float *other, int64_t m,
                     const float *value) {
    put_source(to, to->rows + i, one, n, other, m, 0);
    float *row = values_of(to, to->rows + i);
    for (int64_t k = 0; k < to->inner; k += LANES) put_value(to, row, k, load_some(value + k, to->inner - k));
}

INLINE void backward_share(const int form, const int gate, const int plain, const struct share *w) {
    const struct leaky of = *w->c, *c = &of;
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, O = c->outputs, R = c->rank, count = w->count;
    const int64_t readers_n = readers_of(c), most = w->chunk * count;
    const int64_t width = s.panels * COLUMNS, in_width = panels_of(I) * COLUMNS;
    float *room = w->room;
    struct operand now = operand_at(&room, count, s.fed, O), next = operand_at(&room, count, s.fed, O);
    float *before_row = take(&room, s.wide), *nothing = take(&room, O), *fed_back = take(&room, count * R);
    memset(before_row, 0, 4 * (size_t)(room - before_row)); /* side by side */
    float *carry = take(&room, count * s.wide), *tile = take(&room, ROWS * larger(width, in_width));
    float *squeezed = take(&room, R);
    float *adjoints = R ? take(&room, count * s.wide) : 0; /* of the drives; `next` where they are fed back whole */
    const struct operand apart = R ? operand_at(&room, count, N, 0) : now;
    struct chunk drives = chunk_at(&room, sources_of(c, &s), N, most, w->grad_weights, width), reads = {0};
    if (R && readers_n) reads = chunk_at(&room, readers_n, N, most, w->grad_read, width);
    for (int64_t i = 0; i < count; i++)
        pad(carry + i * s.wide, c->grad_last ? c->grad_last + (w->first + i) * N : 0, c->grad_last ? N : 0, s.wide);
    for (int64_t t = T - 1; t >= 0; t--) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t line = (w->first + i) * T + t;
            const float *arriving = c->grad_out + line * O;
            put_more(now, i, arriving, O);
            if (O) soon_read(arriving - 16);
            if (R && readers_n) put_pair(&reads, i, fed_back + i * R, R, arriving, O, c->sent + line * N);
        }
        if (R) reads.rows += count;
        else add_rows(w->grad_read, width, c->grad_out + (w->first * T + t) * O, T * O, readers_n,
                      c->sent + (w->first * T + t) * N, T * N, N, count);
        for (int64_t b = 0; b < count; b += ROWS) {
            const int tall = (int)least(ROWS, count - b);
            multiply(tall, N, s.fed, O, now, b, w->panels, 0, tile, t & 1);
            for (int64_t i = b; i < b + tall; i++) {
                const int64_t trial = w->first + i, line = trial * T + t;
                const float *earlier = form == CURRENT ? c->state : c->sent;
                const struct step at = {
                    .arriving = tile + (i - b) * width,
                    .before = t ? earlier + (line - 1) * N : c->start + trial * N,
                    .carry = carry + i * s.wide,
                    .drive = R ? adjoints + i * s.wide : 0,
                    .fed = !R ? row_of(next, i) : c->grad_x ? row_of(apart, i) : 0,
                    .value = values_of(&drives, drives.rows + i), .trial = trial, .t = t, .line = line,
                };
                for (int64_t n = 0; n < N; n += LANES) unsettle(form, gate, plain, c, w, &at, &drives, n);
            }
        }
        for (int64_t i = 0; i < count && R; i++) {
            contract(fed_back + i * R, adjoints + i * s.wide, w->feeds, R, s.wide);
            put_first(next, i, fed_back + i * R, R);
        }
        const struct operand swap = now;
        now = next;
        next = swap;
        for (int64_t i = 0; c->grad_weights && i < count; i++) {
            const int64_t trial = w->first + i, line = trial * T + t;
            const float *r = sent_before(form, gate, w, trial, t, before_row);
            if (R) contract(squeezed, r, w->squeeze, R, s.wide);
            put_source(&drives, drives.rows + i, R ? squeezed : r, s.fed, c->x + line * I, I, 1);
        }
        drives.rows += count;
        if (drives.rows + count > most || t == 0) {
            if (c->grad_weights) add_chunk(&drives);
            if (R && readers_n) add_chunk(&reads);
            drives.rows = reads.rows = 0;
        }
        for (int64_t b = 0; c->grad_x && b < count; b += ROWS) {
            const int tall = (int)least(ROWS, count - b);
            multiply(tall, I, N, 0, R ? apart : now, b, w->panels_x, 0, tile, t & 1);
            for (int i = 0; i < tall; i++)
                memcpy(c->grad_x + ((w->first + b + i) * T + t) * I, tile + i * in_width, 4 * (size_t)I);
        }
    }
    if (c->grad_squeeze) { /* what was sent before the first step, squeezed into it */
        for (int64_t i = 0; i < count; i++)
            put_pair(&reads, i, fed_back + i * R, R, nothing, O,
                     sent_before(form, gate, w, w->first + i, 0, before_row));
        reads.rows = count;
        add_chunk(&reads);
    }
    for (int64_t i = 0; c->grad_start && i < count; i++) put_more(now, i, nothing, O);
    for (int64_t b = 0; c->grad_start && b < count; b += ROWS) { /* what r before the first step did, and the h kept */
        const int tall = (int)least(ROWS, count - b);
        multiply(tall, N, s.fed, O, now, b, w->panels, 0, tile, 0);
        for (int i = 0; i < tall; i++)
            for (int64_t n = 0; n < N; n += LANES) {
                const int64_t at = (w->first + b + i) * N + n;
                vec g = load(tile + i * width + n);
                if (form == CURRENT) g *= slope_at(gate, activity_of(gate, load_some(c->start + at, N - n)));
                store_some(c->grad_start + at, g + load(carry + (b + i) * s.wide + n), N - n);
            }
    }
}

static int is_plain_backward(const struct leaky *c) {
    return !c->grad_sent && !c->grad_noise && c->noise_at != NOISE_DRIVE;
}

EACH_CASE(backward)

/* Sum a part of all shares' own memory into rows of n floats; those of the part are of whole panels. */
static void gather(float *to, const struct share *share, int64_t shares, int64_t part, int64_t outer, int64_t n) {
    const int64_t width = panels_of(n) * COLUMNS;
    for (int64_t k = 0; k < outer; k++)
        for (int64_t j = 0; j < n; j += LANES) {
            vec sum = {0};
            for (int64_t i = 0; i < shares; i++) sum += load(share[i].grad_weights + part + k * width + j);
            store_some(to + k * n + j, sum, n - j);
        }
}

/* Deal the trials out, a share a thread, and sum what the shares found. Returns 0, or 1 where memory is short. */
int NAMED(leaky_backward)(const struct leaky *c) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, O = c->outputs, R = c->rank, width = s.panels * COLUMNS;
    const int64_t sources_n = sources_of(c, &s), readers_n = readers_of(c);
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(backward_room(c, &s, most), 16), line = up_to(width, 16);
    const int64_t of_weights = up_to(sources_n, 16) * width, of_reads = up_to(readers_n, 16) * width;
    const int64_t sums = of_weights + of_reads + 3 * line;
    float *whole = reserve(weights_room(s.fed, O, N) + weights_room(N, 0, c->inputs) + 3 * line +
                           2 * up_to(R * s.wide, 16) + up_to(readers_n * N, 16) + shares * (own + sums));
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, weights_room(s.fed, O, N)), *panels_x = take(&room, weights_room(N, 0, c->inputs));
    float *keep_ = take(&room, width), *gain = take(&room, width), *scale = take(&room, width);
    float *squeeze = take(&room, R * s.wide), *feeds = take(&room, R * s.wide);
    pad(keep_, c->keep, N, width);
    pad(gain, c->gain, c->gain ? N : 0, width);
    pad(scale, c->scale, c->scale ? N : 0, width);
    if (R) pack(panels, c->squeeze, R, N, 1, c->readout, O, N);
    else pack(panels, c->weights, N, 1, N, c->readout, O, N); /* turned */
    if (c->grad_x) pack(panels_x, c->weights + s.fed * N, N, 1, N, 0, 0, c->inputs);
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
        share[i].grad_weights = take(&room, of_weights);
        share[i].grad_read = take(&room, of_reads);
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
    if (readers_n) { /* the rows of `squeeze`, then those of the readout */
        float *both = take(&room, readers_n * N);
        gather(both, share, shares, share[0].grad_read - base, readers_n, N);
        if (c->grad_squeeze) memcpy(c->grad_squeeze, both, 4 * (size_t)(R * N));
        if (c->grad_readout) memcpy(c->grad_readout, both + R * N, 4 * (size_t)(O * N));
    }
    release(whole);
    return 0;
}
