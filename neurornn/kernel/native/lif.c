/* Integrate-and-fire units: a whole sequence forward, and its gradients backward, in one call each.

   As in leaky.c, each thread takes its share of the trials through all of the steps. What is new is that most units are
   silent at most steps: where few spike, the recurrent product is a sum of the few weight rows of the units that did,
   and so is the gradient of the recurrent weights. Both ways add the same numbers in the same order (a product with 0
   adds nothing), so the spikes do not depend on the way, and neither on the number of threads. */
#include "work.h"

#include "lif.h"

/* Where more than 1 in DENSE units spiked, the dense product is faster (measured at 64 and 256 units). */
#define DENSE 6

struct sizes {
    int64_t row;    /* of N columns, in whole panels */
    int64_t panels; /* of N columns */
};

static struct sizes sizes_of(const struct lif *c) {
    const int64_t panels = (c->units + PANEL - 1) / PANEL;
    return (struct sizes){up_to(panels * PANEL, 16), panels};
}

struct share {
    const struct lif *c;
    struct sizes s;
    int64_t first, count;                 /* trials */
    int64_t chunk;                        /* steps of a chunk: that of the largest share, for which the room is meant */
    const float *panels, *panels_x;       /* packed weights */
    const float *rows;                    /* the recurrent weights row by row, for events */
    const float *bias, *synapse, *membrane, *drive, *threshold, *adapt, *jump;
    float *room;
    float *grad_recurrent, *grad_afferent; /* (N, row) and (I + 1, row) */
};

/* Write the indices of the units that spiked in a row; n + 1 where an entry is neither 0 nor 1, which is no event. */
static int64_t events_of(const float *row, int64_t n, int32_t *index) {
    int64_t found = 0;
    for (int64_t at = 0; at < n; at += LANES) {
        const vec z = load_some(row + at, n - at);
        if (to_bits((z != all(0.0f)) & (z != all(1.0f)))) return n + 1;
        for (uint32_t bits = to_bits(z != all(0.0f)); bits; bits &= bits - 1)
            index[found++] = (int32_t)(at + __builtin_ctz(bits));
    }
    return found;
}

/* The same for a row that holds nothing but 0 and 1. */
static int64_t spikes_of(const float *row, int64_t n, int32_t *index) {
    int64_t found = 0;
    for (int64_t at = 0; at < n; at += LANES)
        for (uint32_t bits = to_bits(load_some(row + at, n - at) != all(0.0f)); bits; bits &= bits - 1)
            index[found++] = (int32_t)(at + __builtin_ctz(bits));
    return found;
}

/* `wide` vectors of `to` += those of the rows of the units that spiked, kept in registers meanwhile. */
INLINE void add_block(const int wide, float *to, const float *rows, int64_t row, const int32_t *index, int64_t n) {
    vec sum[8];
#pragma GCC unroll 8
    for (int v = 0; v < wide; v++) sum[v] = load(to + v * LANES);
    for (int64_t k = 0; k < n; k++) {
        const float *from = rows + index[k] * row;
#pragma GCC unroll 8
        for (int v = 0; v < wide; v++) sum[v] += load(from + v * LANES);
    }
#pragma GCC unroll 8
    for (int v = 0; v < wide; v++) store(to + v * LANES, sum[v]);
}

/* to += the rows of the units that spiked. */
static void add_rows(float *to, const float *rows, int64_t row, const int32_t *index, int64_t n) {
    int64_t at = 0;
    for (; at + 8 * LANES <= row; at += 8 * LANES) add_block(8, to + at, rows + at, row, index, n);
    for (; at + 4 * LANES <= row; at += 4 * LANES) add_block(4, to + at, rows + at, row, index, n);
    for (; at + 2 * LANES <= row; at += 2 * LANES) add_block(2, to + at, rows + at, row, index, n);
    for (; at < row; at += LANES) add_block(1, to + at, rows + at, row, index, n);
}

/* ---------------------------------------------------------------- forward */

static int64_t forward_room(const struct lif *c, const struct sizes *s, int64_t count) {
    return 5 * up_to(count * s->row, 16) + up_to(count * (c->inputs + 1), 16) + up_to(count * (c->units + 1), 16) +
           2 * up_to(count, 16);
}

