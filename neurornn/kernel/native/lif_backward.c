/* Integrate-and-fire units: the gradients of a whole sequence in one call.

   One reverse sweep, as in leaky_backward.c. What a spike stood for comes from its distance above threshold; which units
   spiked, from bits. The gradient of the readout joins the sweep's product as columns of its own. */
#include "lif_share.h"

/* Rows of a gradient that a chunk may write: whole tiles. */
static int64_t rows_of(int64_t n) { return up_to(n, 16); }

static int64_t chunk_of(const struct lif *c, int64_t count) {
    return chunk_steps(c->steps, count, chunk_row(c->units, c->units) + chunk_row(c->inputs, c->units));
}

static int64_t backward_room(const struct lif *c, const struct sizes *s, int64_t count) {
    const int64_t most = chunk_of(c, count) * count, columns = larger(panels_of(c->units), panels_of(c->inputs));
    return 2 * operand_room(count, c->units, c->outputs) + (c->direct ? operand_room(count, c->units, 0) : 0) +
           5 * up_to(count * s->wide, 16) + ROWS * columns * COLUMNS + chunk_room(c->units, c->units, most) +
           chunk_room(c->inputs, c->units, most) + up_to(larger(c->units, c->inputs) + LANES, 16);
}

/* A row that takes the dense way to a weight gradient, gathered over several steps: what came in, and the adjoint of
   what it drove. */
