/* Integrate-and-fire units: the gradients of a whole sequence in one call.

   One reverse sweep, as in leaky_backward.c. What a spike stood for comes from its distance above threshold; which units
   spiked, from bits. The gradient of the readout joins the sweep's product as columns of its own. */
#include "lif_share.h"

static int64_t tiles(int64_t n) { return up_to(n, TALL) / TALL; }

/* Rows that take the dense way to a weight gradient: gathered over several steps, then one product. */
struct chunk {
    float *sources, *drives; /* in tiles and in panels */
    int64_t outer, rows, most;
    float *grad; /* (outer, wide) */
};

static int64_t chunk_of(const struct lif *c, const struct sizes *s, int64_t count) {
    const int64_t row = 2 * s->panels * PANEL + TALL * (tiles(c->units) + tiles(c->inputs));
    const int64_t fit = CHUNK_FLOATS / (count * row + 1);
    return least(c->steps, fit > 1 ? fit : 1);
}

static int64_t chunk_room(const struct sizes *s, int64_t outer, int64_t most) {
    return up_to(s->panels * (most * PANEL + APART), 16) + up_to(tiles(outer) * (most * TALL + APART), 16);
}

static struct chunk chunk_at(float **room, const struct sizes *s, int64_t outer, int64_t most, float *grad) {
    struct chunk k = {.outer = outer, .most = most, .grad = grad};
    k.drives = take(room, s->panels * (most * PANEL + APART));
    k.sources = take(room, tiles(outer) * (most * TALL + APART));
    return k;
}

static int64_t backward_room(const struct lif *c, const struct sizes *s, int64_t count) {
    const int64_t most = chunk_of(c, s, count) * count;
    return 2 * up_to(count * s->row, 16) + 4 * up_to(count * s->wide, 16) + TALL * PANEL +
           chunk_room(s, c->units, most) + chunk_room(s, c->inputs, most) +
           up_to((c->units > c->inputs ? c->units : c->inputs) + LANES, 16);
}

static void flush(struct chunk *k, const struct sizes *s, int64_t units) {
    for (int64_t p = 0; p < s->panels && k->rows; p++)
        for (int64_t j = 0; j < k->outer; j += TALL) {
            float tile[TALL * PANEL] __attribute__((aligned(64)));
            const int tall = (int)least(TALL, k->outer - j), wide = width_of(p, units);
            product_packed(tall, wide, k->rows, k->sources + j / TALL * (k->most * TALL + APART),
                           k->drives + p * (k->most * PANEL + APART), 0, 0, tile, PANEL);
            for (int i = 0; i < tall; i++)
                for (int v = 0; v < wide; v++) {
                    float *to = k->grad + (j + i) * s->wide + p * PANEL + v * LANES;
                    store(to, load(to) + load(tile + i * PANEL + v * LANES));
                }
        }
    k->rows = 0;
}

/* A row of the chunk: what came in, and the adjoint of what it drove. */
static void add_dense(struct chunk *k, const struct sizes *s, const float *source, const float *drive) {
    const int64_t apart = k->most * TALL + APART;
    float *to = k->sources + k->rows * TALL;
    for (int64_t n = 0; n < k->outer; n += TALL, to += apart) pad(to, source + n, least(TALL, k->outer - n), TALL);
    for (int64_t p = 0; p < s->panels; p++) {
        const int64_t n = least(PANEL, s->wide - p * PANEL);
        memcpy(k->drives + p * (k->most * PANEL + APART) + k->rows * PANEL, drive + p * PANEL, 4 * (size_t)n);
    }
    k->rows++;
}

INLINE void add_some(const int many, float *grad, int64_t row, const float *value, const float *drive,
                     const int32_t *index, int64_t n) {
    vec of[8];
#pragma GCC unroll 8
    for (int v = 0; v < many; v++) of[v] = load(drive + v * LANES);
    for (int64_t k = 0; k < n; k++) {
        float *to = grad + index[k] * row;
        const vec x = value ? all(value[index[k]]) : all(1.0f);
#pragma GCC unroll 8
        for (int v = 0; v < many; v++) store(to + v * LANES, load(to + v * LANES) + (value ? x * of[v] : of[v]));
    }
}