static void forward_share(void *of) {
    const struct share *w = of;
    const uint32_t before = flush_tiny();
    const struct lif copy = *w->c, *c = &copy;
    const int64_t N = c->units, T = c->steps, I = c->inputs, row = w->s.row, count = w->count;
    float *room = w->room;
    float *drives = take(&room, count * row), *spikes = take(&room, count * row);
    float *current = take(&room, count * row), *voltage = take(&room, count * row);
    float *adapted = take(&room, count * row), *input = take(&room, count * (I + 1));
    int32_t *index = (int32_t *)take(&room, count * (N + 1)), *events = (int32_t *)take(&room, count);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = (w->first + i) * N;
        pad(current + i * row, c->current + at, N, row);
        pad(voltage + i * row, c->voltage + at, N, row);
        pad(adapted + i * row, c->adapted ? c->adapted + at : 0, N, row);
        pad(spikes + i * row, c->spikes + at, N, row);
        events[i] = (int32_t)events_of(spikes + i * row, N, index + i * (N + 1));
    }
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < count; i++) {
            const float *x = c->x + ((w->first + i) * T + t) * I;
            memcpy(input + i * (I + 1), x, 4 * (size_t)I);
            for (int64_t n = 0; n < I; n += 16) soon_read(x + I + n);
        }
        for (int64_t p = 0; p < w->s.panels; p++)
            for (int64_t b = 0; b < count; b += TALL)
                product((int)least(TALL, count - b), width_of(p, N), I, input + b * (I + 1), I + 1,
                        w->panels_x + p * I * PANEL, w->bias + p * PANEL, 0, drives + b * row + p * PANEL, row);
        for (int64_t b = 0; b < count; b += TALL) {
            const int tall = (int)least(TALL, count - b);
            int64_t all_events = 0;
            int fit = 1;
            for (int i = 0; i < tall; i++) {
                all_events += events[b + i];
                fit &= events[b + i] <= N;
            }
            if (fit && all_events * DENSE <= tall * N) {
                for (int i = 0; i < tall; i++)
                    add_rows(drives + (b + i) * row, w->rows, row, index + (b + i) * (N + 1), events[b + i]);
            } else {
                for (int64_t p = 0; p < w->s.panels; p++) {
                    float *tile = drives + b * row + p * PANEL;
                    product(tall, width_of(p, N), N, spikes + b * row, row, w->panels + p * N * PANEL, tile, row, tile,
                            row);
                }
            }
        }
        for (int64_t i = 0; i < count; i++) {
            const int64_t line = ((w->first + i) * T + t) * N;
            int32_t *list = index + i * (N + 1), found = 0;
            for (int64_t n = 0; n < N; n += LANES) {
                const int64_t at = i * row + n;
                vec drive = load(drives + at);
                if (c->noise) {
                    drive += load_some(c->noise + line + n, N - n);
                    soon_read(c->noise + line + n + N);
                }
                const vec z = load(spikes + at), threshold = load(w->threshold + n);
                const vec i_ = load(w->synapse + n) * load(current + at) + drive;
                const vec v = load(w->membrane + n) * load(voltage + at) + load(w->drive + n) * i_ - threshold * z;
                vec s = v - threshold;
                if (c->adapt) {
                    const vec a = load(w->adapt + n) * load(adapted + at) + z;
                    s -= load(w->jump + n) * a;
                    store(adapted + at, a);
                }
                store(current + at, i_);
                store(voltage + at, v);
                ivec spiked = s > all(0.0f);
                if (N - n < LANES) { /* columns beyond the last unit never spike, whatever the padding gives */
                    for (int64_t lane = N - n; lane < LANES; lane++) spiked[lane] = 0;
                }
                const vec out = keep(all(1.0f), spiked);
                store(spikes + at, out);
                store_some(c->sent + line + n, out, N - n);
                soon_written(c->sent + line + n + N);
                if (c->above) {
                    store_some(c->above + line + n, s, N - n);
                    soon_written(c->above + line + n + N);
                }
                for (uint32_t bits = to_bits(spiked); bits; bits &= bits - 1)
                    list[found++] = (int32_t)(n + __builtin_ctz(bits));
            }
            events[i] = found;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = (w->first + i) * N;
        memcpy(c->last_current + at, current + i * row, 4 * (size_t)N);
        memcpy(c->last_voltage + at, voltage + i * row, 4 * (size_t)N);
        if (c->last_adapted) memcpy(c->last_adapted + at, adapted + i * row, 4 * (size_t)N);
    }
    restore_tiny(before);
}

/* ---------------------------------------------------------------- backward */

static int64_t chunk_of(const struct lif *c, const struct sizes *s, int64_t count) {
    const int64_t fit = CHUNK_FLOATS / (count * (s->row + up_to(c->units, TALL) + up_to(c->inputs + 1, TALL)) + 1);
    return least(c->steps, fit > 1 ? fit : 1);
}

static int64_t tiles_of(int64_t n) { return up_to(n, TALL) / TALL; }

