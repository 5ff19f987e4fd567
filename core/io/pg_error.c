/* SPDX-License-Identifier: MIT
 *
 * What PostgreSQL says, as one sentence without values and passwords.
 *
 * The primary message alone: detail and context carry rows. A data exception (class 22) quotes the
 * value that it dislikes, so everything between its first and its last quotation mark is masked. In
 * other classes quotation marks hold names.
 */
#include "io/pg_inner.h"

#include <stdio.h>
#include <string.h>

/* Up to the first line's end; tabs become spaces. */
static void first_line(char *out, size_t size, const char *text)
{
    size_t n = strcspn(text, "\n");
    n = n < size - 1 ? n : size - 1;
    memcpy(out, text, n);
    out[n] = '\0';
    for (char *p = out; *p != '\0'; p++) {
        if (*p == '\t' || *p == '\r') {
            *p = ' ';
        }
    }
}

static void cut_between(char *first, const char *after)
{
    static const char mask[] = "***";
    size_t tail = strlen(after) + 1;
    size_t room = (size_t)(after - first);
    if (room < sizeof mask - 1) { /* too short for the mask: nothing is worth less than it shows */
        memmove(first, after, tail);
        return;
    }
    memcpy(first, mask, sizeof mask - 1);
    memmove(first + sizeof mask - 1, after, tail);
}

static void mask_values(char *text)
{
    char *first = strchr(text, '"');
    char *last = strrchr(text, '"');
    if (first != NULL && last != first) {
        cut_between(first + 1, last);
    } else if (first != NULL) {
        first[1] = '\0'; /* the message was cut inside the value */
    }
}

static void mask_word(char *text, const char *word)
{
    size_t n = word != NULL ? strlen(word) : 0;
    if (n < 3) {
        return;
    }
    for (char *at = strstr(text, word); at != NULL; at = strstr(at + 3, word)) {
        cut_between(at, at + n);
    }
}

void pg_refused(struct pg_answer *a, const PGresult *r, const struct pg *c)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    char line[200];
    first_line(line, sizeof line, primary != NULL ? primary : PQresultErrorMessage(r));
    if (state != NULL && strncmp(state, "22", 2) == 0) {
        mask_values(line);
    }
    mask_word(line, pg_wanted(c, "password"));
    (void)snprintf(a->sqlstate, sizeof a->sqlstate, "%s", state != NULL ? state : "");
    (void)snprintf(a->constraint, sizeof a->constraint, "%s", constraint != NULL ? constraint : "");
    if (state != NULL) {
        (void)err_set(&a->err, ERR_FAILED, "the database refused: %s (%s)", line, state);
    } else {
        (void)err_set(&a->err, ERR_FAILED, "the database's answer cannot be used: %s", line);
    }
}

void pg_unreachable(struct pg_answer *a, int code, const struct pg *c, const char *what)
{
    char line[180] = "";
    if (c->conn != NULL) {
        first_line(line, sizeof line, PQerrorMessage(c->conn));
        mask_word(line, pg_wanted(c, "password"));
    }
    if (line[0] != '\0') {
        (void)err_set(&a->err, code, "%s: %s", what, line);
    } else {
        (void)err_set(&a->err, code, "%s", what);
    }
}
