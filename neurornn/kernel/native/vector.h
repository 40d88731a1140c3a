/* Vectors of floats, in the compiler's own portable form, and the functions on them.

   The same source is compiled once for each instruction set (see setup.py); the widths are chosen here from what the
   compiler says it may use. GCC and Clang turn these types into the instructions of the machine. */
#ifndef NEURORNN_VECTOR_H
#define NEURORNN_VECTOR_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* LANES: floats in a vector. TALL x WIDE: the tile of the matrix product that stays in registers, TALL rows of WIDE
   vectors. It must be tall and wide enough to keep two multiply-add units busy over their latency of four or five
   cycles (8 accumulators or more), and leave registers for the operands. */
#if defined(__AVX512F__) /* 32 registers of 16 floats */
#define LANES 16
#define TALL 6
#define WIDE 4
#elif defined(__AVX2__) /* 16 registers of 8 */
#define LANES 8
#define TALL 4
#define WIDE 3
#elif defined(__aarch64__) /* 32 registers of 4, so that a vector here is a pair */
#define LANES 8
#define TALL 4
#define WIDE 2
#else
#define LANES 8
#define TALL 4
#define WIDE 1
#endif

#define PANEL (WIDE * LANES) /* columns of a panel of packed weights */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

/* Each function that the library shows exists once for every instruction set, under a name of its own. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAMED(a) JOIN(a, VARIANT)

#define UNUSED __attribute__((unused)) /* by some of those who take this header */
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *from) {
    vec v;
    memcpy(&v, from, sizeof v); /* unaligned */
    return v;
}

INLINE void store(float *to, vec v) { memcpy(to, &v, sizeof v); }

/* The last columns of a row whose length is no multiple of the width: never touch what lies beyond. */
INLINE vec load_some(const float *from, int64_t n) {
    if (n >= LANES) return load(from);
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
#endif
    vec v = {0};
    memcpy(&v, from, 4 * (size_t)n);
    return v;
}

INLINE void store_some(float *to, vec v, int64_t n) {
    if (n >= LANES) {
        store(to, v);
    } else {
#if defined(__AVX512F__)
        _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), (__m512)v);
        return;
#endif
        float part[LANES]; /* apart, so that v itself can stay in a register */
        store(part, v);
        memcpy(to, part, 4 * (size_t)n);
    }
}

/* Rows of the large arrays lie far apart, one for each trial: too many streams for the machine to foresee. What a row
   needs at the next step lies right beside what it needs now. */
INLINE void soon_read(const void *at) { __builtin_prefetch(at, 0); }
INLINE void soon_written(const void *at) { __builtin_prefetch(at, 1); }

/* Write a whole vector past the caches, where there is such a store; `to` is aligned to it. Whoever reads it on another
   thread needs `settled` first. */
INLINE void stream(float *to, vec v) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps(to, (__m256)v);
#else
    store(to, v);
#endif
}

INLINE void settled(void) {
#if defined(__AVX2__)
    _mm_sfence();
#endif
}

INLINE vec keep(vec v, ivec where) { return (vec)((ivec)v & where); }

INLINE vec choose(ivec where, vec a, vec b) { return (vec)(((ivec)a & where) | ((ivec)b & ~where)); }

/* x in every lane. Less zero, not plus: -0 + 0 is 0, so that the compiler may not leave the addition out. */
INLINE vec all(float x) { return x - (vec){0}; }

/* max(x, 0), and NaN stays NaN: a diverged network must not look silent. */
INLINE vec relu(vec x) { return keep(x, ~(x <= all(0.0f))); }

/* What a leaky ReLU lets through below 0. */
#define LEAK 0.01f

INLINE vec leaky_relu(vec x) { return choose(x <= all(0.0f), x * LEAK, x); }

/* tanh(x) = e / (e + 2) with e = exp(2x) - 1, to about 2 units in the last place.

   2x = n ln 2 + f with |f| <= ln(2)/2, exp(f) - 1 by its Taylor series (the first term left out is below 2e-8 of it),
   and exp(2x) - 1 = 2^n (exp(f) - 1) + (2^n - 1), which keeps the relative accuracy near zero. n is rounded by adding
   1.5 * 2^23, whose last bit is worth 1, and 2^n is made by shifting that sum's low bits into the exponent. */
INLINE vec hyperbolic_tangent(vec x) {
    const vec limit = all(9.02f); /* beyond it the answer is 1 in single precision */
    x = choose(x > limit, limit, choose(x < -limit, -limit, x));
    const vec y = x + x;
    const vec shifted = y * 1.44269504f + 12582912.0f;
    const vec n = shifted - 12582912.0f;
    vec f = y - n * 0.693359375f;
    f = f - n * -2.12194440e-4f;
    vec p = all(1.0f / 5040.0f);
    p = p * f + 1.0f / 720.0f;
    p = p * f + 1.0f / 120.0f;
    p = p * f + 1.0f / 24.0f;
    p = p * f + 1.0f / 6.0f;
    p = p * f + 0.5f;
    p = p * f * f + f;
    const vec power = (vec)(((ivec)shifted << 23) + (127 << 23));
    const vec e = p * power + (power - 1.0f);
    return e / (e + 2.0f);
}

/* Square roots, correctly rounded. */
UNUSED INLINE vec root(vec v) {
#if defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX2__)
    return (vec)_mm256_sqrt_ps((__m256)v);
#else
    for (int i = 0; i < LANES; i++) v[i] = __builtin_sqrtf(v[i]);
    return v;
#endif
}

/* 1 / v for numbers that are not 0, to about a unit in the last place. */
UNUSED INLINE vec inverse(vec v) {
#if defined(__AVX512F__)
    const vec guess = (vec)_mm512_rcp14_ps((__m512)v); /* to 14 bits, which one step of Newton's doubles */
    return guess * (2.0f - v * guess);
#else
    return 1.0f / v;
#endif
}

/* The sum of all lanes. */
INLINE float total(vec v) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)v);
#else
    for (int i = LANES / 2; i; i /= 2)
        for (int j = 0; j < i; j++) v[j] += v[j + i];
    return v[0];
#endif
}

/* Which lanes are set, as LANES bits, and back. The one thing that the compilers' portable vectors cannot say well. */
INLINE uint32_t to_bits(ivec where) {
#if defined(__AVX512F__)
    return (uint32_t)_mm512_movepi32_mask((__m512i)where);
#elif defined(__AVX2__)
    return (uint32_t)_mm256_movemask_ps((__m256)where);
#else
    ivec weight;
    for (int i = 0; i < LANES; i++) weight[i] = 1 << i;
    where &= weight;
    uint32_t bits = 0;
    for (int i = 0; i < LANES; i++) bits |= (uint32_t)where[i];
    return bits;
#endif
}

INLINE ivec from_bits(uint32_t bits) {
    ivec weight;
    for (int i = 0; i < LANES; i++) weight[i] = 1 << i;
    return (((ivec){0} + (int32_t)bits) & weight) != 0;
}

#endif
