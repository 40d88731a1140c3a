/* The numbers of a run's noise, for those who want them before the run. */
#include "drawn.h"
#include "noise.h"
#include "threads.h"

struct share {
    const struct drawn *c;
    int64_t first, count; /* trials */
};

static void fill(void *of) {
    const struct share *w = of;
    const struct drawn *c = w->c;
    const int64_t N = c->units;
    const vec sd = all((float)c->sd);
    float part[4 * LANES];
    for (int64_t b = w->first; b < w->first + w->count; b++)
        for (int64_t t = 0; t < c->steps; t++) {
            const uint64_t words = words_of(c->key, c->first_trial + b, c->first_step + t);
            float *to = c->to + (b * c->steps + t) * N;
            int64_t n = 0;
            for (; n + 4 * LANES <= N; n += 4 * LANES) normal(4, to + n, sd, words, n);
            if (n == N) continue;
            normal(4, part, sd, words, n);
            memcpy(to + n, part, 4 * (size_t)(N - n));
        }
}

int NAMED(noise)(const struct drawn *c) {
    struct share share[MOST_THREADS];
    const int64_t shares = shares_of(c->threads, c->trials);
    for (int64_t i = 0; i < shares; i++) {
        const int64_t first = c->trials * i / shares;
        share[i] = (struct share){c, first, c->trials * (i + 1) / shares - first};
    }
    on_threads(fill, share, sizeof share[0], (int)shares);
    return 0;
}
