/* Integrate-and-fire units: a whole sequence in one call.

   As in leaky_forward.c, each thread takes its share of the trials through all of the steps. The sums of what arrives
   stay in registers until the unit has taken its step. What arrives through synapses and from outside is summed apart,
   each in the order of its rows whichever way it is computed (a product with 0 adds nothing), so that the spikes depend
   neither on the way nor on the number of threads. */
#include "lif_share.h"

static int64_t forward_room(const struct lif *c, const struct sizes *s, int64_t count) {
    return 5 * up_to(count * s->wide, 16) + 2 * up_to(TALL * s->panels * PANEL, 16) + up_to(s->wide + PANEL, 16) +
           up_to(2 * count * (c->units + LANES), 16) + up_to(TALL * (c->inputs + LANES), 16) + up_to(count, 16);
}

/* Whether a row holds nothing but 0 and 1. */
static int is_spikes(const float *row, int64_t n) {
    for (int64_t at = 0; at < n; at += LANES) {
        const vec z = load_some(row + at, n - at);
        if (to_bits((z != all(0.0f)) & (z != all(1.0f)))) return 0;
    }
    return 1;
}

/* The states of one trial, and room for the indices of its units that spike. */
struct trial {
    float *current, *voltage, *spikes, *adapted, *waiting;
    int32_t *spiked;
};

/* What arrives at one trial in one step: sums, or the rows that are to be summed. */
struct arrival {
    const float *sum;      /* of the dense product; null where the entries are to be summed */
    const float *rows;     /* weights row by row */
    const float *value;    /* of the entries; null where all are 1 */
    const int32_t *index;
    int64_t count;
};

INLINE void arrive(const int many, vec *sum, const struct arrival *a, const float *bias, int64_t n, int64_t row) {
#pragma GCC unroll 8
    for (int v = 0; v < many; v++)
        sum[v] = a->sum ? load(a->sum + n + v * LANES) : bias ? load(bias + n + v * LANES) : (vec){0};
    if (a->sum) return;
    for (int64_t k = 0; k < a->count; k++) {
        const float *from = a->rows + a->index[k] * row + n;
        if (a->value) {
            const vec x = all(a->value[a->index[k]]);
#pragma GCC unroll 8
            for (int v = 0; v < many; v++) sum[v] += x * load(from + v * LANES);
        } else {
#pragma GCC unroll 8
            for (int v = 0; v < many; v++) sum[v] += load(from + v * LANES);
        }
    }
}

/* Take one vector of units a step further. `line` is the place of its row in the (B, T, N) arrays, n its first unit. */
INLINE int64_t settle(const int plain, const struct lif *c, const struct share *w, const struct trial *of, vec arriving,
                      vec outside, const float *loud, int64_t line, int64_t bits_at, int64_t n, int64_t found) {
    const int64_t left = c->units - n;
    if (c->noise) {
        outside += load_some(c->noise + line + n, left);
        soon_read(c->noise + line + n + c->units);
    }
    if (loud) outside += load(loud + n);
    const vec before = load(of->voltage + n), threshold = load(w->threshold + n);
    vec i = load(w->synapse + n) * load(of->current + n) + arriving;
    vec v = load(w->membrane + n) * before;
    if (c->direct) v += outside;
    else i += outside;
    v += load(w->drive + n) * i;
    vec s = v - threshold;
    ivec frozen = {0};
    if (!plain && c->adapt) {
        const vec a = load(w->adapt + n) * load(of->adapted + n) + load(of->spikes + n);
        s -= load(w->jump + n) * a;
        store(of->adapted + n, a);
    }
    if (!plain && c->waiting) {
        frozen = load(of->waiting + n) > all(0.0f);
        v = choose(frozen, before, v);
        s = choose(frozen, all(-__builtin_inff()), s);
    }
    const ivec spiked = s > all(0.0f);
    const vec reset = load(w->reset + n);
    v = c->hard ? choose(spiked, reset, v) : v - keep(reset, spiked);
    if (!plain && c->waiting) {
        const vec wait = load(of->waiting + n) - 1.0f;
        store(of->waiting + n, choose(spiked, all((float)c->refractory), keep(wait, wait > all(0.0f))));
    }
    const vec out = keep(all(1.0f), spiked);
    store(of->current + n, i);
    store(of->voltage + n, v);
    store(of->spikes + n, out);
    leave(w->streamed, c->sent + line + n, out, left, c->units);
    if (c->above) {
        leave(w->streamed, c->above + line + n, s, left, c->units);
        const uint32_t bits = to_bits(spiked);
        uint8_t *to = (uint8_t *)c->spiked + bits_at + n / 8;
        to[0] = (uint8_t)bits;
        if (LANES == 16) to[1] = (uint8_t)(bits >> 8);
    }
    return emit(of->spiked, found, spiked, n);
}

