/* Integrate-and-fire units: what a caller hands over. The equations are those of kernel/lif.py. */
#ifndef NEURORNN_LIF_H
#define NEURORNN_LIF_H

#include <stdint.h>

enum surrogate { SUPERSPIKE = 0, TRIANGLE = 1, ARCTAN = 2 };

/* All arrays are float32 and contiguous. Sizes: trials B, steps T, units N, inputs I, outputs O; weights (N + I + 1, N):
   the recurrent weights, rows pre-synaptic, then the input weights, then the bias. Without adaptation `adapt`, `jump`,
   `adapted` and `last_adapted` are null; without a refractory period `waiting` and `last_waiting` are. */
struct lif {
    int64_t trials, steps, units, inputs, outputs;
    int64_t refractory;              /* steps in which a unit rests after a spike */
    uint64_t key;                    /* of noise that is drawn here, if sd is not 0 */
    int64_t first_trial, first_step; /* where in that noise the run begins */
    double sd, slope;
    int32_t surrogate, threads;
    int32_t hard, direct; /* whether a spike takes the potential to `reset`, and whether inputs miss the synapse */
    const float *x;         /* (B, T, I) */
    const float *noise;     /* (B, T, N), optional */
    const float *weights;   /* (N + I + 1, N) */
    const float *synapse;   /* (N), as the next six */
    const float *membrane;
    const float *drive;
    const float *threshold;
    const float *reset;
    const float *adapt;
    const float *jump;
    const float *current;   /* (B, N): before the first step, as the next four */
    const float *voltage;
    const float *spikes;
    const float *adapted;
    const float *waiting;
    const float *readout;   /* (O, N) */
    const float *shift;     /* (O) */
    float *sent;            /* (B, T, N): 0 or 1 */
    float *above;           /* (B, T, N): the distance above threshold, -infinity where refractory; without a backward
                               pass null, as the next */
    uint16_t *spiked;       /* (B, T, ceil(N / 16)): `sent` in bits */
    float *out;             /* (B, T, O) */
    float *last_current;    /* (B, N), as the next three */
    float *last_voltage;
    float *last_adapted;
    float *last_waiting;
    /* the backward pass: reads the above, and fills what follows */
    const float *grad_sent; /* (B, T, N), optional */
    const float *grad_out;  /* (B, T, O), where there are outputs */
    float *grad_x;          /* optional, as all below */
    float *grad_noise;
    float *grad_weights;
    float *grad_readout;
};

#endif