/* The row of each entry += the drive, times the entry's value, if it is not 1. */
INLINE void add_entries(float *grad, int64_t wide, const float *value, const float *drive, const int32_t *index, int64_t n) {
    int64_t at = 0;
    for (; at + 8 * LANES <= wide; at += 8 * LANES) add_some(8, grad + at, wide, value, drive + at, index, n);
    for (; at + 4 * LANES <= wide; at += 4 * LANES) add_some(4, grad + at, wide, value, drive + at, index, n);
    for (; at < wide; at += LANES) add_some(1, grad + at, wide, value, drive + at, index, n);
}

INLINE vec slope_of(const int which, vec slope, vec s) {
    const vec size = slope * (vec)((ivec)s & 0x7fffffff);
    if (which == TRIANGLE) return relu(1.0f - size);
    if (which == ARCTAN) return inverse(1.0f + size * size);
    return inverse((1.0f + size) * (1.0f + size));
}

/* The adjoints of one step's states, carried from vector to vector. */
struct carried {
    float *current, *voltage, *adapted;
};

/* Gradients of one vector of units at one step. `arriving` is the gradient of the spikes; the returned one is that of
   the synaptic current, and `outside` that of what came past the synapse. */
INLINE vec unsettle(const int plain, const int which, const struct lif *c, const struct share *w, vec slope, vec arriving,
                    const struct carried *of, int64_t line, int64_t n, vec *outside) {
    const int64_t left = c->units - n;
    vec of_z = arriving, voltage = load(of->voltage + n);
    if (c->grad_sent) {
        of_z += load_some(c->grad_sent + line + n, left);
        soon_read(c->grad_sent + line + n - c->units);
    }
    const vec s = load_some(c->above + line + n, left);
    soon_read(c->above + line + n - c->units);
    if (!plain && c->adapt) of_z += load(of->adapted + n);
    vec of_s = slope_of(which, slope, s) * of_z;
    ivec frozen = {0};
    if (!plain && c->refractory) {
        frozen = s == all(-__builtin_inff());
        of_s = keep(of_s, ~frozen);
    }
    if (!plain && c->adapt)
        store(of->adapted + n, load(w->adapt + n) * load(of->adapted + n) - load(w->jump + n) * of_s);
    vec before = voltage;
    if (c->hard) before = keep(before, ~(s > all(0.0f)));
    before += of_s;
    const vec moved = keep(before, ~frozen);
    const vec current = load(of->current + n) + load(w->drive + n) * moved;
    store(of->current + n, load(w->synapse + n) * current);
    store(of->voltage + n, !plain && c->refractory ? choose(frozen, voltage, load(w->membrane + n) * before)
                                                   : load(w->membrane + n) * before);
    *outside = c->direct ? moved : current;
    if (c->grad_noise) store_some(c->grad_noise + line + n, *outside, left);
    return current;
}

/* How many units spiked, from the bits of a row. */
INLINE int64_t count_bits(const uint8_t *bits, int64_t n) {
    int64_t found = 0, bytes = (n + 7) / 8;
    for (; bytes >= 8; bytes -= 8, bits += 8) {
        uint64_t some;
        memcpy(&some, bits, 8);
        found += __builtin_popcountll(some);
    }
    for (; bytes > 0; bytes--) found += __builtin_popcount(*bits++);
    return found;
}

static int64_t spikes_of(const uint8_t *bits, int64_t n, int32_t *index) {
    int64_t found = 0;
    for (int64_t at = 0; at < n; at += LANES, bits += LANES / 8)
        found = emit(index, found, from_bits(LANES == 16 ? bits[0] | (uint32_t)bits[1] << 8 : bits[0]), at);
    return found;
}