INLINE int64_t settle_block(const int many, const int plain, const struct lif *c, const struct share *w,
                            const struct trial *of, const struct arrival *inside, const struct arrival *outside,
                            const float *loud, int64_t line, int64_t bits_at, int64_t n, int64_t found) {
    vec arriving[8], entering[8];
    arrive(many, arriving, inside, 0, n, w->s.wide);
    arrive(many, entering, outside, w->bias, n, w->s.wide);
#pragma GCC unroll 8
    for (int v = 0; v < many; v++)
        found = settle(plain, c, w, of, arriving[v], entering[v], loud, line, bits_at, n + v * LANES, found);
    return found;
}

/* One trial's step. Returns how many units spiked. */
INLINE int64_t settle_row(const int plain, const struct lif *c, const struct share *w, const struct trial *of,
                          const struct arrival *inside, const struct arrival *outside, const float *loud, int64_t line,
                          int64_t bits_at) {
    int64_t n = 0, found = 0;
#define BLOCKS(K)                                                                                                 \
    for (; n + (K) * LANES <= w->s.wide; n += (K) * LANES)                                                         \
        found = settle_block(K, plain, c, w, of, inside, outside, loud, line, bits_at, n, found);
    BLOCKS(8) BLOCKS(4) BLOCKS(2) BLOCKS(1)
#undef BLOCKS
    return found;
}

INLINE void forward_share(const int plain, const struct share *w) {
    const struct lif copy = *w->c, *c = &copy; /* that no store can change: it stays in registers */
    const struct sizes s = w->s;
    const int64_t N = c->units, T = c->steps, I = c->inputs, O = c->outputs, wide = s.wide, count = w->count;
    const int64_t width = s.panels * PANEL, list = N + LANES, list_x = I + LANES;
    float *room = w->room;
    float *current = take(&room, count * wide), *voltage = take(&room, count * wide);
    float *spikes = take(&room, count * wide), *adapted = take(&room, count * wide);
    float *waiting = take(&room, count * wide);
    float *inner = take(&room, TALL * width), *outer = take(&room, TALL * width), *loud = take(&room, wide + PANEL);
    int32_t *index = (int32_t *)take(&room, 2 * count * list), *index_x = (int32_t *)take(&room, TALL * list_x);
    int32_t *events = (int32_t *)take(&room, count);
    const vec sd = all((float)c->sd);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = (w->first + i) * N;
        pad(current + i * wide, c->current + at, N, wide);
        pad(voltage + i * wide, c->voltage + at, N, wide);
        pad(spikes + i * wide, c->spikes + at, N, wide);
        pad(adapted + i * wide, c->adapted ? c->adapted + at : 0, c->adapted ? N : 0, wide);
        pad(waiting + i * wide, c->waiting ? c->waiting + at : 0, c->waiting ? N : 0, wide);
        const int64_t found = entries_of(spikes + i * wide, N, index + (count + i) * list);
        events[i] = (int32_t)(is_spikes(spikes + i * wide, N) ? found : N + 1); /* other numbers are no events */
    }
    for (int64_t t = 0; t < T; t++) {
        for (int64_t b = 0; b < count; b += TALL) {
            const int tall = (int)least(TALL, count - b);
            const float *x = c->x + ((w->first + b) * T + t) * I;
            int64_t found_x[TALL], all_events = 0, all_x = 0;
            int fit = 1;
            for (int i = 0; i < tall; i++) {
                all_x += found_x[i] = entries_of(x + i * T * I, I, index_x + i * list_x);
                for (int64_t n = 0; n < I; n += 16) soon_read(x + i * T * I + I + n);
                all_events += events[b + i];
                fit &= events[b + i] <= N;
            }
            const int few = fit && all_events * DENSE <= tall * N, few_x = all_x * DENSE <= tall * I;
            for (int64_t p = 0; p < s.panels && !few; p++)
                product(tall, width_of(p, N), N, spikes + b * wide, wide, w->panels + p * N * PANEL, 0, 0,
                        inner + p * PANEL, width);
            for (int64_t p = 0; p < s.panels && !few_x; p++)
                product(tall, width_of(p, N), I, x, T * I, w->panels_x + p * I * PANEL, w->bias + p * PANEL, 0,
                        outer + p * PANEL, width);
            for (int i = 0; i < tall; i++) {
                const int64_t at = (b + i) * wide, trial = w->first + b + i, line = trial * T + t;
                /* two lists in turn: that of the last step is read block by block while this one's is written */
                int32_t *spiked = index + ((t & 1) * count + b + i) * list;
                const int32_t *last = index + ((~t & 1) * count + b + i) * list;
                const struct trial of = {current + at, voltage + at, spikes + at, adapted + at, waiting + at, spiked};
                const struct arrival inside = {few ? 0 : inner + i * width, w->rows, 0, last, events[b + i]};
                const struct arrival outside = {few_x ? 0 : outer + i * width, w->rows + N * wide, x + i * T * I,
                                                index_x + i * list_x, found_x[i]};
                if (c->sd != 0.0) noise_row(loud, sd, words_of(c->key, c->first_trial + trial, c->first_step + t), N);
                events[b + i] = (int32_t)settle_row(plain, c, w, &of, &inside, &outside, c->sd != 0.0 ? loud : 0,
                                                    line * N, line * s.bits_row);
                for (int64_t n = 0; n < s.out_wide; n += LANES) {
                    vec sum = load(w->shift + n);
                    for (int64_t k = 0; k < events[b + i]; k++) sum += load(w->readout + spiked[k] * s.out_wide + n);
                    store_some(c->out + line * O + n, sum, O - n);
                }
            }
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = (w->first + i) * N;
        memcpy(c->last_current + at, current + i * wide, 4 * (size_t)N);
        memcpy(c->last_voltage + at, voltage + i * wide, 4 * (size_t)N);
        if (c->last_adapted) memcpy(c->last_adapted + at, adapted + i * wide, 4 * (size_t)N);
        if (c->last_waiting) memcpy(c->last_waiting + at, waiting + i * wide, 4 * (size_t)N);
    }
}

