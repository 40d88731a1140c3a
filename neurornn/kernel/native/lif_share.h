/* What both passes of integrate-and-fire units have in common: sizes, a thread's share of the trials, and events.

   Most units are silent at most steps, and so are most inputs that are spikes: where few entries of a row are not 0, its
   product with weights is a sum of the few rows of those, and so is the gradient of the weights. */
#ifndef NEURORNN_LIF_SHARE_H
#define NEURORNN_LIF_SHARE_H

#include "block.h"

#include "lif.h"
#include "noise.h"

/* Where more than 1 in DENSE entries are not 0, the dense product is faster (measured at 64 and 256 units). */
#define DENSE 6

struct sizes {
    int64_t wide;     /* N rounded up to whole vectors */
    int64_t panels;   /* of N columns */
    int64_t bits_row; /* bytes of `spiked` for one step of one trial */
    int64_t out_wide; /* O rounded up to whole vectors */
};

static struct sizes sizes_of(const struct lif *c) {
    struct sizes s;
    s.wide = up_to(c->units, LANES);
    s.panels = (c->units + PANEL - 1) / PANEL;
    s.bits_row = 2 * ((c->units + 15) / 16);
    s.out_wide = up_to(c->outputs, LANES);
    return s;
}

/* One thread's share, and what all of them read. */
struct share {
    const struct lif *c;
    struct sizes s;
    int64_t first, count;                 /* trials */
    int64_t group;                        /* of them that go through the steps together */
    int streamed;                         /* whether the large arrays are written past the caches */
    int64_t chunk;                        /* steps of a chunk: that of the largest share, for which the room is meant */
    const float *panels, *panels_x;       /* packed weights; backward, turned, as block.h wants them */
    const float *rows;                    /* forward: all weights row by row, for events */
    const float *bias, *synapse, *membrane, *drive, *threshold, *reset, *adapt, *jump; /* padded to whole panels */
    const float *readout, *shift;         /* forward: a row of O weights for each unit */
    float *room;                          /* this thread's own memory */
    float *grad_weights, *grad_x, *grad_bias, *grad_read; /* summed over threads afterwards: rows of `wide`, those of
                                                             the first two in whole tiles */
};

static int64_t trials_together(const struct sizes *s) {
    return group_of(2 * operand_room(ROWS, s->wide, 0) / ROWS + 6 * s->wide);
}

/* Run a pass on one share, group by group. */
INLINE void in_groups(const struct share *whole, void (*pass)(const struct share *)) {
    const uint32_t before = flush_tiny();
    begin_blocks();
    for (int64_t done = 0; done < whole->count; done += whole->group) {
        struct share part = *whole;
        part.first += done, part.count = least(whole->group, whole->count - done);
        pass(&part);
    }
    end_blocks();
    settled();
    restore_tiny(before);
}

/* Write the numbers of the lanes that are set behind the `found` that are there; there must be room for a vector more. */
INLINE int64_t emit(int32_t *index, int64_t found, ivec where, int64_t n) {
#if defined(__AVX512F__)
    const __mmask16 set = _mm512_movepi32_mask((__m512i)where);
    ivec number;
    for (int i = 0; i < LANES; i++) number[i] = i;
    const __m512i packed = _mm512_maskz_compress_epi32(set, (__m512i)(number + (int32_t)n));
    _mm512_storeu_si512(index + found, packed);
    return found + __builtin_popcount(set);
#else
    for (uint32_t bits = to_bits(where); bits; bits &= bits - 1) index[found++] = (int32_t)(n + __builtin_ctz(bits));
    return found;
#endif
}

/* Write the indices of a row's entries that are not 0. */
static int64_t entries_of(const float *row, int64_t n, int32_t *index) {
    int64_t found = 0;
    for (int64_t at = 0; at < n; at += LANES) found = emit(index, found, load_some(row + at, n - at) != all(0.0f), at);
    return found;
}

#endif