INLINE void backward_share(const int plain, const int which, const struct share *w) {
    const struct lif copy = *w->c, *c = &copy;
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, O = c->outputs, wide = s.wide, count = w->count;
    const int64_t most = w->chunk * count, depth = N + O, in_panels = (I + PANEL - 1) / PANEL;
    float *room = w->room;
    float *now = take(&room, count * s.row), *next = take(&room, count * s.row), *of_i = take(&room, count * wide);
    float *of_v = take(&room, count * wide), *of_a = take(&room, count * wide), *past = take(&room, count * wide);
    float *tile = take(&room, TALL * PANEL), *grad_x = w->grad_weights + N * wide, *grad_bias = grad_x + I * wide;
    memset(now, 0, 4 * (size_t)(2 * up_to(count * s.row, 16) + 4 * up_to(count * wide, 16))); /* side by side */
    struct chunk inner = chunk_at(&room, &s, N, most, w->grad_weights), outer = chunk_at(&room, &s, I, most, grad_x);
    int32_t *index = (int32_t *)take(&room, (N > I ? N : I) + LANES);
    const vec slope = all((float)c->slope);
    for (int64_t t = T - 1; t >= 0; t--) {
        for (int64_t i = 0; i < count && O; i++) {
            const int64_t line = (w->first + i) * T + t;
            memcpy(now + i * s.row + N, c->grad_out + line * O, 4 * (size_t)O);
        }
        for (int64_t p = 0; p < s.panels; p++)
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b), vectors = width_of(p, N);
                product(tall, vectors, depth, now + b * s.row, s.row, w->panels + p * depth * PANEL, 0, 0, tile, PANEL);
                for (int j = 0; j < vectors; j++) {
                    const int64_t n = p * PANEL + j * LANES;
                    vec sum = load(grad_bias + n);
                    for (int i = 0; i < tall; i++) {
                        const int64_t at = (b + i) * wide, line = ((w->first + b + i) * T + t) * N;
                        const struct carried of = {of_i + at, of_v + at, of_a + at};
                        vec outside;
                        const vec arriving = load(tile + i * PANEL + j * LANES);
                        const vec current = unsettle(plain, which, c, w, slope, arriving, &of, line, n, &outside);
                        store(next + (b + i) * s.row + n, current);
                        if (c->direct) store(past + at + n, outside);
                        sum += outside;
                    }
                    store(grad_bias + n, sum);
                }
            }
        float *swap = now;
        now = next;
        next = swap;
        const float *entered = c->direct ? past : now;
        const int64_t entered_row = c->direct ? wide : s.row;
        for (int64_t i = 0; c->grad_weights && i < count; i++) {
            const int64_t trial = w->first + i, line = trial * T + t;
            const float *drive = now + i * s.row, *drive_x = entered + i * entered_row, *x = c->x + line * I;
            const float *z = t ? c->sent + (line - 1) * N : c->spikes + trial * N; /* that before the first is any row */
            const uint8_t *bits = t ? (const uint8_t *)c->spiked + (line - 1) * s.bits_row : 0;
            if ((t ? count_bits(bits, N) : N) * DENSE > N) add_dense(&inner, &s, z, drive);
            else add_entries(w->grad_weights, wide, 0, drive, index, spikes_of(bits, N, index));
            const int64_t found = entries_of(x, I, index);
            if (found * DENSE > I) add_dense(&outer, &s, x, drive_x);
            else add_entries(grad_x, wide, x, drive_x, index, found);
            if (t > 1) soon_read(bits - s.bits_row);
            for (int64_t n = 0; t && n < I; n += 16) soon_read(x - I + n);
        }
        if (inner.rows + count > most || t == 0) flush(&inner, &s, N);
        if (outer.rows + count > most || t == 0) flush(&outer, &s, N);
        for (int64_t i = 0; c->grad_readout && i < count; i++) { /* what is read out of this step's spikes */
            const int64_t line = (w->first + i) * T + t;
            const int64_t events = spikes_of((const uint8_t *)c->spiked + line * s.bits_row, N, index);
            for (int64_t o = 0; o < O; o += LANES) {
                const vec arriving = load_some(c->grad_out + line * O + o, O - o);
                for (int64_t k = 0; k < events; k++) {
                    float *to = w->grad_read + index[k] * s.out_wide + o;
                    store(to, load(to) + arriving);
                }
            }
        }
        for (int64_t p = 0; c->grad_x && p < in_panels; p++)
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b);
                product(tall, width_of(p, I), N, entered + b * entered_row, entered_row, w->panels_x + p * N * PANEL, 0, 0,
                        tile, PANEL);
                for (int i = 0; i < tall; i++)
                    memcpy(c->grad_x + ((w->first + b + i) * T + t) * I + p * PANEL, tile + i * PANEL,
                           4 * (size_t)least(PANEL, I - p * PANEL));
            }
    }
}

