/* SPDX-License-Identifier: MIT
 *
 * HTTP client for reads and sign-ins. One easy handle for each call, connections kept by the multi.
 *
 * A call is in one of three places: in the multi (`live`), in the list `ended` waiting for its
 * callback on a later turn (cancelled), or being delivered, after which it is gone. A client that
 * is freed inside a callback goes when the outermost one has returned.
 */
#include "io/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "io/curl_pump.h"

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_MAX_ANSWER ((size_t)16 << 20)

struct http_call {
    struct http_client *client;
    struct http_call *next; /* in the client's list of live or of ended calls */
    struct http_call *prev;
    CURL *easy;
    struct curl_slist *headers;
    void *body;        /* copy of what is sent */
    struct str head;   /* header lines of the answer */
    struct str answer; /* its body */
    size_t max_answer; /* bytes of both together */
    bool too_large;
    bool no_memory;
    bool head_ended; /* the empty line was seen: libcurl takes a head cut short for an answer */
    bool over;       /* cancelled, or being delivered */
    http_fn fn;
    void *arg;
    int64_t begun_io_ns;
    int64_t begun_market_ms;
    char label[160]; /* "GET http://host/path", without user, query and fragment */
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    struct loop *loop;
    struct curl_pump *pump;
    struct http_call *live;
    struct http_call *ended; /* cancelled ones, oldest first */
    struct timer later;      /* delivers them */
    unsigned depth;          /* callbacks being served */
    bool dead;               /* http_client_free was called */
};

static void list_add(struct http_call **list, struct http_call *call)
{
    call->prev = NULL;
    call->next = *list;
    if (*list != NULL) {
        (*list)->prev = call;
    }
    *list = call;
}

static void list_remove(struct http_call **list, struct http_call *call)
{
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        *list = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    call->next = NULL;
    call->prev = NULL;
}

static void call_free(struct http_call *call)
{
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    str_fini(&call->head);
    str_fini(&call->answer);
    free(call);
}

static void client_enter(struct http_client *c)
{
    c->depth++;
}

static void client_leave(struct http_client *c)
{
    c->depth--;
    if (c->dead && c->depth == 0) {
        curl_pump_free(c->pump);
        free(c);
    }
}

/* Calls back and frees the call, which is in no list and no multi. */
static void deliver(struct http_call *call, int error, const char *message)
{
    struct loop *l = call->client->loop;
    long status = 0;
    struct http_answer a = {.error = error, .message = message, .head = "", .body = ""};
    if (error == 0) {
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        a.status = (int)status;
        a.head = call->head.p ? call->head.p : "";
        a.head_size = call->head.len;
        a.body = call->answer.p ? call->answer.p : "";
        a.body_size = call->answer.len;
    }
    call->over = true;
    a.begun_io_ns = call->begun_io_ns;
    a.begun_market_ms = call->begun_market_ms;
    a.elapsed_us = (clock_io_ns(l->clock) - call->begun_io_ns) / 1000;
    call->fn(call->arg, &a);
    call_free(call);
    loop_release(l);
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct http_client *c = arg;
    struct http_call *call = NULL;
    char message[512] = "";
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    (void)curl_multi_remove_handle(curl_pump_multi(c->pump), easy);
    list_remove(&c->live, call);
    int error = call->too_large ? ERR_LIMIT : call->no_memory ? ERR_NOMEM : curl_pump_error(result);
    if (error == 0 && !call->head_ended) {
        error = ERR_CLOSED;
        result = CURLE_PARTIAL_FILE;
    }
    if (error == ERR_LIMIT) {
        (void)snprintf(message, sizeof message, "%s: the answer is larger than %zu bytes",
                       call->label, call->max_answer);
    } else if (error != 0) {
        /* Only these details name nothing but hosts, ports and certificates. */
        bool plain = error == ERR_UNREACHABLE && call->error[0] != '\0';
        (void)snprintf(message, sizeof message, "%s: %s", call->label,
                       error == ERR_NOMEM ? "out of memory"
                       : plain            ? call->error
                                          : curl_easy_strerror(result));
    }
    client_enter(c);
    deliver(call, error, message);
    client_leave(c);
}

static void deliver_cancelled(struct http_call *call)
{
    char message[256];
    (void)snprintf(message, sizeof message, "%s: cancelled", call->label);
    deliver(call, ERR_CANCELLED, message);
}

