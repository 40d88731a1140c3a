/* What a caller hands over: plain pointers and sizes, so that the library depends on nobody's headers. */
#ifndef NEURORNN_LEAKY_H
#define NEURORNN_LEAKY_H

#include <stdint.h>

enum form { RATE = 0, CURRENT = 1, UPDATE = 2 };
enum gate { RELU = 0, TANH = 1, LEAKY = 2 };
enum noise_at { NOISE_NONE = 0, NOISE_DRIVE = 1, NOISE_STATE = 2 };

/* u_t = weights^T [s_{t-1}; x_t; 1] (+ scale noise_t where it enters the drive), and with the noise of NOISE_STATE added to h
     RATE     h_t = keep h_{t-1} + gain f(u_t)       r_t = h_t
     CURRENT  h_t = keep h_{t-1} + u_t               r_t = f(h_t)
     UPDATE   h_t = f(keep h_{t-1} + u_t)            r_t = h_t
   and what is read out, readout r_t + shift. What is fed back, s, is r; with weights of low rank, squeeze r.

   A run that is perturbed adds `act_current` to u, and sends act_gain r + act_offset; it has no backward pass.

   All arrays are float32 and contiguous. Sizes: trials B, steps T, units N, inputs I, rank R (0: none), outputs O;
   F = R or N is the size of s. Optional pointers may be null. The rows of `x` and `noise` may be fewer than the trials,
   which then take them in turn. */
struct leaky {
    int64_t trials, steps, units, inputs, rank, outputs;
    int64_t x_trials, noise_trials;
    int64_t inner;                               /* trials of one perturbation: trial b is of perturbation b / inner */
    int64_t by_gain[3], by_offset[3], by_current[3]; /* floats from perturbation, trial and step to the next */
    uint64_t key;                                /* of noise that is drawn here, if sd is not 0 */
    int64_t first_trial, first_step;             /* where in that noise the run begins */
    double sd;
    int32_t form, gate, noise_at, threads;
    const float *x;       /* (x_trials, T, I) */
    const float *noise;   /* (noise_trials, T, N), optional */
    const float *start;   /* (B, N): h before the first step */
    const float *weights; /* (F + I + 1, N): the recurrent weights, rows pre-synaptic, the input weights, the bias */
    const float *keep;    /* (N) */
    const float *gain;    /* (N), for RATE with TANH */
    const float *scale;   /* (N), of the noise in the drive */
    const float *squeeze; /* (R, N) */
    const float *readout; /* (O, N) */
    const float *shift;   /* (O) */
    const float *first;   /* (B, N), optional: what was sent before the first step, if it is not r */
    const float *act_gain, *act_offset, *act_current; /* (.., .., .., N), optional */
    float *sent;          /* (B, T, N): r, or what of it is sent; optional where there is no backward pass */
    float *state;         /* (B, T, N): h, for CURRENT */
    float *last;          /* (B, N): h after the last step */
    float *rate;          /* (B, T, N): f(u), for RATE with TANH */
    uint16_t *open;       /* (B, T, ceil(N / 16)): where u > 0, for RATE with RELU or LEAKY */
    float *out;           /* (B, T, O) */
    /* the backward pass: reads the above, and fills what follows */
    const float *grad_sent; /* (B, T, N), optional */
    const float *grad_last; /* (B, N), optional */
    const float *grad_out;  /* (B, T, O), where there are outputs */
    float *grad_x;          /* optional, as all below */
    float *grad_noise;
    float *grad_start;
    float *grad_weights;
    float *grad_keep;
    float *grad_gain;
    float *grad_scale;
    float *grad_squeeze;
    float *grad_readout;
};

#endif