static int64_t backward_room(const struct lif *c, const struct sizes *s, int64_t count) {
    const int64_t most = chunk_of(c, s, count) * count;
    return 5 * up_to(count * s->row, 16) + TALL * PANEL + up_to(s->panels * (most * PANEL + APART), 16) +
           up_to(tiles_of(c->units + 1) * (most * TALL + APART), 16) +
           up_to(tiles_of(c->inputs + 1) * (most * TALL + APART), 16) + up_to(c->units + 1, 16);
}

INLINE vec slope_of(int which, vec slope, vec s) {
    const vec size = slope * (vec)((ivec)s & 0x7fffffff);
    if (which == TRIANGLE) return relu(1.0f - size);
    if (which == ARCTAN) return 1.0f / (1.0f + size * size);
    return 1.0f / ((1.0f + size) * (1.0f + size));
}

/* sum += sources^T drives, for a matrix of `outer` rows. */
static void add_chunk(const struct share *w, float *sum, int64_t outer, const float *sources, const float *drives,
                      int64_t rows, int64_t most) {
    for (int64_t p = 0; p < w->s.panels; p++)
        for (int64_t j = 0; j < outer; j += TALL) {
            float *tile = sum + j * w->s.row + p * PANEL;
            product_packed((int)least(TALL, outer - j), width_of(p, w->c->units), rows,
                           sources + j / TALL * (most * TALL + APART), drives + p * (most * PANEL + APART), tile,
                           w->s.row, tile, w->s.row);
        }
}

static void backward_share(void *of) {
    const struct share *w = of;
    const uint32_t before = flush_tiny();
    const struct lif copy = *w->c, *c = &copy;
    const int64_t N = c->units, T = c->steps, I = c->inputs, row = w->s.row, count = w->count;
    const int64_t chunk = w->chunk, most = chunk * count;
    float *room = w->room;
    float *now = take(&room, count * row), *next = take(&room, count * row), *of_i = take(&room, count * row);
    float *of_v = take(&room, count * row), *of_a = take(&room, count * row), *tile = take(&room, TALL * PANEL);
    float *drives = take(&room, w->s.panels * (most * PANEL + APART));
    float *sources = take(&room, tiles_of(N + 1) * (most * TALL + APART));
    float *sources_x = take(&room, tiles_of(I + 1) * (most * TALL + APART));
    int32_t *index = (int32_t *)take(&room, N + 1);
    memset(now, 0, 4 * (size_t)(5 * up_to(count * row, 16))); /* the five of them lie side by side */
    const vec slope = all((float)c->slope);
    int64_t slot = 0, laid = 0; /* steps in the chunk; and rows of it whose spikes take the dense way */
    for (int64_t t = T - 1; t >= 0; t--) {
        for (int64_t p = 0; p < w->s.panels; p++) {
            const int wide = width_of(p, N);
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b);
                product(tall, wide, N, now + b * row, row, w->panels + p * N * PANEL, 0, 0, tile, PANEL);
                for (int i = 0; i < tall; i++)
                    for (int j = 0; j < wide; j++) {
                        const int64_t n = p * PANEL + j * LANES, at = (b + i) * row + n;
                        const int64_t line = ((w->first + b + i) * T + t) * N + n;
                        vec of_z = load(tile + i * PANEL + j * LANES) + load_some(c->grad_sent + line, N - n);
                        soon_read(c->grad_sent + line - N);
                        const vec s = load_some(c->above + line, N - n);
                        soon_read(c->above + line - N);
                        if (c->adapt) of_z += load(of_a + at);
                        const vec of_s = slope_of(c->surrogate, slope, s) * of_z;
                        const vec voltage = load(of_v + at) + of_s;
                        if (c->adapt) store(of_a + at, load(w->adapt + n) * load(of_a + at) - load(w->jump + n) * of_s);
                        const vec current = load(of_i + at) + load(w->drive + n) * voltage;
                        store(of_v + at, load(w->membrane + n) * voltage);
                        store(of_i + at, load(w->synapse + n) * current);
                        store(next + at, current);
                        store(drives + p * (most * PANEL + APART) + (slot * count + b + i) * PANEL + j * LANES, current);
                        if (c->grad_noise) store_some(c->grad_noise + line, current, N - n);
                    }
            }
        }
        float *swap = now;
        now = next;
        next = swap;
        if (c->grad_weights) {
            for (int64_t i = 0; i < count; i++) {
                const int64_t trial = w->first + i, line = trial * T + t, k = slot * count + i;
                const float *z = t ? c->sent + (line - 1) * N : c->spikes + trial * N;
                const int64_t events = t ? spikes_of(z, N, index) : events_of(z, N, index);
                if (t > 1)
                    for (int64_t n = 0; n < N; n += 16) soon_read(z - N + n);
                for (int64_t n = 0; n < I; n += 16) soon_read(c->x + (line - 1) * I + n);
                lay(0, 0, c->x + line * I, I, sources_x + k * TALL, most * TALL + APART);
                if (events * DENSE <= N) {
                    for (int64_t n = 0; n < N; n += LANES) {
                        const vec drive = load(now + i * row + n);
                        float *sum = w->grad_recurrent + n;
                        for (int64_t e = 0; e < events; e++)
                            store(sum + index[e] * row, load(sum + index[e] * row) + drive);
                    }
                } else {
                    if (!laid++) /* the first in this chunk: the rows that took the way of events count for nothing */
                        memset(sources, 0, 4 * (size_t)(tiles_of(N + 1) * (most * TALL + APART)));
                    lay(z, N, 0, 0, sources + k * TALL, most * TALL + APART);
                }
            }
            if (++slot == chunk || t == 0) {
                add_chunk(w, w->grad_afferent, I + 1, sources_x, drives, slot * count, most);
                if (laid) add_chunk(w, w->grad_recurrent, N, sources, drives, slot * count, most);
                slot = laid = 0;
            }
        }
        for (int64_t p = 0; c->grad_x && p * PANEL < I; p++)
            for (int64_t b = 0; b < count; b += TALL) {
                const int tall = (int)least(TALL, count - b);
                product(tall, width_of(p, I), N, now + b * row, row, w->panels_x + p * N * PANEL, 0, 0, tile, PANEL);
                for (int i = 0; i < tall; i++)
                    memcpy(c->grad_x + ((w->first + b + i) * T + t) * I + p * PANEL, tile + i * PANEL,
                           4 * (size_t)least(PANEL, I - p * PANEL));
            }
    }
    restore_tiny(before);
}