static void on_later(void *arg)
{
    struct http_client *c = arg;
    client_enter(c);
    while (c->ended != NULL) {
        struct http_call *call = c->ended;
        list_remove(&c->ended, call);
        deliver_cancelled(call);
    }
    client_leave(c);
}

struct http_client *http_client_new(struct loop *l, unsigned max_connections, struct err *e)
{
    struct http_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for an HTTP client");
        return NULL;
    }
    c->loop = l;
    c->pump = curl_pump_new(l, on_done, c, e);
    if (c->pump == NULL) {
        free(c);
        return NULL;
    }
    timer_init(&c->later, l, on_later, c);
    CURLM *multi = curl_pump_multi(c->pump);
    long most = max_connections > 0 ? (long)max_connections : 64L;
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL || c->dead) {
        return;
    }
    c->dead = true;
    client_enter(c);
    timer_stop(&c->later);
    while (c->live != NULL) {
        struct http_call *call = c->live;
        list_remove(&c->live, call);
        (void)curl_multi_remove_handle(curl_pump_multi(c->pump), call->easy);
        deliver_cancelled(call);
    }
    while (c->ended != NULL) {
        struct http_call *call = c->ended;
        list_remove(&c->ended, call);
        deliver_cancelled(call);
    }
    client_leave(c);
}

/* ---- what libcurl calls ---- */

static bool fits(struct http_call *call, size_t n)
{
    if (call->head.len + call->answer.len + n > call->max_answer) {
        call->too_large = true;
    }
    return !call->too_large;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t n = size * count;
    if (!fits(call, n)) {
        return 0;
    }
    str_add(&call->answer, p, n);
    call->no_memory = call->answer.failed;
    return call->no_memory ? 0 : n;
}

/* Line by line. A status line begins a new answer: after an interim one or a proxy's. */
static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t n = size * count;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
        str_clear(&call->head);
        call->head_ended = false;
        return n;
    }
    if (n <= 2 && memchr(p, '\n', n) != NULL) {
        call->head_ended = true;
        return n;
    }
    if (!fits(call, n)) {
        return 0;
    }
    str_add(&call->head, p, n);
    call->no_memory = call->head.failed;
    return call->no_memory ? 0 : n;
}

/* ---- beginning ---- */

/* A token of RFC 9110: nothing in it can end a line. */
static bool is_token(const char *text)
{
    size_t n = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && text[n] == '\0';
}

static int add_header(struct http_call *call, const char *line)
{
    struct curl_slist *list = curl_slist_append(call->headers, line);
    if (list == NULL) {
        return ERR_NOMEM;
    }
    call->headers = list;
    return 0;
}

