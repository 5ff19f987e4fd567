/* SPDX-License-Identifier: MIT
 *
 * HTTP exchanges by libcurl. One easy handle for each call, connections kept by the multi.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "io/curl_pump.h"
#include "io/http_inner.h"

struct curl_call {
    struct http_call call; /* first member */
    CURL *easy;
    struct curl_slist *headers;
    void *body;        /* copy of what is sent */
    struct str head;   /* header lines of the answer */
    struct str answer; /* its body */
    bool too_large;
    bool no_memory;
    bool head_ended; /* the empty line was seen: libcurl takes a head cut short for an answer */
    char error[CURL_ERROR_SIZE];
};

struct curl_client {
    struct http_client client; /* first member */
    struct curl_pump *pump;
};

static struct curl_call *of_call(struct http_call *call)
{
    return (struct curl_call *)(void *)call;
}

static struct curl_client *of_client(struct http_client *c)
{
    return (struct curl_client *)(void *)c;
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct curl_client *c = arg;
    struct curl_call *x = NULL;
    char message[512] = "";
    long status = 0;
    curl_off_t connected = 0, secured = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&x);
    (void)curl_multi_remove_handle(curl_pump_multi(c->pump), easy);
    int error = x->too_large ? ERR_LIMIT : x->no_memory ? ERR_NOMEM : curl_pump_error(result);
    if (error == 0 && !x->head_ended) {
        error = ERR_CLOSED;
        result = CURLE_PARTIAL_FILE;
    }
    struct http_answer a = {.error = error, .message = message, .head = "", .body = ""};
    if (error == ERR_LIMIT) {
        (void)snprintf(message, sizeof message, "%s: the answer is larger than %zu bytes",
                       x->call.label, x->call.max_answer);
    } else if (error != 0) {
        /* Only these details name nothing but hosts, ports and certificates. */
        bool plain = error == ERR_UNREACHABLE && x->error[0] != '\0';
        (void)snprintf(message, sizeof message, "%s: %s", x->call.label,
                       error == ERR_NOMEM ? "out of memory"
                       : plain            ? x->error
                                          : curl_easy_strerror(result));
    } else {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
        (void)curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &secured);
        a.connect_us = connected;
        a.tls_us = secured;
        a.status = (int)status;
        a.head = x->head.p ? x->head.p : "";
        a.head_size = x->head.len;
        a.body = x->answer.p ? x->answer.p : "";
        a.body_size = x->answer.len;
    }
    http_ended(&x->call, &a);
}

/* ---- what libcurl calls ---- */

static bool fits(struct curl_call *x, size_t n)
{
    if (x->head.len + x->answer.len + n > x->call.max_answer) {
        x->too_large = true;
    }
    return !x->too_large;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct curl_call *x = arg;
    size_t n = size * count;
    if (!fits(x, n)) {
        return 0;
    }
    str_add(&x->answer, p, n);
    x->no_memory = x->answer.failed;
    return x->no_memory ? 0 : n;
}

/* Line by line. A status line begins a new answer: after an interim one or a proxy's. */
static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    struct curl_call *x = arg;
    size_t n = size * count;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
        str_clear(&x->head);
        x->head_ended = false;
        return n;
    }
    if (n <= 2 && memchr(p, '\n', n) != NULL) {
        x->head_ended = true;
        return n;
    }
    if (!fits(x, n)) {
        return 0;
    }
    str_add(&x->head, p, n);
    x->no_memory = x->head.failed;
    return x->no_memory ? 0 : n;
}

/* ---- beginning ---- */

static int add_header(struct curl_call *x, const char *line)
{
    struct curl_slist *list = curl_slist_append(x->headers, line);
    if (list == NULL) {
        return ERR_NOMEM;
    }
    x->headers = list;
    return 0;
}

static int add_headers(struct curl_call *x, const struct http_spec *spec, struct err *e)
{
    struct str line;
    bool typed = false;
    int rc = http_check_headers(&x->call, spec, e);
    if (rc != 0) {
        return rc;
    }
    str_init(&line);
    for (size_t i = 0; i < spec->header_count && rc == 0; i++) {
        const struct http_header *h = &spec->headers[i];
        typed = typed || strcasecmp(h->name, "Content-Type") == 0;
        str_clear(&line);
        str_addz(&line, h->name);
        str_addz(&line, h->value[0] ? ": " : ";"); /* libcurl's way to an empty value */
        str_addz(&line, h->value);
        rc = line.failed ? ERR_NOMEM : add_header(x, line.p);
    }
    str_fini(&line);
    if (rc == 0) {
        rc = add_header(x, "Expect:"); /* never wait for a 100 */
    }
    if (rc == 0 && !typed) {
        rc = add_header(x, "Content-Type:"); /* libcurl would call it a form */
    }
    if (rc != 0) {
        return err_set(e, rc, "out of memory for a request");
    }
    (void)curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
    return 0;
}

static int set_method(struct curl_call *x, const struct http_spec *spec, struct err *e)
{
    if (strcmp(spec->method, "HEAD") == 0) {
        (void)curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
        return 0;
    }
    if (http_sends_body(spec)) {
        size_t n = spec->body ? spec->body_size : 0;
        x->body = malloc(n + 1);
        if (x->body == NULL) {
            return err_set(e, ERR_NOMEM, "out of memory for a request's body");
        }
        if (n > 0) {
            memcpy(x->body, spec->body, n);
        }
        (void)curl_easy_setopt(x->easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, x->body);
        (void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
    }
    if (curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, spec->method) != CURLE_OK) {
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    return 0;
}

static int curl_begin(struct http_call *call, const struct http_spec *spec, struct err *e)
{
    struct curl_call *x = of_call(call);
    str_init(&x->head);
    str_init(&x->answer);
    CURL *easy = x->easy = curl_easy_init();
    if (easy == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    }
    int rc = curl_pump_prepare(easy, spec->url, spec->ca_file, e);
    if (rc == 0) {
        rc = set_method(x, spec, e);
    }
    if (rc == 0) {
        rc = add_headers(x, spec, e);
    }
    if (rc != 0) {
        return rc;
    }
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)http_timeout_ms(spec));
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, spec->once ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (curl_multi_add_handle(curl_pump_multi(of_client(call->client)->pump), easy) != CURLM_OK) {
        return err_set(e, ERR_FAILED, "%s: the HTTP library refused the request", call->label);
    }
    return 0;
}

static void curl_abort(struct http_call *call)
{
    (void)curl_multi_remove_handle(curl_pump_multi(of_client(call->client)->pump),
                                   of_call(call)->easy);
}

static void curl_fini(struct http_call *call)
{
    struct curl_call *x = of_call(call);
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    free(x->body);
    str_fini(&x->head);
    str_fini(&x->answer);
}

static void curl_client_free(struct http_client *c)
{
    curl_pump_free(of_client(c)->pump);
    free(c);
}

static const struct http_transfer_ops curl_ops = {
    .call_size = sizeof(struct curl_call),
    .begin = curl_begin,
    .abort = curl_abort,
    .fini = curl_fini,
    .free = curl_client_free,
};

struct http_client *http_client_new(struct loop *l, unsigned max_connections, struct err *e)
{
    struct curl_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for an HTTP client");
        return NULL;
    }
    c->pump = curl_pump_new(l, on_done, c, e);
    if (c->pump == NULL) {
        free(c);
        return NULL;
    }
    http_client_init(&c->client, l, &curl_ops);
    CURLM *multi = curl_pump_multi(c->pump);
    long most = max_connections > 0 ? (long)max_connections : 64L;
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    return &c->client;
}
