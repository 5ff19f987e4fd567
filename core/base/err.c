/* SPDX-License-Identifier: MIT
 *
 * Errors: formatting into the caller's fixed buffer. Long messages are cut, never allocated.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Adds ": " and more to a message of one struct err; what does not fit is cut. */
static void append(char *text, const char *more)
{
    size_t size = sizeof((struct err *)0)->message;
    const char *parts[] = {": ", more};
    size_t used = strlen(text);
    for (int i = 0; i < 2; i++) {
        size_t n = strnlen(parts[i], size - 1 - used);
        memcpy(text + used, parts[i], n);
        used += n;
    }
    text[used] = '\0';
}

int err_set(struct err *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    va_list ap;
    va_start(ap, format);
    /* Through a local copy: an argument may be e->message itself. */
    char text[sizeof e->message];
    if (vsnprintf(text, sizeof text, format, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    e->code = code;
    memcpy(e->message, text, sizeof text);
    return code;
}

int err_set_errno(struct err *e, int code, int number, const char *format, ...)
{
    if (!e)
        return code;
    va_list ap;
    va_start(ap, format);
    char text[sizeof e->message];
    if (vsnprintf(text, sizeof text, format, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    char words[96];
    append(text, strerror_r(number, words, sizeof words)); /* GNU: may not use `words` */
    e->code = code;
    memcpy(e->message, text, sizeof text);
    return code;
}

int err_prefix(struct err *e, const char *format, ...)
{
    if (!e)
        return ERR_FAILED;
    va_list ap;
    va_start(ap, format);
    char text[sizeof e->message];
    if (vsnprintf(text, sizeof text, format, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    append(text, e->message);
    memcpy(e->message, text, sizeof text);
    return e->code;
}

const char *err_name(int code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
    case ERR_FAILED:
        return "failed";
    case ERR_USAGE:
        return "usage";
    case ERR_INPUT:
        return "input";
    case ERR_UNREACHABLE:
        return "unreachable";
    case ERR_LIMIT:
        return "limit";
    case ERR_NOMEM:
        return "nomem";
    case ERR_OVERFLOW:
        return "overflow";
    case ERR_NOTFOUND:
        return "notfound";
    case ERR_EXISTS:
        return "exists";
    case ERR_STATE:
        return "state";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CLOSED:
        return "closed";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_IO:
        return "io";
    default:
        return "failed";
    }
}

int err_exit_code(int code)
{
    switch (code) {
    case ERR_OK:
        return 0;
    case ERR_USAGE:
        return 2;
    case ERR_INPUT:
    case ERR_OVERFLOW:
    case ERR_NOTFOUND:
    case ERR_EXISTS:
        return 3;
    case ERR_UNREACHABLE:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
        return 4;
    case ERR_LIMIT:
        return 5;
    default:
        return 1;
    }
}
