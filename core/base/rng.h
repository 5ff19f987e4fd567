/* SPDX-License-Identifier: MIT
 *
 * Chance: xoshiro256** seeded by splitmix64. The only source of randomness for anything that has an
 * effect; the same seed gives the same numbers on every machine.
 */
#ifndef PERIGEE_BASE_RNG_H
#define PERIGEE_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
/* An independent stream derived from a seed and a name ("model", "jitter"). */
void rng_seed_named(struct rng *r, uint64_t seed, const char *name);
uint64_t rng_next(struct rng *r);
double rng_uniform(struct rng *r);                           /* [0, 1), 53 bits */
int64_t rng_range(struct rng *r, int64_t low, int64_t high); /* low..high inclusive, unbiased */
double rng_normal(struct rng *r); /* mean 0, deviation 1; no hidden state */
double rng_exponential(struct rng *r, double mean);

/* Bytes from the kernel, for tokens and keys; never for anything that must replay. 0 or ERR_IO. */
int rng_secure(void *out, uint64_t length);
void rng_bytes(struct rng *r, void *out, uint64_t length);
/* The same as rng_secure, or from `replay` when there is one: in runs under virtual time even
 * tokens and nonces must come out alike each time. Real processes have none. */
int rng_secret(struct rng *replay, void *out, uint64_t length);

#endif
