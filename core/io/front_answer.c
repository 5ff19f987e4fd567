/* SPDX-License-Identifier: MIT
 *
 * Encodes answers of the HTTP front, and keeps what a handler gives from breaking the framing: no
 * CR, LF or NUL gets into a head, lengths are the front's alone.
 */
#include "io/front_inner.h"

#include <string.h>
#include <strings.h>
#include <time.h>

static const char *reason_of(int status)
{
    switch (status) {
#define PHRASE(number, name, text)                                                                 \
    case number:                                                                                   \
        return #text;
        HTTP_STATUS_MAP(PHRASE)
#undef PHRASE
    default:
        return "Status";
    }
}

static void refresh_date(struct front *f)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now = clock_wall_us(f->loop->clock) / 1000000;
    if (now == f->date_s && f->date[0])
        return;
    time_t seconds = (time_t)now;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return;
    f->date_s = now;
    snprintf(f->date, sizeof f->date, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
             days + 3 * tm.tm_wday, tm.tm_mday % 100, months + 3 * tm.tm_mon,
             (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
}

/* The front's own business: framing, and the life of the connection. */
static bool is_ours(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0 ||
           strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Keep-Alive") == 0;
}

static bool value_safe(const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static bool answer_safe(int status, const struct http_header *headers, size_t count)
{
    if (status < 200 || status > 599)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!headers[i].name || !headers[i].value ||
            !front_is_token(headers[i].name, strlen(headers[i].name)) ||
            !value_safe(headers[i].value))
            return false;
    return true;
}

static void add_status(struct str *out, int status)
{
    char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                      (char)('0' + status % 10)};
    str_add(out, "HTTP/1.1 ", 9);
    str_add(out, digits, 3);
    str_addc(out, ' ');
    str_addz(out, reason_of(status));
    str_add(out, "\r\n", 2);
}

static void add_length(struct str *out, size_t n)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    str_add(out, "Content-Length: ", 16);
    str_add(out, digits + at, sizeof digits - at);
    str_add(out, "\r\n", 2);
}

/* In chunks of several sizes, as a gateway cuts what passes through it. */
static void add_chunks(struct str *out, const char *body, size_t n)
{
    static const size_t sizes[] = {1, 16, 250};
    for (size_t i = 0, at = 0; at < n; i++) {
        size_t size = sizes[i % 3] < n - at ? sizes[i % 3] : n - at;
        str_addf(out, "%zx\r\n", size);
        str_add(out, body + at, size);
        str_add(out, "\r\n", 2);
        at += size;
    }
    str_add(out, "0\r\n\r\n", 5);
}

void front_encode(struct front *f, const struct front_request *r, int status,
                  const struct http_header *headers, size_t header_count, const void *body,
                  size_t n, struct str *out, enum front_after *after)
{
    if (!answer_safe(status, headers, header_count)) {
        log_write(f->loop->log, LOG_ERROR, "front",
                  "the answer %d to %s %s has a status or header that cannot be sent; sent 500",
                  status, r && r->method ? r->method : "a request", r && r->path ? r->path : "");
        status = 500;
        header_count = n = 0;
    }
    bool keep = r && r->keep_alive, dated = false, chunked = false;
    for (size_t i = 0; i < header_count; i++) {
        if (strcasecmp(headers[i].name, "Connection") == 0 &&
            strcasecmp(headers[i].value, "close") == 0)
            keep = false;
        dated |= strcasecmp(headers[i].name, "Date") == 0;
        chunked |= strcasecmp(headers[i].name, "Transfer-Encoding") == 0 &&
                   strcasecmp(headers[i].value, "chunked") == 0;
    }
    add_status(out, status);
    if (!dated) {
        refresh_date(f);
        str_addz(out, f->date);
    }
    for (size_t i = 0; i < header_count; i++) {
        if (is_ours(headers[i].name))
            continue;
        str_addz(out, headers[i].name);
        str_add(out, ": ", 2);
        str_addz(out, headers[i].value);
        str_add(out, "\r\n", 2);
    }
    bool bodiless = status == 204 || status == 304;
    chunked = chunked && !bodiless && r && !r->old;
    if (chunked)
        str_addz(out, "Transfer-Encoding: chunked\r\n");
    else if (!bodiless)
        add_length(out, n);
    if (!keep)
        str_addz(out, "Connection: close\r\n");
    else if (r->old)
        str_addz(out, "Connection: keep-alive\r\n");
    str_add(out, "\r\n", 2);
    bool head = r && r->method && strcmp(r->method, "HEAD") == 0;
    if (chunked && !head)
        add_chunks(out, body, n);
    else if (!bodiless && !head && n > 0)
        str_add(out, body, n);
    *after = keep ? FRONT_KEEP : FRONT_FIN;
}