static void forward_group(const struct share *w) {
    if (w->c->adapt || w->c->waiting) forward_share(0, w);
    else forward_share(1, w);
}

static void forward_any(void *of) { in_groups(of, forward_group); }

/* Deal the trials out, a share a thread. Returns 0, or 1 where memory is short. */
int NAMED(lif_forward)(const struct lif *c) {
    const struct sizes s = sizes_of(c);
    const int64_t N = c->units, I = c->inputs, O = c->outputs, wide = s.wide, width = s.panels * PANEL;
    const int64_t shares = shares_of(c->threads, c->trials), group = trials_together(&s);
    const int64_t most = least(group, (c->trials + shares - 1) / shares);
    const int64_t own = up_to(forward_room(c, &s, most), 16), read = up_to((O ? N : 0) * s.out_wide, 16);
    float *whole = reserve(up_to(N * width, 16) + up_to(I * width, 16) + up_to((N + I) * wide, 16) +
                           8 * up_to(width, 16) + read + up_to(s.out_wide, 16) + shares * own);
    if (!whole) return 1;
    float *room = whole;
    float *panels = take(&room, N * width), *panels_x = take(&room, I * width), *rows = take(&room, (N + I) * wide);
    const float *const of[8] = {c->weights + (N + I) * N, c->synapse, c->membrane, c->drive,
                                c->threshold,             c->reset,   c->adapt,    c->jump};
    float *constant[8];
    for (int i = 0; i < 8; i++) pad(constant[i] = take(&room, width), of[i], of[i] ? N : 0, width);
    for (int64_t n = N; n < width; n++) constant[4][n] = __builtin_inff(); /* what is no unit never spikes */
    float *readout = take(&room, read), *shift = take(&room, s.out_wide);
    pad(shift, c->shift, O, s.out_wide);
    for (int64_t n = 0; n < N && O; n++)
        for (int64_t o = 0; o < s.out_wide; o++) readout[n * s.out_wide + o] = o < O ? c->readout[o * N + n] : 0.0f;
    pack_rows(panels, PANEL, 0, N, c->weights, N, N, N, 1);
    pack_rows(panels_x, PANEL, 0, I, c->weights + N * N, I, N, N, 1);
    for (int64_t n = 0; n < N + I; n++) pad(rows + n * wide, c->weights + n * N, N, wide);
    const int64_t all_states = c->trials * c->steps * N;
    first_touched(c->sent, all_states);
    first_touched(c->above, all_states);
    const int streamed = is_streamed(c->sent, all_states, N) && is_streamed(c->above, all_states, N);
    struct share share[MOST_THREADS];
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){.c = c, .s = s, .first = first, .count = c->trials * (i + 1) / shares - first,
                                  .group = group, .streamed = streamed,
                                  .panels = panels, .panels_x = panels_x, .rows = rows, .bias = constant[0],
                                  .synapse = constant[1], .membrane = constant[2], .drive = constant[3],
                                  .threshold = constant[4], .reset = constant[5], .adapt = constant[6],
                                  .jump = constant[7], .readout = readout, .shift = shift, .room = take(&room, own)};
    }
    on_threads(forward_any, share, sizeof share[0], (int)shares);
    release(whole);
    return 0;
}
