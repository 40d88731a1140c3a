/* Integrate-and-fire units: what a caller hands over. The equations are those of kernel/lif.py. */
#ifndef NEURORNN_LIF_H
#define NEURORNN_LIF_H

#include <stdint.h>

enum surrogate { SUPERSPIKE = 0, TRIANGLE = 1, ARCTAN = 2 };

/* All arrays are float32 and contiguous. Sizes: trials B, steps T, units N, inputs I; weights (N + I + 1, N): the
   recurrent weights, rows pre-synaptic, then the input weights, then the bias. Without adaptation `adapt`, `jump`,
   `adapted` and `last_adapted` are null. */
struct lif {
    int64_t trials, steps, units, inputs;
    int32_t surrogate, threads;
    double slope;
    const float *x;         /* (B, T, I) */
    const float *noise;     /* (B, T, N), optional */
    const float *weights;   /* (N + I + 1, N) */
    const float *synapse;   /* (N), as the next five */
    const float *membrane;
    const float *drive;
    const float *threshold;
    const float *adapt;
    const float *jump;
    const float *current;   /* (B, N): before the first step, as the next three */
    const float *voltage;
    const float *spikes;
    const float *adapted;
    float *sent;            /* (B, T, N): 0 or 1 */
    float *above;           /* (B, T, N): the distance above threshold; optional without a backward pass */
    float *last_current;    /* (B, N) */
    float *last_voltage;
    float *last_adapted;
    /* the backward pass: reads the above, and fills what follows */
    const float *grad_sent; /* (B, T, N) */
    float *grad_x;          /* optional, as all below */
    float *grad_noise;
    float *grad_weights;
};

#endif