static void backward_group(const struct share *w) {
    const int plain = !w->c->adapt && !w->c->refractory;
#define CASE(P, W)                                                                                                \
    if (plain == (P) && w->c->surrogate == (W)) backward_share(P, W, w);
    CASE(0, SUPERSPIKE) CASE(0, TRIANGLE) CASE(0, ARCTAN) CASE(1, SUPERSPIKE) CASE(1, TRIANGLE) CASE(1, ARCTAN)
#undef CASE
}

static void backward_any(void *of) { in_groups(of, backward_group); }

/* Deal the trials out, a share a thread, and sum what the shares found. Returns 0, or 1 where memory is short. */
int NAMED(lif_backward)(const struct lif *c) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, I = c->inputs, O = c->outputs, wide = s.wide, width = s.panels * PANEL, depth = N + O;
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(backward_room(c, &s, most), 16), in_width = up_to(I, PANEL);
    /* the bias's gradient is written in whole panels */
    const int64_t sums = up_to((N + I) * wide + width, 16), read = up_to((O ? N : 0) * s.out_wide, 16);
    float *whole = reserve(up_to(depth * width, 16) + up_to(N * in_width, 16) + 5 * up_to(width, 16) +
                           shares * (own + sums + read));
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, depth * width), *panels_x = take(&room, N * in_width);
    const float *const of[5] = {c->synapse, c->membrane, c->drive, c->adapt, c->jump};
    float *constant[5];
    for (int i = 0; i < 5; i++) pad(constant[i] = take(&room, width), of[i], of[i] ? N : 0, width);
    pack_rows(panels, PANEL, 0, depth, c->weights, N, N, 1, N); /* turned */
    pack_rows(panels, PANEL, N, depth, c->readout, O, N, N, 1);
    if (c->grad_x) pack_rows(panels_x, PANEL, 0, N, c->weights + N * N, N, I, 1, N);
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .group = group,
                                  .panels = panels, .panels_x = panels_x, .synapse = constant[0],
                                  .membrane = constant[1], .drive = constant[2], .adapt = constant[3],
                                  .jump = constant[4]};
        share[i].chunk = chunk_of(c, &s, most);
        share[i].room = take(&room, own);
        share[i].grad_weights = take(&room, sums);
        share[i].grad_read = take(&room, read);
        memset(share[i].grad_weights, 0, 4 * (size_t)(sums + read)); /* side by side */
    }
    on_threads(backward_any, share, sizeof share[0], (int)shares);
    for (int64_t k = 0; c->grad_weights && k < N + I + 1; k++)
        for (int64_t n = 0; n < N; n += LANES) {
            vec sum = {0};
            for (int64_t i = 0; i < shares; i++) sum += load(share[i].grad_weights + k * wide + n);
            store_some(c->grad_weights + k * N + n, sum, N - n);
        }
    for (int64_t n = 0; c->grad_readout && n < N; n++)
        for (int64_t o = 0; o < O; o++) {
            float sum = 0.0f;
            for (int64_t i = 0; i < shares; i++) sum += share[i].grad_read[n * s.out_wide + o];
            c->grad_readout[o * N + n] = sum;
        }
    release(whole);
    return 0;
}