static void add_dense(struct chunk *k, const float *source, const float *drive) {
    float *to = values_of(k, k->rows);
    put_source(k, k->rows, source, k->outer, 0, 0, 0);
    for (int64_t n = 0; n < k->inner; n += LANES) put_value(k, to, n, load(drive + n));
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

/* How many entries of a row are not 0. */
INLINE int64_t count_entries(const float *row, int64_t n) {
    int64_t found = 0;
    for (int64_t at = 0; at < n; at += LANES)
        found += __builtin_popcount(to_bits(load_some(row + at, n - at) != all(0.0f)));
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
    const int64_t most = w->chunk * count, width = panels_of(N) * COLUMNS, in_width = panels_of(I) * COLUMNS;
    float *room = w->room;
    struct operand now = operand_at(&room, count, N, O), next = operand_at(&room, count, N, O);
    float *of_i = take(&room, count * wide), *of_v = take(&room, count * wide), *of_a = take(&room, count * wide);
    memset(of_i, 0, 4 * (size_t)(room - of_i)); /* side by side */
    float *inside = take(&room, count * wide); /* adjoints of what arrived through synapses, */
    float *outside = c->direct ? take(&room, count * wide) : inside; /* and from outside */
    float *tile = take(&room, ROWS * larger(width, in_width));
    const struct operand apart = c->direct ? operand_at(&room, count, N, 0) : next;
    struct chunk inner = chunk_at(&room, N, N, most, w->grad_weights, wide);
    struct chunk outer = chunk_at(&room, I, N, most, w->grad_x, wide);
    int32_t *index = (int32_t *)take(&room, larger(N, I) + LANES);
    const vec slope = all((float)c->slope);
    for (int64_t t = T - 1; t >= 0; t--) {
        for (int64_t i = 0; i < count && O; i++) put_more(now, i, c->grad_out + ((w->first + i) * T + t) * O, O);
        for (int64_t b = 0; b < count; b += ROWS) {
            const int tall = (int)least(ROWS, count - b);
            multiply(tall, N, N, O, now, b, w->panels, 0, tile, t & 1);
            for (int64_t i = b; i < b + tall; i++) {
                const int64_t at = i * wide, line = ((w->first + i) * T + t) * N;
                const struct carried of = {of_i + at, of_v + at, of_a + at};
                float *fed = row_of(next, i);
                for (int64_t n = 0; n < N; n += LANES) {
                    vec entered;
                    const vec arriving = load(tile + (i - b) * width + n);
                    const vec current = unsettle(plain, which, c, w, slope, arriving, &of, line, n, &entered);
                    put(fed, n, current);
                    store(inside + at + n, current);
                    if (c->direct) store(outside + at + n, entered);
                    if (c->direct && c->grad_x) put(row_of(apart, i), n, entered);
                    store(w->grad_bias + n, load(w->grad_bias + n) + entered);
                }
            }
        }
        const struct operand swap = now;
        now = next;
        next = swap;
        if (c->grad_weights) {
            const float *z = t ? c->sent + (w->first * T + t - 1) * N : c->spikes + w->first * N;
            const uint8_t *bits = t ? (const uint8_t *)c->spiked + (w->first * T + t - 1) * s.bits_row : 0;
            int64_t spikes = 0, entries = 0;
            for (int64_t i = 0; i < count; i++) {
                spikes += t ? count_bits(bits + i * T * s.bits_row, N) : N; /* what is before the first is any row */
                entries += count_entries(c->x + ((w->first + i) * T + t) * I, I);
            }
            for (int64_t i = 0; i < count; i++) {
                const float *drive = inside + i * wide, *x = c->x + ((w->first + i) * T + t) * I;
                if (spikes * DENSE > count * N) add_dense(&inner, z + i * (t ? T * N : N), drive);
                else add_entries(w->grad_weights, wide, 0, drive, index, spikes_of(bits + i * T * s.bits_row, N, index));
                if (entries * DENSE > count * I) add_dense(&outer, x, outside + i * wide);
                else add_entries(w->grad_x, wide, x, outside + i * wide, index, entries_of(x, I, index));
                if (t > 1) soon_read(bits + (i * T - 1) * s.bits_row);
                for (int64_t n = 0; t && n < I; n += 16) soon_read(x - I + n);
            }
        }
        inner.exact = t > 0; /* spikes but for those before the first step, which may be anything */
        if (inner.rows + count > most || t == 0) add_chunk(&inner);
        if (outer.rows + count > most || t == 0) add_chunk(&outer);
        if (c->grad_readout)
            add_rows(w->grad_read, wide, c->grad_out + (w->first * T + t) * O, T * O, O,
                     c->sent + (w->first * T + t) * N, T * N, N, count);
        for (int64_t b = 0; c->grad_x && b < count; b += ROWS) {
            const int tall = (int)least(ROWS, count - b);
            multiply(tall, I, N, 0, c->direct ? apart : now, b, w->panels_x, 0, tile, t & 1);
            for (int i = 0; i < tall; i++)
                memcpy(c->grad_x + ((w->first + b + i) * T + t) * I, tile + i * in_width, 4 * (size_t)I);
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
    const int64_t N = c->units, I = c->inputs, O = c->outputs, wide = s.wide, width = panels_of(N) * COLUMNS;
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(backward_room(c, &s, most), 16);
    const int64_t of_weights = up_to(rows_of(N) * wide, 16), of_x = up_to(rows_of(I) * wide, 16);
    const int64_t sums = of_weights + of_x + up_to(wide, 16), read = up_to(O * wide, 16);
    float *whole = reserve(weights_room(N, O, N) + weights_room(N, 0, I) + 5 * up_to(width, 16) +
                           shares * (own + sums + read));
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, weights_room(N, O, N)), *panels_x = take(&room, weights_room(N, 0, I));
    const float *const of[5] = {c->synapse, c->membrane, c->drive, c->adapt, c->jump};
    float *constant[5];
    for (int i = 0; i < 5; i++) pad(constant[i] = take(&room, width), of[i], of[i] ? N : 0, width);
    pack(panels, c->weights, N, 1, N, c->readout, O, N); /* turned */
    if (c->grad_x) pack(panels_x, c->weights + N * N, N, 1, N, 0, 0, I);
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .group = group,
                                  .panels = panels, .panels_x = panels_x, .synapse = constant[0],
                                  .membrane = constant[1], .drive = constant[2], .adapt = constant[3],
                                  .jump = constant[4]};
        share[i].chunk = chunk_of(c, most);
        share[i].room = take(&room, own);
        share[i].grad_weights = take(&room, of_weights);
        share[i].grad_x = take(&room, of_x);
        share[i].grad_bias = take(&room, wide);
        share[i].grad_read = take(&room, read);
        memset(share[i].grad_weights, 0, 4 * (size_t)(sums + read)); /* side by side */
    }
    on_threads(backward_any, share, sizeof share[0], (int)shares);
    for (int64_t k = 0; c->grad_weights && k < N + I + 1; k++)
        for (int64_t n = 0; n < N; n += LANES) {
            const int64_t at = k < N ? k * wide : k < N + I ? of_weights + (k - N) * wide : of_weights + of_x;
            vec sum = {0};
            for (int64_t i = 0; i < shares; i++) sum += load(share[i].grad_weights + at + n);
            store_some(c->grad_weights + k * N + n, sum, N - n);
        }
    for (int64_t o = 0; c->grad_readout && o < O; o++)
        for (int64_t n = 0; n < N; n += LANES) {
            vec sum = {0};
            for (int64_t i = 0; i < shares; i++) sum += load(share[i].grad_read + o * wide + n);
            store_some(c->grad_readout + o * N + n, sum, N - n);
        }
    release(whole);
    return 0;
}
