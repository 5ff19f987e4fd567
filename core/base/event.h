/* SPDX-License-Identifier: MIT
 *
 * The registry of events: every kind of thing that happens, its fields and their types, once. The
 * binary frame, the JSON form, the Lua table, docs/journal.md and the tests are made from it.
 *
 * Kinds and fields only grow: a new field goes to the end of its kind, a number is never reused.
 * A frame that has fewer fields than the registry (an older writer) reads the missing ones as
 * absent; one with more (a newer writer) is ERR_INPUT with a clear sentence.
 *
 * Frame, little-endian, no padding:
 *   u32 length    bytes after this field and before the sum
 *   u16 kind, u16 field count
 *   u64 seq, i64 market_ms, i64 wall_us
 *   fields: u8 type tag (0: absent), then u64/i64/decimal/double: 8 bytes, bool: 1 byte,
 *           string and blob: u32 length and bytes
 *   u32 crc32c of everything from `length` up to here
 */
#ifndef PERIGEE_BASE_EVENT_H
#define PERIGEE_BASE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/str.h"

enum event_type {
    EVENT_ABSENT = 0,
    EVENT_U64 = 1,
    EVENT_I64 = 2,
    EVENT_DECIMAL = 3,
    EVENT_DOUBLE = 4,
    EVENT_BOOL = 5,
    EVENT_STRING = 6, /* UTF-8 text */
    EVENT_TIME = 7,   /* market ms since 1970 UTC */
    EVENT_JSON = 8    /* canonical JSON text: nested data that C does not look into */
};

#define EVENT_MAX_FIELDS 24
#define EVENT_MAX_FRAME (1u << 20)

/* enum event_kind { EVENT_KIND_engine_started = 1, ... } and enums of field indexes
 * { F_signal_symbol, ... } come from the X-macros in event_kinds.h. */
#include "base/event_kinds.h"

struct event_value {
    uint8_t type; /* enum event_type; EVENT_ABSENT when not set */
    union {
        uint64_t u64;
        int64_t i64; /* EVENT_I64 and EVENT_TIME */
        decimal dec;
        double f64;
        bool flag;
        struct {
            const char *p; /* not owned; valid as long as the frame or the caller's buffer */
            uint32_t n;
        } s; /* EVENT_STRING and EVENT_JSON */
    };
};

struct event {
    uint64_t seq;      /* given by the stream; 0 before */
    int64_t market_ms; /* market clock */
    int64_t wall_us;   /* wall clock, for people */
    uint16_t kind;     /* enum event_kind */
    uint16_t count;    /* fields set or known: index of the last + 1 */
    struct event_value v[EVENT_MAX_FIELDS];
};

struct event_field {
    const char *name;
    enum event_type type;
    const char *text; /* one line for the docs: meaning and unit */
};

struct event_info {
    uint16_t kind;
    const char *name;
    const char *text;
    uint16_t count;
    const struct event_field *fields;
};

/* NULL for an unknown kind or name. */
const struct event_info *event_info(uint16_t kind);
const struct event_info *event_info_named(const char *name, size_t n);
/* All kinds in the order of their numbers. */
const struct event_info *event_info_all(size_t *count);

/* Starts an event of this kind; stamps are the stream's work. */
void event_init(struct event *e, uint16_t kind);
/* Setters; the type must be the registry's (asserted). Strings are not copied. A NULL or empty
 * string sets the field absent. */
void event_set_u64(struct event *e, unsigned field, uint64_t x);
void event_set_i64(struct event *e, unsigned field, int64_t x);
void event_set_time(struct event *e, unsigned field, int64_t market_ms);
void event_set_dec(struct event *e, unsigned field, decimal x);
void event_set_f64(struct event *e, unsigned field, double x);
void event_set_bool(struct event *e, unsigned field, bool x);
void event_set_str(struct event *e, unsigned field, const char *p, size_t n);
void event_set_strz(struct event *e, unsigned field, const char *text);
void event_set_json(struct event *e, unsigned field, const char *p, size_t n);

/* Getters: absent gives 0, false, or an empty string (never NULL). */
uint64_t event_u64(const struct event *e, unsigned field);
int64_t event_i64(const struct event *e, unsigned field); /* I64 and TIME */
decimal event_dec(const struct event *e, unsigned field);
double event_f64(const struct event *e, unsigned field);
bool event_flag(const struct event *e, unsigned field);
const char *event_str(const struct event *e, unsigned field, size_t *n);
/* Copies a string field into buf (NUL-terminated, cut to size). */
void event_copy(const struct event *e, unsigned field, char *buf, size_t size);

/* Appends the frame; the event's strings must not lie in `out`. 0, ERR_NOMEM, or ERR_LIMIT when
 * over EVENT_MAX_FRAME (`out` is then as before). */
int event_encode(const struct event *e, struct str *out);
/* Reads one frame from the start of `bytes`. Returns its whole length, 0 when more bytes are
 * needed, or ERR_INPUT (bad sum, unknown kind, wrong type). Strings point into `bytes`. */
int64_t event_decode(const void *bytes, size_t n, struct event *out, struct err *e);
/* Canonical JSON object: {"seq":1,"kind":"signal","market_ms":...,"time":"...Z","wall_us":...,
 * fields in order; absent ones are left out; u64 ids and decimals are strings}. */
void event_json(const struct event *e, struct str *out);

#endif
