/* What a caller hands over: plain pointers and sizes, so that the library depends on nobody's headers. */
#ifndef NEURORNN_LEAKY_H
#define NEURORNN_LEAKY_H

#include <stdint.h>

enum form { RATE = 0, CURRENT = 1, UPDATE = 2 };
enum gate { RELU = 0, TANH = 1, LEAKY = 2 };
enum noise_at { NOISE_NONE = 0, NOISE_DRIVE = 1, NOISE_STATE = 2 };

/* u_t = weights^T [r_{t-1}; x_t; 1] (+ scale noise_t where it enters the drive), and with the noise of NOISE_STATE added to h
     RATE     h_t = keep h_{t-1} + gain f(u_t)       r_t = h_t
     CURRENT  h_t = keep h_{t-1} + u_t               r_t = f(h_t)
     UPDATE   h_t = f(keep h_{t-1} + u_t)            r_t = h_t

   All arrays are float32 and contiguous. Sizes: trials B, steps T, units N, inputs I; weights (N + I + 1, N): the
   recurrent weights, rows pre-synaptic, then the input weights, then the bias. Optional pointers may be null. */
struct leaky {
    int64_t trials, steps, units, inputs;
    int32_t form, gate, noise_at, threads;
    const float *x;       /* (B, T, I) */
    const float *noise;   /* (B, T, N), optional */
    const float *start;   /* (B, N): h before the first step */
    const float *weights; /* (N + I + 1, N) */
    const float *keep;    /* (N) */
    const float *gain;    /* (N), for RATE with TANH */
    const float *scale;   /* (N), of the noise in the drive */
    float *sent;          /* (B, T, N): r */
    float *state;         /* (B, T, N): h, for CURRENT */
    float *last;          /* (B, N): h after the last step */
    float *rate;          /* (B, T, N): f(u), for RATE with TANH */
    uint16_t *open;       /* (B, T, ceil(N / 16)): where u > 0, for RATE with RELU or LEAKY */
    /* the backward pass: reads the above, and fills what follows */
    const float *grad_sent; /* (B, T, N), optional */
    const float *grad_last; /* (B, N), optional */
    float *grad_x;          /* optional, as all below */
    float *grad_noise;
    float *grad_start;
    float *grad_weights;
    float *grad_keep;
    float *grad_gain;
    float *grad_scale;
};

#endif
