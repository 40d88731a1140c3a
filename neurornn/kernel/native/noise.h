/* Gaussian noise that is made where it is used: a function of a key, the trial, the step and the unit, and of nothing
   else, so that no share of the work changes it, and that it need not be kept. kernel/noise.py is the same in Python.

   Trial and step give two words by a 64-bit mixing function (the finalizer of splitmix64); a unit's 32 bits come from
   its number by three rounds of multiply and shift (the constants of triple32 by C. Wellons, public domain), in which
   both words take part. 31 of them are the probability beyond the value on both sides, the last is its sign. */
#ifndef NEURORNN_NOISE_H
#define NEURORNN_NOISE_H

#include "vector.h"

typedef uint32_t uvec __attribute__((vector_size(4 * LANES)));

INLINE uint64_t mixed(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

INLINE uint64_t words_of(uint64_t key, int64_t trial, int64_t step) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    return mixed(mixed(key + odd * (uint64_t)(trial + 1)) + odd * (uint64_t)(step + 1));
}

/* `many` vectors of values of the units n, n + 1, ... of one trial and step, with standard deviation sd. Several at once,
   since each operation waits for the one before it. */
INLINE void normal(const int many, float *to, vec sd, uint64_t words, int64_t n) {
    vec q[4], r[4];
    uvec x[4], at;
    for (int i = 0; i < LANES; i++) at[i] = (uint32_t)i;
#define EACH _Pragma("GCC unroll 4") for (int i = 0; i < many; i++)
    EACH x[i] = at + ((uint32_t)n + (uint32_t)words + (uint32_t)(i * LANES));
    EACH x[i] ^= x[i] >> 17;
    EACH x[i] *= 0xed5ad4bbu;
    EACH x[i] = x[i] ^ x[i] >> 11 ^ (uint32_t)(words >> 32);
    EACH x[i] *= 0xac4c1b51u;
    EACH x[i] ^= x[i] >> 15;
    EACH x[i] *= 0x31848babu;
    EACH x[i] ^= x[i] >> 14;
    /* q = P(|z| beyond), and w = -ln(1 - (1 - q)^2), of which z / (1 - q) is a smooth function */
    EACH q[i] = (__builtin_convertvector((ivec)(x[i] & 0x7fffffffu), vec) + 0.5f) * 0x1p-31f;
    vec w[4];
    ivec exponent[4], far = {0};
    EACH w[i] = q[i] * (2.0f - q[i]);
    EACH exponent[i] = ((ivec)w[i] - 0x3f3504f3) >> 23;
    EACH w[i] = (vec)((ivec)w[i] - (exponent[i] << 23)) - 1.0f; /* in sqrt(1/2) - 1 .. sqrt(2) - 1 */
#define POLYNOMIAL(r, f, ...)                                                                                     \
    {                                                                                                             \
        static const float by[] = {__VA_ARGS__};                                                                  \
        EACH r[i] = all(by[0]);                                                                                   \
        _Pragma("GCC unroll 8") for (int k = 1; k < (int)(sizeof by / sizeof by[0]); k++)                         \
            EACH r[i] = r[i] * f[i] + by[k];                                                                      \
    }
    POLYNOMIAL(r, w,
               -0.101340568f, 0.162341898f, -0.172470133f, 0.19898565f,
               -0.249700717f, 0.333351141f, -0.500003631f, 0.999999943f)
    EACH w[i] = 3.0f + r[i] * w[i] + __builtin_convertvector(exponent[i], vec) * 0.693147181f;
    EACH w[i] = -w[i]; /* it held 3 - w */
    EACH far |= w[i] > all(3.0f);
    POLYNOMIAL(r, w,
               4.77434287e-07f, -2.77661294e-06f, -1.6915249e-05f, 0.000277065993f,
               -0.00118519883f, -0.00811669584f, 0.341718783f, 2.29603555f)
    if (__builtin_expect(to_bits(far) != 0, 0)) { /* one value in 800 */
        vec s[4], t[4];
        EACH s[i] = root(choose(w[i] > all(0.0f), w[i], all(0.0f)) + 3.0f) - 3.62266063f;
        POLYNOMIAL(t, s,
               0.00058349286f, -0.0011633345f, 0.00091963354f, -0.0018951731f,
               0.0037242814f, 1.4255835f, 4.8918986f)
        EACH r[i] = choose(w[i] > all(3.0f), t[i], r[i]);
    }
    EACH store(to + i * LANES, sd * (vec)((uvec)(r[i] * (1.0f - q[i])) ^ (x[i] & 0x80000000u)));
#undef POLYNOMIAL
#undef EACH
}

/* A whole row of n values, in whole vectors. */
UNUSED static void noise_row(float *to, vec sd, uint64_t words, int64_t n) {
    int64_t at = 0;
    for (; at + 3 * LANES < n; at += 4 * LANES) normal(4, to + at, sd, words, at);
    for (; at + LANES < n; at += 2 * LANES) normal(2, to + at, sd, words, at);
    if (at < n) normal(1, to + at, sd, words, at);
}

#endif
