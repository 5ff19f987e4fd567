/* SPDX-License-Identifier: MIT
 *
 * Events: the registry's table made from event_kinds.h, setters and getters, and the frame.
 */
#include "base/event.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/crc32c.h"

#define HEAD 32u /* length, kind, count, seq, market_ms, wall_us */
#define SUM 4u

#define FIELD(kind, field, type, text) {#field, EVENT_##type, text},
#define FIELDS(number, name, text)                                                                 \
    static const struct event_field fields_##name[] = {EVENT_FIELDS_##name(FIELD)};                \
    static_assert(F_##name##_COUNT <= EVENT_MAX_FIELDS, #name " has too many fields");
EVENT_KINDS(FIELDS)
#undef FIELDS
#undef FIELD

#define INFO(number, name, text) {number, #name, text, F_##name##_COUNT, fields_##name},
static const struct event_info registry[] = {EVENT_KINDS(INFO)};
#undef INFO
#define KINDS (sizeof registry / sizeof registry[0])

/* Kinds are numbered from 1 without a gap, so a kind is its place in the table. */
const struct event_info *event_info(uint16_t kind)
{
    if (kind == 0 || kind > KINDS || registry[kind - 1].kind != kind)
        return NULL;
    return &registry[kind - 1];
}

const struct event_info *event_info_named(const char *name, size_t n)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (strlen(registry[i].name) == n && memcmp(registry[i].name, name, n) == 0)
            return &registry[i];
    }
    return NULL;
}

const struct event_info *event_info_all(size_t *count)
{
    *count = KINDS;
    return registry;
}

void event_init(struct event *e, uint16_t kind)
{
    memset(e, 0, sizeof *e);
    e->kind = kind;
}

/* Where a field of this type is stored, or NULL for a mistake of the caller. */
static struct event_value *slot(struct event *e, unsigned field, enum event_type type)
{
    const struct event_info *info = event_info(e->kind);
    bool right = info && field < info->count && info->fields[field].type == type;
    assert(right && "field or type is not the registry's");
    if (!right)
        return NULL;
    if (field >= e->count)
        e->count = (uint16_t)(field + 1);
    e->v[field].type = (uint8_t)type;
    return &e->v[field];
}

void event_set_u64(struct event *e, unsigned field, uint64_t x)
{
    struct event_value *v = slot(e, field, EVENT_U64);
    if (v)
        v->u64 = x;
}

void event_set_i64(struct event *e, unsigned field, int64_t x)
{
    struct event_value *v = slot(e, field, EVENT_I64);
    if (v)
        v->i64 = x;
}

void event_set_time(struct event *e, unsigned field, int64_t market_ms)
{
    struct event_value *v = slot(e, field, EVENT_TIME);
    if (v)
        v->i64 = market_ms;
}

void event_set_dec(struct event *e, unsigned field, decimal x)
{
    struct event_value *v = slot(e, field, EVENT_DECIMAL);
    if (v)
        v->dec = x;
}

void event_set_f64(struct event *e, unsigned field, double x)
{
    struct event_value *v = slot(e, field, EVENT_DOUBLE);
    if (v)
        v->f64 = x;
}

void event_set_bool(struct event *e, unsigned field, bool x)
{
    struct event_value *v = slot(e, field, EVENT_BOOL);
    if (v)
        v->flag = x;
}

static void set_text(struct event *e, unsigned field, enum event_type type, const char *p, size_t n)
{
    struct event_value *v = slot(e, field, type);
    if (!v)
        return;
    if (!p || n == 0) {
        v->type = EVENT_ABSENT;
        return;
    }
    v->s.p = p;
    /* No frame holds as much; event_encode refuses it. */
    v->s.n = n > EVENT_MAX_FRAME ? EVENT_MAX_FRAME : (uint32_t)n;
}

void event_set_str(struct event *e, unsigned field, const char *p, size_t n)
{
    set_text(e, field, EVENT_STRING, p, n);
}

void event_set_strz(struct event *e, unsigned field, const char *text)
{
    set_text(e, field, EVENT_STRING, text, text ? strlen(text) : 0);
}

void event_set_json(struct event *e, unsigned field, const char *p, size_t n)
{
    set_text(e, field, EVENT_JSON, p, n);
}

static const struct event_value *got(const struct event *e, unsigned field, enum event_type type,
                                     enum event_type other)
{
    if (field >= e->count || field >= EVENT_MAX_FIELDS)
        return NULL;
    const struct event_value *v = &e->v[field];
    return v->type == type || v->type == other ? v : NULL;
}

