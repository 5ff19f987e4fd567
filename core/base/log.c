/* SPDX-License-Identifier: MIT
 *
 * Log lines: one write() each, secrets covered before anything is escaped or cut.
 *
 * A secret is looked for as it is, as it stands inside a JSON string, and percent-encoded. Threads
 * may share a log; a mutex keeps secrets and counts whole.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"

#define MAX_MESSAGE 8192 /* bytes of a message that are written; the rest is cut */
#define MIN_SECRET 4
#define LEVELS 4

struct secret {
    struct secret *next;
    unsigned uses;      /* how often it was registered */
    struct str form[3]; /* plain, in JSON, percent-encoded; len 0: same as plain */
};

struct log {
    int fd;                    /* not owned */
    enum log_level least;      /* lower levels are dropped */
    const struct clock *clock; /* not owned */
    int json;                  /* JSON lines instead of text */
    pthread_mutex_t mutex;     /* guards all below */
    struct secret *secrets;    /* owned */
    uint64_t counts[LEVELS];   /* lines written, by level */
};

static const char *const level_names[LEVELS] = {"debug", "info", "warn", "error"};
static const char *const level_words[LEVELS] = {"DEBUG", "INFO", "WARN", "ERROR"};

struct log *log_new(int fd, enum log_level least, const struct clock *clock)
{
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    if (pthread_mutex_init(&log->mutex, NULL) != 0) {
        free(log);
        return NULL;
    }
    log->fd = fd;
    log->least = least;
    log->clock = clock;
    return log;
}

static void wipe(struct str *s)
{
    if (s->p)
        explicit_bzero(s->p, s->cap);
    str_fini(s);
}

static void secret_free(struct secret *s)
{
    for (int i = 0; i < 3; i++)
        wipe(&s->form[i]);
    free(s);
}

void log_free(struct log *log)
{
    if (!log)
        return;
    while (log->secrets) {
        struct secret *next = log->secrets->next;
        secret_free(log->secrets);
        log->secrets = next;
    }
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

void log_json(struct log *log, int on)
{
    if (log)
        log->json = on;
}

static struct secret *secret_new(const char *text)
{
    struct secret *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->uses = 1;
    /* Room for the longest form at once, so that no copy is left behind by growing. */
    size_t n = strlen(text);
    for (int i = 0; i < 3; i++)
        str_reserve(&s->form[i], n * 6 + 2);
    str_add(&s->form[0], text, n);
    str_json_string(&s->form[1], text, n);
    if (!s->form[1].failed) { /* without its quotes */
        str_drop(&s->form[1], 1);
        s->form[1].p[--s->form[1].len] = '\0';
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || strchr("-._~", c))
            str_addc(&s->form[2], (char)c);
        else
            str_addf(&s->form[2], "%%%02X", c);
    }
    bool failed = s->form[0].failed || s->form[1].failed || s->form[2].failed;
    if (failed) {
        secret_free(s);
        return NULL;
    }
    for (int i = 1; i < 3; i++) {
        if (strcmp(s->form[i].p, text) == 0)
            str_clear(&s->form[i]);
    }
    return s;
}

int log_mask(struct log *log, const char *secret)
{
    if (!log || !secret || strlen(secret) < MIN_SECRET)
        return 0;
    int rc = 0;
    pthread_mutex_lock(&log->mutex);
    struct secret *s = log->secrets;
    while (s && strcmp(s->form[0].p, secret) != 0)
        s = s->next;
    if (s) {
        s->uses++;
    } else if ((s = secret_new(secret)) != NULL) {
        s->next = log->secrets;
        log->secrets = s;
    } else {
        rc = ERR_NOMEM;
    }
    pthread_mutex_unlock(&log->mutex);
    return rc;
}

void log_unmask(struct log *log, const char *secret)
{
    if (!log || !secret)
        return;
    pthread_mutex_lock(&log->mutex);
    for (struct secret **at = &log->secrets; *at; at = &(*at)->next) {
        struct secret *s = *at;
        if (strcmp(s->form[0].p, secret) != 0)
            continue;
        if (--s->uses == 0) {
            *at = s->next;
            secret_free(s);
        }
        break;
    }
    pthread_mutex_unlock(&log->mutex);
}

/* Marks the bytes of `text` that belong to any secret; overlapping ones are covered together.
 * Returns whether there are any. */