static int add_headers(struct http_call *call, const struct http_spec *spec, struct err *e)
{
    struct str line;
    bool typed = false;
    int rc = 0;
    str_init(&line);
    for (size_t i = 0; i < spec->header_count && rc == 0; i++) {
        const struct http_header *h = &spec->headers[i];
        if (!is_token(h->name) || strpbrk(h->value, "\r\n") != NULL) {
            str_fini(&line);
            return err_set(e, ERR_INPUT,
                           "%s: header %zu has a bad name or a line break in its value",
                           call->label, i + 1);
        }
        typed = typed || strcasecmp(h->name, "Content-Type") == 0;
        str_clear(&line);
        str_addz(&line, h->name);
        str_addz(&line, h->value[0] ? ": " : ";"); /* libcurl's way to an empty value */
        str_addz(&line, h->value);
        rc = line.failed ? ERR_NOMEM : add_header(call, line.p);
    }
    str_fini(&line);
    if (rc == 0) {
        rc = add_header(call, "Expect:"); /* never wait for a 100 */
    }
    if (rc == 0 && !typed) {
        rc = add_header(call, "Content-Type:"); /* libcurl would call it a form */
    }
    if (rc != 0) {
        return err_set(e, rc, "out of memory for a request");
    }
    (void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    return 0;
}

static int set_method(struct http_call *call, const struct http_spec *spec, struct err *e)
{
    bool sends = spec->body != NULL || strcmp(spec->method, "POST") == 0 ||
                 strcmp(spec->method, "PUT") == 0 || strcmp(spec->method, "PATCH") == 0;
    if (strcmp(spec->method, "HEAD") == 0) {
        (void)curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
        return 0;
    }
    if (sends) {
        size_t n = spec->body ? spec->body_size : 0;
        call->body = malloc(n + 1);
        if (call->body == NULL) {
            return err_set(e, ERR_NOMEM, "out of memory for a request's body");
        }
        if (n > 0) {
            memcpy(call->body, spec->body, n);
        }
        (void)curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
        (void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
    }
    if (curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, spec->method) != CURLE_OK) {
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    return 0;
}

/* The method and the URL without what may be secret. */
static void set_label(struct http_call *call, const struct http_spec *spec)
{
    const char *rest = strstr(spec->url, "://");
    rest = rest ? rest + 3 : spec->url;
    size_t scheme = (size_t)(rest - spec->url);
    size_t host = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', host);
    if (at != NULL) {
        rest = at + 1;
    }
    (void)snprintf(call->label, sizeof call->label, "%s %.*s%.*s", spec->method, (int)scheme,
                   spec->url, (int)strcspn(rest, "?#"), rest);
}

static int set_up(struct http_call *call, const struct http_spec *spec, struct err *e)
{
    CURL *easy = call->easy;
    int rc = curl_pump_prepare(easy, spec->url, spec->ca_file, e);
    if (rc == 0) {
        rc = set_method(call, spec, e);
    }
    if (rc == 0) {
        rc = add_headers(call, spec, e);
    }
    if (rc != 0) {
        return rc;
    }
    int64_t timeout = spec->timeout_ms > 0 ? spec->timeout_ms : DEFAULT_TIMEOUT_MS;
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (curl_multi_add_handle(curl_pump_multi(call->client->pump), easy) != CURLM_OK) {
        return err_set(e, ERR_FAILED, "%s: the HTTP library refused the request", call->label);
    }
    return 0;
}

int http_start(struct http_client *c, const struct http_spec *spec, http_fn fn, void *arg,
               struct http_call **out, struct err *e)
{
    if (c->dead) {
        return err_set(e, ERR_STATE, "the HTTP client is being closed");
    }
    if (!is_token(spec->method)) {
        return err_set(e, ERR_INPUT, "a request needs a method such as GET");
    }
    struct http_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    str_init(&call->head);
    str_init(&call->answer);
    call->client = c;
    call->fn = fn;
    call->arg = arg;
    call->max_answer = spec->max_answer > 0 ? spec->max_answer : DEFAULT_MAX_ANSWER;
    call->begun_io_ns = clock_io_ns(c->loop->clock);
    call->begun_market_ms = clock_market_ms(c->loop->clock);
    set_label(call, spec);
    call->easy = curl_easy_init();
    int rc =
        call->easy ? set_up(call, spec, e) : err_set(e, ERR_NOMEM, "out of memory for a request");
    if (rc != 0) {
        call_free(call);
        return rc;
    }
    list_add(&c->live, call);
    loop_hold(c->loop);
    if (out != NULL) {
        *out = call;
    }
    return 0;
}

void http_cancel(struct http_call *call)
{
    struct http_client *c = call->client;
    if (call->over || c->dead) {
        return;
    }
    call->over = true;
    list_remove(&c->live, call);
    (void)curl_multi_remove_handle(curl_pump_multi(c->pump), call->easy);
    struct http_call **last = &c->ended;
    while (*last != NULL) {
        call->prev = *last;
        last = &(*last)->next;
    }
    *last = call;
    (void)timer_start_io(&c->later, 0);
}

const char *http_head_find(const char *head, size_t head_size, const char *name, unsigned nth,
                           size_t *n)
{
    size_t want = strlen(name);
    const char *end = head + head_size;
    *n = 0;
    while (head < end) {
        const char *eol = memchr(head, '\n', (size_t)(end - head));
        const char *next = eol ? eol + 1 : end;
        const char *stop = eol ? eol : end;
        if ((size_t)(stop - head) > want && head[want] == ':' &&
            strncasecmp(head, name, want) == 0 && nth-- == 0) {
            const char *p = head + want + 1;
            while (p < stop && (*p == ' ' || *p == '\t')) {
                p++;
            }
            while (stop > p && strchr(" \t\r", stop[-1]) != NULL) {
                stop--;
            }
            *n = (size_t)(stop - p);
            return p;
        }
        head = next;
    }
    return NULL;
}