uint64_t event_u64(const struct event *e, unsigned field)
{
    const struct event_value *v = got(e, field, EVENT_U64, EVENT_U64);
    return v ? v->u64 : 0;
}

int64_t event_i64(const struct event *e, unsigned field)
{
    const struct event_value *v = got(e, field, EVENT_I64, EVENT_TIME);
    return v ? v->i64 : 0;
}

decimal event_dec(const struct event *e, unsigned field)
{
    const struct event_value *v = got(e, field, EVENT_DECIMAL, EVENT_DECIMAL);
    return v ? v->dec : (decimal){0};
}

double event_f64(const struct event *e, unsigned field)
{
    const struct event_value *v = got(e, field, EVENT_DOUBLE, EVENT_DOUBLE);
    return v ? v->f64 : 0;
}

bool event_flag(const struct event *e, unsigned field)
{
    const struct event_value *v = got(e, field, EVENT_BOOL, EVENT_BOOL);
    return v && v->flag;
}

const char *event_str(const struct event *e, unsigned field, size_t *n)
{
    const struct event_value *v = got(e, field, EVENT_STRING, EVENT_JSON);
    if (n)
        *n = v ? v->s.n : 0;
    return v ? v->s.p : "";
}

void event_copy(const struct event *e, unsigned field, char *buf, size_t size)
{
    size_t n;
    const char *p = event_str(e, field, &n);
    if (size == 0)
        return;
    if (n > size - 1)
        n = size - 1;
    memcpy(buf, p, n);
    buf[n] = '\0';
}

/* Bytes of a field without its tag. */
static size_t value_size(const struct event_value *v)
{
    switch ((enum event_type)v->type) {
    case EVENT_ABSENT:
        return 0;
    case EVENT_BOOL:
        return 1;
    case EVENT_STRING:
    case EVENT_JSON:
        return 4 + (size_t)v->s.n;
    case EVENT_U64:
    case EVENT_I64:
    case EVENT_DECIMAL:
    case EVENT_DOUBLE:
    case EVENT_TIME:
        break;
    }
    return 8;
}

static unsigned char *put16(unsigned char *p, uint16_t x)
{
    x = htole16(x);
    memcpy(p, &x, 2);
    return p + 2;
}

static unsigned char *put32(unsigned char *p, uint32_t x)
{
    x = htole32(x);
    memcpy(p, &x, 4);
    return p + 4;
}

static unsigned char *put64(unsigned char *p, uint64_t x)
{
    x = htole64(x);
    memcpy(p, &x, 8);
    return p + 8;
}

static unsigned char *put_value(unsigned char *p, const struct event_value *v)
{
    uint64_t bits;
    *p++ = v->type;
    switch ((enum event_type)v->type) {
    case EVENT_ABSENT:
        return p;
    case EVENT_BOOL:
        *p = v->flag;
        return p + 1;
    case EVENT_U64:
        return put64(p, v->u64);
    case EVENT_I64:
    case EVENT_TIME:
        return put64(p, (uint64_t)v->i64);
    case EVENT_DECIMAL:
        return put64(p, (uint64_t)v->dec.v);
    case EVENT_DOUBLE:
        memcpy(&bits, &v->f64, 8);
        return put64(p, bits);
    case EVENT_STRING:
    case EVENT_JSON:
        break;
    }
    p = put32(p, v->s.n);
    memcpy(p, v->s.p, v->s.n);
    return p + v->s.n;
}

int event_encode(const struct event *e, struct str *out)
{
    size_t total = HEAD + SUM;
    unsigned count = 0; /* absent fields at the end are not written */
    for (unsigned i = 0; i < e->count && i < EVENT_MAX_FIELDS; i++) {
        if (e->v[i].type != EVENT_ABSENT)
            count = i + 1;
    }
    for (unsigned i = 0; i < count; i++)
        total += 1 + value_size(&e->v[i]);
    if (total > EVENT_MAX_FRAME)
        return ERR_LIMIT;
    str_reserve(out, total);
    if (out->failed)
        return ERR_NOMEM;
    unsigned char *start = (unsigned char *)out->p + out->len;
    unsigned char *p = put32(start, (uint32_t)(total - 4 - SUM));
    p = put16(p, e->kind);
    p = put16(p, (uint16_t)count);
    p = put64(p, e->seq);
    p = put64(p, (uint64_t)e->market_ms);
    p = put64(p, (uint64_t)e->wall_us);
    for (unsigned i = 0; i < count; i++)
        p = put_value(p, &e->v[i]);
    put32(p, crc32c(0, start, total - SUM));
    out->len += total;
    out->p[out->len] = '\0';
    return 0;
}

