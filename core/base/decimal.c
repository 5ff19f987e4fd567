/* SPDX-License-Identifier: MIT
 *
 * Decimal arithmetic: products and quotients in 128 bits, rounded once, checked once.
 */
#include "base/decimal.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

typedef __int128 wide;
typedef unsigned __int128 uwide;

static const int64_t power_of_ten[] = {1,      10,      100,      1000,     10000,
                                       100000, 1000000, 10000000, 100000000};

decimal decimal_int(int64_t whole)
{
    return (decimal){whole * DECIMAL_ONE};
}

/* n / d rounded; d != 0, |d| <= 2^63. */
static wide divide(wide n, wide d, enum decimal_round mode)
{
    wide q = n / d;
    wide rest = n % d;
    if (rest == 0)
        return q;
    int sign = (n < 0) == (d < 0) ? 1 : -1;
    switch (mode) {
    case DECIMAL_DOWN:
        return q;
    case DECIMAL_UP:
        return q + sign;
    case DECIMAL_FLOOR:
        return sign < 0 ? q - 1 : q;
    case DECIMAL_CEIL:
        return sign > 0 ? q + 1 : q;
    case DECIMAL_HALF_EVEN:
        break;
    }
    wide twice = (rest < 0 ? -rest : rest) * 2;
    wide whole = d < 0 ? -d : d;
    if (twice > whole || (twice == whole && q % 2 != 0))
        return q + sign;
    return q;
}

static int narrow(wide x, decimal *out)
{
    if (x > INT64_MAX || x < INT64_MIN)
        return ERR_OVERFLOW;
    out->v = (int64_t)x;
    return 0;
}

/* The parts of a number's text. */
struct scan {
    uint64_t value; /* its first 19 significant digits */
    int64_t kept;   /* digits from the first to the last that is not 0 */
    int64_t zeros;  /* zeros after that */
    int64_t places; /* digits after the point */
    bool negative;
};

static void scan_digit(struct scan *s, int digit)
{
    if (digit == 0) {
        if (s->kept > 0)
            s->zeros++;
        return;
    }
    /* More than 19 digits are refused by their count; the value no longer matters. */
    for (; s->zeros > 0; s->zeros--, s->kept++)
        s->value = s->kept < 19 ? s->value * 10 : s->value;
    if (s->kept < 19)
        s->value = s->value * 10 + (uint64_t)digit;
    s->kept++;
}

/* "[e[+-]digits]" to the end of the text; far exponents are held at +-1000000. */
static bool scan_exponent(const char *p, const char *end, int64_t *exponent)
{
    *exponent = 0;
    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        if (*exponent < 1000000)
            *exponent = *exponent * 10 + (*p - '0');
    }
    if (negative)
        *exponent = -*exponent;
    return true;
}

static bool scan_text(const char *text, size_t n, struct scan *s, int64_t *exponent)
{
    const char *p = text;
    const char *end = text + n;
    memset(s, 0, sizeof *s);
    if (n == 0)
        return false;
    s->negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    const char *first = p;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        scan_digit(s, *p - '0');
    if (p == first)
        return false;
    if (p < end && *p == '.') {
        first = ++p;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            scan_digit(s, *p - '0');
        if (p == first)
            return false;
        s->places = p - first;
    }
    return scan_exponent(p, end, exponent);
}

int decimal_parse(const char *text, size_t n, decimal *out)
{
    struct scan s;
    int64_t exponent;
    if (!scan_text(text, n, &s, &exponent))
        return ERR_INPUT;
    if (s.kept == 0) {
        out->v = 0;
        return 0;
    }
    int64_t lowest = exponent - s.places + s.zeros; /* power of ten of the last digit kept */
    if (lowest + s.kept - 1 > 10)
        return ERR_OVERFLOW;
    if (lowest < -DECIMAL_PLACES)
        return ERR_INPUT;
    /* From here: at most 19 digits in all, below 10^19 < 2^64. */
    uint64_t units = s.value;
    for (int64_t i = lowest + DECIMAL_PLACES; i > 0; i--)
        units *= 10;
    return narrow(s.negative ? -(wide)units : (wide)units, out);
}

