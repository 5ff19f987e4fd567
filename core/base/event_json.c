/* SPDX-License-Identifier: MIT
 *
 * The JSON form of events: one object, keys in the registry's order, the same bytes every time.
 *
 * Ids (u64) and decimals are strings, because readers with 53-bit numbers would change them; nested
 * JSON is put in as it is.
 */
#include "base/clock.h"
#include "base/event.h"

static void add_value(struct str *out, const struct event_value *v)
{
    switch ((enum event_type)v->type) {
    case EVENT_ABSENT:
        break;
    case EVENT_U64:
        str_addf(out, "\"%llu\"", (unsigned long long)v->u64);
        break;
    case EVENT_I64:
    case EVENT_TIME:
        str_json_int(out, v->i64);
        break;
    case EVENT_DECIMAL:
        str_addc(out, '"');
        str_json_decimal(out, v->dec);
        str_addc(out, '"');
        break;
    case EVENT_DOUBLE:
        str_json_double(out, v->f64);
        break;
    case EVENT_BOOL:
        str_addz(out, v->flag ? "true" : "false");
        break;
    case EVENT_STRING:
        str_json_string(out, v->s.p, v->s.n);
        break;
    case EVENT_JSON:
        str_add(out, v->s.p, v->s.n);
        break;
    }
}

void event_json(const struct event *e, struct str *out)
{
    const struct event_info *info = event_info(e->kind);
    char time[25];
    clock_iso(e->market_ms, time);
    str_addf(out, "{\"seq\":%llu,\"kind\":", (unsigned long long)e->seq);
    if (info)
        str_json_string(out, info->name, __builtin_strlen(info->name));
    else
        str_addf(out, "\"%u\"", e->kind);
    str_addf(out, ",\"market_ms\":%lld,\"time\":\"%s\",\"wall_us\":%lld", (long long)e->market_ms,
             time, (long long)e->wall_us);
    for (unsigned i = 0; info && i < e->count && i < info->count; i++) {
        if (e->v[i].type == EVENT_ABSENT)
            continue;
        str_addf(out, ",\"%s\":", info->fields[i].name);
        add_value(out, &e->v[i]);
    }
    str_addc(out, '}');
}
