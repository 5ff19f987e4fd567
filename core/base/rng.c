/* SPDX-License-Identifier: MIT
 *
 * Chance: xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64.
 *
 * The derived distributions use only +, -, *, / and sqrt, which IEEE 754 rounds the same way
 * everywhere; libm's log differs by version and processor, so the logarithm is summed here.
 */
#include "base/rng.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_seed(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

void rng_seed_named(struct rng *r, uint64_t seed, const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a of the name */
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    /* Both go through the mixer, so that seeds and names that differ in one bit share nothing. */
    uint64_t mixed = splitmix(&seed);
    rng_seed(r, mixed ^ splitmix(&h));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double rng_uniform(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

int64_t rng_range(struct rng *r, int64_t low, int64_t high)
{
    if (high <= low)
        return low;
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    if (span == 0)
        return (int64_t)rng_next(r);
    /* Multiply-shift with rejection of the 2^64 mod span lowest products. */
    uint64_t reject = (0 - span) % span;
    unsigned __int128 product;
    do {
        product = (unsigned __int128)rng_next(r) * span;
    } while ((uint64_t)product < reject);
    return (int64_t)((uint64_t)low + (uint64_t)(product >> 64));
}

/* Natural logarithm of a positive finite x, within 2 ulp: x = m * 2^e with m near 1 and
 * ln m = 2 atanh((m - 1) / (m + 1)); the first left-out term is below 2^-60. */
static double natural_log(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1);
    double square = s * s;
    double sum = 0;
    for (int k = 23; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return e * 0.69314718055994531 + 2 * s * sum;
}

double rng_normal(struct rng *r)
{
    /* Marsaglia's polar method; the second deviate is dropped: no hidden state. */
    double u, v, q;
    do {
        u = 2 * rng_uniform(r) - 1;
        v = 2 * rng_uniform(r) - 1;
        q = u * u + v * v;
    } while (q >= 1 || q == 0);
    return u * sqrt(-2 * natural_log(q) / q);
}

double rng_exponential(struct rng *r, double mean)
{
    return -mean * natural_log(1 - rng_uniform(r));
}

int rng_secure(void *out, uint64_t length)
{
    unsigned char *p = out;
    while (length > 0) {
        ssize_t got = getrandom(p, length > 256 ? 256 : (size_t)length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            memset(out, 0, (size_t)(p - (unsigned char *)out));
            return ERR_IO;
        }
        p += got;
        length -= (uint64_t)got;
    }
    return 0;
}

void rng_bytes(struct rng *r, void *out, uint64_t length)
{
    unsigned char *p = out;
    while (length > 0) {
        uint64_t word = rng_next(r);
        for (unsigned i = 0; i < 8 && length > 0; i++, length--) {
            *p++ = (unsigned char)(word >> (8 * i)); /* the same on every machine */
        }
    }
}

int rng_secret(struct rng *replay, void *out, uint64_t length)
{
    if (replay == NULL) {
        return rng_secure(out, length);
    }
    rng_bytes(replay, out, length);
    return 0;
}
