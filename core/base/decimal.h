/* SPDX-License-Identifier: MIT
 *
 * Decimal: int64 units of 10^-8. Range about +-92,233,720,368.54775807. Every operation checks for
 * overflow; products and quotients go through 128 bits. Used for money, volumes and for prices on
 * the wire; prices inside orders, book and ledger are int64 points of their instrument.
 */
#ifndef PERIGEE_BASE_DECIMAL_H
#define PERIGEE_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_PLACES 8
#define DECIMAL_ONE INT64_C(100000000)
#define DECIMAL_BUF 24 /* bytes that decimal_format may write, NUL included */

typedef struct decimal {
    int64_t v; /* units of 10^-8 */
} decimal;

enum decimal_round {
    DECIMAL_DOWN,     /* towards zero */
    DECIMAL_UP,       /* away from zero */
    DECIMAL_FLOOR,    /* towards minus infinity */
    DECIMAL_CEIL,     /* towards plus infinity */
    DECIMAL_HALF_EVEN /* to nearest, ties to even */
};

static inline decimal decimal_raw(int64_t v)
{
    return (decimal){v};
}
decimal decimal_int(int64_t whole); /* saturates never: whole must be within +-92233720368 */

/* Parses "[+-]digits[.digits][e[+-]digits]" of exactly n bytes. More than 8 places are an error
 * unless the excess is zeros. 0, ERR_INPUT or ERR_OVERFLOW. */
int decimal_parse(const char *text, size_t n, decimal *out);
/* Shortest exact form, "0.01", "-12", "50000.1"; returns the length. */
size_t decimal_format(decimal d, char *buf);
/* Exactly `places` (0..8) digits after the point; d is rounded HALF_EVEN first. */
size_t decimal_format_fixed(decimal d, int places, char *buf);

/* 0 or ERR_OVERFLOW (out untouched). Division by zero is ERR_OVERFLOW. */
int decimal_add(decimal a, decimal b, decimal *out);
int decimal_sub(decimal a, decimal b, decimal *out);
int decimal_mul(decimal a, decimal b, enum decimal_round mode, decimal *out);
int decimal_div(decimal a, decimal b, enum decimal_round mode, decimal *out);
int decimal_neg(decimal a, decimal *out);

/* Rounds to a multiple of step (step > 0). */
int decimal_to_step(decimal a, decimal step, enum decimal_round mode, decimal *out);
int decimal_to_places(decimal a, int places, enum decimal_round mode, decimal *out);

static inline int decimal_cmp(decimal a, decimal b)
{
    return a.v < b.v ? -1 : a.v > b.v;
}
static inline bool decimal_is_zero(decimal a)
{
    return a.v == 0;
}
double decimal_to_double(decimal a);
/* Nearest decimal; NaN, infinity and values out of range are ERR_OVERFLOW. */
int decimal_from_double(double x, decimal *out);

#endif
