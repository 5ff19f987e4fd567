/* SPDX-License-Identifier: MIT
 *
 * Errors: a code and one clear sentence (what, where, what to do).
 *
 * A function that can fail returns 0 or a negative enum err_code and fills the caller's struct err
 * (which may be NULL). Nothing is allocated, so reporting a failure cannot fail. Never put a secret
 * into a message.
 */
#ifndef PERIGEE_BASE_ERR_H
#define PERIGEE_BASE_ERR_H

#include <stddef.h>

enum err_code {
    ERR_OK = 0,
    ERR_FAILED = -1,      /* anything without a better name: exit code 1 */
    ERR_USAGE = -2,       /* wrong arguments: exit code 2 */
    ERR_INPUT = -3,       /* bad configuration, file or message: exit code 3 */
    ERR_UNREACHABLE = -4, /* a peer or resource cannot be reached: exit code 4 */
    ERR_LIMIT = -5,       /* a limit stopped it: exit code 5 */
    ERR_NOMEM = -6,
    ERR_OVERFLOW = -7, /* a number left its range */
    ERR_NOTFOUND = -8, /* what was named is not there: exit code 3 */
    ERR_EXISTS = -9,   /* it is there, or in use, already: exit code 3 */
    ERR_STATE = -10,   /* not allowed in the present state */
    ERR_TIMEOUT = -11,
    ERR_CLOSED = -12, /* the peer went away */
    ERR_CANCELLED = -13,
    ERR_IO = -14 /* the kernel refused: errno text in the message */
};

struct err {
    int code;          /* enum err_code */
    char message[244]; /* one sentence, NUL-terminated, cut if longer */
};

/* Fills *e (if not NULL) and returns code, so that `return err_set(e, ERR_INPUT, ...)` reads well.
 */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set, and appends ": " and the text of errno value `number`. */
int err_set_errno(struct err *e, int code, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message that is there. Returns e->code. */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Stable lower-case name: "input", "timeout", ... */
const char *err_name(int code);

/* The documented exit code of the program for an error code (0 to 5). */
int err_exit_code(int code);

#endif