static bool cover(const struct log *log, const struct str *text, char *covered)
{
    bool any = false;
    for (const struct secret *s = log->secrets; s; s = s->next) {
        for (int i = 0; i < 3; i++) {
            const struct str *f = &s->form[i];
            const char *p = text->p;
            size_t left = text->len;
            while (f->len > 0 && (p = memmem(p, left, f->p, f->len)) != NULL) {
                memset(covered + (p - text->p), 1, f->len);
                any = true;
                p++;
                left = text->len - (size_t)(p - text->p);
            }
        }
    }
    return any;
}

/* Replaces secrets in `text` by ***. False: out of memory, the text must not be shown. */
static bool mask(const struct log *log, struct str *text)
{
    if (!log->secrets || text->len == 0)
        return true;
    char *covered = calloc(1, text->len);
    if (!covered)
        return false;
    struct str out;
    str_init(&out);
    bool any = cover(log, text, covered);
    for (size_t i = 0; any && i < text->len; i++) {
        if (!covered[i])
            str_addc(&out, text->p[i]);
        else if (i == 0 || !covered[i - 1])
            str_addz(&out, "***");
    }
    free(covered);
    if (!any)
        return true;
    bool whole = !out.failed;
    wipe(text);
    *text = out;
    return whole;
}

/* A message stays one line: control bytes become \n, \t or \xNN. */
static void add_plain(struct str *line, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            str_addz(line, "\\n");
        else if (c == '\t')
            str_addz(line, "\\t");
        else if (c < 0x20 || c == 0x7f)
            str_addf(line, "\\x%02x", c);
        else
            str_addc(line, (char)c);
    }
}

static void compose(const struct log *log, struct str *line, enum log_level level,
                    const struct str *component, const struct str *message)
{
    char stamp[25];
    clock_iso(clock_wall_us(log->clock) / 1000, stamp);
    size_t n = message->len;
    bool cut = n > MAX_MESSAGE;
    if (cut) {
        /* Never in the middle of a UTF-8 character. */
        for (n = MAX_MESSAGE; n > 0 && ((unsigned char)message->p[n] & 0xc0) == 0x80;)
            n--;
    }
    if (log->json) {
        str_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":", stamp,
                 level_names[level]);
        str_json_string(line, component->p, component->len);
        str_addz(line, ",\"text\":");
        str_json_string(line, message->p, n);
        str_addz(line, cut ? ",\"cut\":true}\n" : "}\n");
        return;
    }
    str_addf(line, "%s %s ", stamp, level_words[level]);
    add_plain(line, component->p, component->len);
    str_addz(line, ": ");
    add_plain(line, message->p, n);
    str_addz(line, cut ? "...\n" : "\n");
}

static void write_line(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody to tell */
        p += done;
        n -= (size_t)done;
    }
}

static void add_formatted(struct str *out, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    if (n >= 0)
        str_reserve(out, (size_t)n);
    if (n < 0 || out->failed) {
        out->failed = true;
    } else {
        vsnprintf(out->p, (size_t)n + 1, format, again);
        out->len = (size_t)n;
    }
    va_end(again);
}

void log_write(struct log *log, enum log_level level, const char *component, const char *format,
               ...)
{
    static const char withheld[] = "ERROR log: a line was withheld: out of memory\n";
    if (!log || level < log->least || level > LOG_ERROR)
        return;
    int saved = errno;
    struct str name, message, line;
    str_init(&name);
    str_init(&message);
    str_init(&line);
    str_addz(&name, component);
    va_list ap;
    va_start(ap, format);
    add_formatted(&message, format, ap);
    va_end(ap);

    pthread_mutex_lock(&log->mutex);
    bool masked = !name.failed && !message.failed && mask(log, &name) && mask(log, &message);
    if (masked)
        compose(log, &line, level, &name, &message);
    if (masked && !line.failed)
        write_line(log->fd, line.p, line.len);
    else
        write_line(log->fd, withheld, sizeof withheld - 1);
    log->counts[level]++;
    pthread_mutex_unlock(&log->mutex);

    wipe(&message);
    str_fini(&name);
    str_fini(&line);
    errno = saved;
}

uint64_t log_count(const struct log *log, enum log_level level)
{
    if (!log || level > LOG_ERROR)
        return 0;
    pthread_mutex_t *mutex = &((struct log *)log)->mutex;
    pthread_mutex_lock(mutex);
    uint64_t count = log->counts[level];
    pthread_mutex_unlock(mutex);
    return count;
}

int log_level_parse(const char *text, enum log_level *out)
{
    for (int i = 0; text && i < LEVELS; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return ERR_INPUT;
}

void log_set_level(struct log *log, enum log_level least)
{
    log->least = least;
}