/* ---------------------------------------------------------------- both */

static int run(const struct lif *c, int backward) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, I = c->inputs, row = s.row;
    const int64_t shares = shares_of(c->threads, c->trials), most = (c->trials + shares - 1) / shares;
    const int64_t own = up_to(backward ? backward_room(c, &s, most) : forward_room(c, &s, most), 16);
    const int64_t sums = backward ? (N + I + 1) * row : 0;
    const int64_t width = s.panels * PANEL, in_width = up_to(I, PANEL);
    const int64_t packed = up_to(N * width, 16) + up_to(backward ? N * in_width : I * width, 16) + N * row;
    float *whole = reserve(packed + 7 * row + shares * (own + sums));
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, N * width), *panels_x = take(&room, backward ? N * in_width : I * width);
    float *rows = take(&room, N * row);
    const float *const of[7] = {c->weights + (N + I) * N, c->synapse, c->membrane, c->drive, c->threshold,
                                c->adapt,                 c->jump};
    float *constant[7];
    for (int i = 0; i < 7; i++) pad(constant[i] = take(&room, row), of[i], N, row);
    if (backward) {
        pack(panels, c->weights, N, N, 1, N); /* transposed */
        if (c->grad_x) pack(panels_x, c->weights + N * N, N, I, 1, N);
    } else {
        pack(panels, c->weights, N, N, N, 1);
        pack(panels_x, c->weights + N * N, I, N, N, 1);
        for (int64_t n = 0; n < N; n++) pad(rows + n * row, c->weights + n * N, N, row);
    }
    if (!backward) {
        first_touched(c->sent, c->trials * c->steps * N);
        first_touched(c->above, c->trials * c->steps * N);
    }
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .panels = panels, .panels_x = panels_x, .rows = rows, .bias = constant[0],
                                  .synapse = constant[1], .membrane = constant[2], .drive = constant[3],
                                  .threshold = constant[4], .adapt = constant[5], .jump = constant[6]};
        share[i].chunk = chunk_of(c, &s, most);
        share[i].room = take(&room, own);
        if (backward) {
            share[i].grad_recurrent = take(&room, N * row);
            share[i].grad_afferent = take(&room, (I + 1) * row);
            memset(share[i].grad_recurrent, 0, 4 * (size_t)sums);
        }
    }
    on_threads(backward ? backward_share : forward_share, share, sizeof share[0], (int)shares);
    if (backward && c->grad_weights)
        for (int64_t k = 0; k < N + I + 1; k++)
            for (int64_t n = 0; n < N; n++) {
                float sum = 0.0f;
                for (int64_t i = 0; i < shares; i++) sum += share[i].grad_recurrent[k * row + n];
                c->grad_weights[k * N + n] = sum;
            }
    release(whole);
    return 0;
}

int NAMED(lif_forward)(const struct lif *c) { return run(c, 0); }
int NAMED(lif_backward)(const struct lif *c) { return run(c, 1); }