/* Writes |units| of 10^-8 with `places` digits after the point. */
static size_t put(bool negative, uint64_t units, int places, char *buf)
{
    char digits[40];
    int n = 0;
    do {
        digits[n++] = (char)('0' + (int)(units % 10));
        units /= 10;
    } while (units > 0 || n <= DECIMAL_PLACES);
    size_t length = 0;
    if (negative)
        buf[length++] = '-';
    while (n > DECIMAL_PLACES)
        buf[length++] = digits[--n];
    if (places > 0)
        buf[length++] = '.';
    for (int i = 0; i < places; i++)
        buf[length++] = digits[--n];
    buf[length] = '\0';
    return length;
}

size_t decimal_format(decimal d, char *buf)
{
    uint64_t units = d.v < 0 ? -(uint64_t)d.v : (uint64_t)d.v;
    int places = DECIMAL_PLACES;
    for (uint64_t u = units; places > 0 && u % 10 == 0; u /= 10)
        places--;
    return put(d.v < 0, units, places, buf);
}

size_t decimal_format_fixed(decimal d, int places, char *buf)
{
    if (places < 0)
        places = 0;
    if (places > DECIMAL_PLACES)
        places = DECIMAL_PLACES;
    wide step = power_of_ten[DECIMAL_PLACES - places];
    wide x = divide(d.v, step, DECIMAL_HALF_EVEN) * step;
    return put(x < 0, (uint64_t)(x < 0 ? -x : x), places, buf); /* at most a step over int64 */
}

int decimal_add(decimal a, decimal b, decimal *out)
{
    int64_t x;
    if (__builtin_add_overflow(a.v, b.v, &x))
        return ERR_OVERFLOW;
    out->v = x;
    return 0;
}

int decimal_sub(decimal a, decimal b, decimal *out)
{
    int64_t x;
    if (__builtin_sub_overflow(a.v, b.v, &x))
        return ERR_OVERFLOW;
    out->v = x;
    return 0;
}

int decimal_mul(decimal a, decimal b, enum decimal_round mode, decimal *out)
{
    return narrow(divide((wide)a.v * b.v, DECIMAL_ONE, mode), out);
}

int decimal_div(decimal a, decimal b, enum decimal_round mode, decimal *out)
{
    if (b.v == 0)
        return ERR_OVERFLOW;
    return narrow(divide((wide)a.v * DECIMAL_ONE, b.v, mode), out);
}

int decimal_neg(decimal a, decimal *out)
{
    return decimal_sub((decimal){0}, a, out);
}

int decimal_to_step(decimal a, decimal step, enum decimal_round mode, decimal *out)
{
    if (step.v <= 0)
        return ERR_OVERFLOW;
    return narrow(divide(a.v, step.v, mode) * step.v, out);
}

int decimal_to_places(decimal a, int places, enum decimal_round mode, decimal *out)
{
    if (places < 0 || places > DECIMAL_PLACES)
        return ERR_INPUT;
    return decimal_to_step(a, (decimal){power_of_ten[DECIMAL_PLACES - places]}, mode, out);
}

double decimal_to_double(decimal a)
{
    uint64_t units = a.v < 0 ? 0 - (uint64_t)a.v : (uint64_t)a.v;
    if (units <= UINT64_C(1) << 53)
        return (double)a.v / (double)DECIMAL_ONE; /* both exact: rounded once */
    /* With 60 more bits the conversion is the only rounding: the quotient is a tie between two
     * doubles or at least 2^-46 away from one, so what is cut here cannot decide. */
    uwide q = ((uwide)units << 60) / (uwide)DECIMAL_ONE;
    double x = ldexp((double)q, -60);
    return a.v < 0 ? -x : x;
}

int decimal_from_double(double x, decimal *out)
{
    if (!isfinite(x) || fabs(x) > 1e11)
        return ERR_OVERFLOW;
    int e;
    wide n = (wide)ldexp(frexp(x, &e), 53) * DECIMAL_ONE; /* exact: x * 10^8 = n * 2^(e - 53) */
    int shift = 53 - e;                                   /* at least 53 - 37, since |x| <= 10^11 */
    if (shift > 90) {                                     /* |n| < 2^80: far below half a unit */
        out->v = 0;
        return 0;
    }
    wide whole = n >> shift; /* rounds to minus infinity */
    wide rest = n - whole * ((wide)1 << shift);
    wide half = (wide)1 << (shift - 1);
    if (rest > half || (rest == half && (whole & 1)))
        whole++;
    return narrow(whole, out);
}
