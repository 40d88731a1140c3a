/* Noise that is wanted as numbers: what a caller hands over. */
#ifndef NEURORNN_DRAWN_H
#define NEURORNN_DRAWN_H

#include <stdint.h>

struct drawn {
    int64_t trials, steps, units;
    int64_t first_trial, first_step;
    uint64_t key;
    double sd;
    int64_t threads;
    float *to; /* (trials, steps, units) */
};

#endif