static uint16_t get16(const unsigned char *p)
{
    uint16_t x;
    memcpy(&x, p, 2);
    return le16toh(x);
}

static uint32_t get32(const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return le32toh(x);
}

static uint64_t get64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return le64toh(x);
}

/* Reads one value after its tag; returns the bytes used, or -1 when they do not fit or are bad. */
static int64_t get_value(const unsigned char *p, size_t n, struct event_value *v)
{
    uint64_t bits;
    switch ((enum event_type)v->type) {
    case EVENT_ABSENT:
        return 0;
    case EVENT_BOOL:
        if (n < 1 || p[0] > 1)
            return -1;
        v->flag = p[0] == 1;
        return 1;
    case EVENT_STRING:
    case EVENT_JSON:
        if (n < 4 || get32(p) > n - 4)
            return -1;
        v->s.n = get32(p);
        v->s.p = (const char *)p + 4;
        return 4 + (int64_t)v->s.n;
    case EVENT_U64:
    case EVENT_I64:
    case EVENT_DECIMAL:
    case EVENT_DOUBLE:
    case EVENT_TIME:
        break;
    }
    if (n < 8)
        return -1;
    bits = get64(p);
    if (v->type == EVENT_U64)
        v->u64 = bits;
    else if (v->type == EVENT_DECIMAL)
        v->dec.v = (int64_t)bits;
    else if (v->type == EVENT_DOUBLE)
        memcpy(&v->f64, &bits, 8);
    else
        v->i64 = (int64_t)bits;
    return 8;
}

static int decode_fields(const unsigned char *p, const unsigned char *end,
                         const struct event_info *info, struct event *out, struct err *e)
{
    for (unsigned i = 0; i < out->count; i++) {
        const struct event_field *field = &info->fields[i];
        struct event_value *v = &out->v[i];
        if (p == end)
            return err_set(e, ERR_INPUT, "event %s: the frame ends before field %s", info->name,
                           field->name);
        v->type = *p++;
        if (v->type != EVENT_ABSENT && v->type != field->type)
            return err_set(e, ERR_INPUT, "event %s: field %s has type %u, the registry says %u",
                           info->name, field->name, v->type, (unsigned)field->type);
        int64_t used = get_value(p, (size_t)(end - p), v);
        if (used < 0)
            return err_set(e, ERR_INPUT, "event %s: field %s does not fit its frame", info->name,
                           field->name);
        p += used;
    }
    if (p != end)
        return err_set(e, ERR_INPUT, "event %s: %lld bytes are left over after the last field",
                       info->name, (long long)(end - p));
    return 0;
}

int64_t event_decode(const void *bytes, size_t n, struct event *out, struct err *e)
{
    const unsigned char *p = bytes;
    if (n < 4)
        return 0;
    uint32_t length = get32(p);
    if (length < HEAD - 4 || length > EVENT_MAX_FRAME - 4 - SUM)
        return err_set(e, ERR_INPUT, "event frame: a length of %u is not possible", length);
    size_t total = (size_t)length + 4 + SUM;
    if (n < total)
        return 0;
    if (get32(p + total - SUM) != crc32c(0, p, total - SUM))
        return err_set(e, ERR_INPUT, "event frame: the check sum is wrong, its bytes are damaged");
    event_init(out, get16(p + 4));
    const struct event_info *info = event_info(out->kind);
    if (!info)
        return err_set(e, ERR_INPUT,
                       "event frame: kind %u is not known; a newer version may have written it",
                       out->kind);
    uint16_t count = get16(p + 6);
    if (count > info->count)
        return err_set(e, ERR_INPUT,
                       "event %s: %u fields, this version knows %u; a newer one has written it",
                       info->name, count, info->count);
    out->count = count;
    out->seq = get64(p + 8);
    out->market_ms = (int64_t)get64(p + 16);
    out->wall_us = (int64_t)get64(p + 24);
    int rc = decode_fields(p + HEAD, p + total - SUM, info, out, e);
    return rc != 0 ? rc : (int64_t)total;
}
