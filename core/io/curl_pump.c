/* SPDX-License-Identifier: MIT
 *
 * libcurl's multi_socket interface on the loop.
 *
 * On CURL_POLL_REMOVE the uv_poll is stopped and closed at once, because libcurl closes the socket
 * next, and freed in its close callback. A pump that is freed from one of its callbacks goes when
 * the outermost one has returned.
 */
#include "io/curl_pump.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct pump_poll {
    uv_poll_t uv;
    struct curl_pump *pump; /* NULL: removed, waits for its close callback */
    curl_socket_t fd;
    struct pump_poll *next; /* in the pump's list */
    struct pump_poll *prev;
};

struct curl_pump {
    struct loop *loop;
    CURLM *multi;
    curl_pump_fn fn;
    void *arg;
    struct timer timer;      /* libcurl's own time-outs */
    struct pump_poll *polls; /* sockets watched */
    unsigned depth;          /* callbacks of the loop that are being served */
    bool dead;               /* freed while depth > 0 */
};

static void destroy(struct curl_pump *p);

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void poll_remove(struct pump_poll *w)
{
    struct curl_pump *p = w->pump;
    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        p->polls = w->next;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    w->pump = NULL;
    uv_poll_stop(&w->uv);
    uv_close((uv_handle_t *)&w->uv, on_poll_closed);
}

/* Reports what has ended. False when the pump was freed meanwhile. */
static bool harvest(struct curl_pump *p)
{
    int left = 0;
    CURLMsg *m = NULL;
    while (!p->dead && (m = curl_multi_info_read(p->multi, &left)) != NULL) {
        if (m->msg == CURLMSG_DONE) {
            p->fn(p->arg, m->easy_handle, m->data.result);
        }
    }
    return !p->dead;
}

static void act(struct curl_pump *p, curl_socket_t fd, int flags)
{
    int running = 0;
    p->depth++;
    (void)curl_multi_socket_action(p->multi, fd, flags, &running);
    (void)harvest(p);
    p->depth--;
    if (p->dead && p->depth == 0) {
        destroy(p);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct pump_poll *w = handle->data;
    int flags = 0;
    if (w->pump == NULL) {
        return;
    }
    if (status < 0) {
        /* Without IN libcurl would not read: neither the answer that came before a reset, nor the
         * error by which it knows that a kept connection had died. */
        flags = CURL_CSELECT_IN | CURL_CSELECT_ERR;
    } else {
        flags |= (events & UV_READABLE) ? CURL_CSELECT_IN : 0;
        flags |= (events & UV_WRITABLE) ? CURL_CSELECT_OUT : 0;
    }
    act(w->pump, w->fd, flags);
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static struct pump_poll *poll_add(struct curl_pump *p, curl_socket_t fd)
{
    struct pump_poll *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    if (uv_poll_init_socket(&p->loop->uv, &w->uv, fd) != 0) {
        free(w);
        return NULL;
    }
    w->uv.data = w;
    w->pump = p;
    w->fd = fd;
    w->next = p->polls;
    if (p->polls != NULL) {
        p->polls->prev = w;
    }
    p->polls = w;
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct curl_pump *p = arg;
    struct pump_poll *w = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            (void)curl_multi_assign(p->multi, fd, NULL);
            poll_remove(w);
        }
        return 0;
    }
    if (w == NULL) {
        w = poll_add(p, fd);
        if (w == NULL) {
            log_write(p->loop->log, LOG_ERROR, "http", "cannot watch a socket");
            return -1; /* libcurl ends its transfers */
        }
        (void)curl_multi_assign(p->multi, fd, w);
    }
    int events = 0;
    events |= (what & CURL_POLL_IN) ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) ? UV_WRITABLE : 0;
    return uv_poll_start(&w->uv, events, on_poll) == 0 ? 0 : -1;
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    struct curl_pump *p = arg;
    (void)multi;
    if (ms < 0) {
        timer_stop(&p->timer);
        return 0;
    }
    return timer_start_io(&p->timer, ms) == 0 ? 0 : -1;
}

struct curl_pump *curl_pump_new(struct loop *l, curl_pump_fn fn, void *arg, struct err *e)
{
    struct curl_pump *p = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        p = calloc(1, sizeof *p);
    }
    if (p != NULL) {
        p->multi = curl_multi_init();
    }
    if (p == NULL || p->multi == NULL) {
        free(p);
        (void)err_set(e, ERR_NOMEM, "cannot set up the HTTP library: out of memory");
        return NULL;
    }
    p->loop = l;
    p->fn = fn;
    p->arg = arg;
    timer_init(&p->timer, l, on_timer, p);
    (void)curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    (void)curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    return p;
}

static void destroy(struct curl_pump *p)
{
    (void)curl_multi_cleanup(p->multi); /* calls back to remove its sockets */
    while (p->polls != NULL) {
        poll_remove(p->polls);
    }
    timer_stop(&p->timer);
    free(p);
}

void curl_pump_free(struct curl_pump *p)
{
    if (p == NULL) {
        return;
    }
    if (p->depth > 0) {
        p->dead = true;
    } else {
        destroy(p);
    }
}

CURLM *curl_pump_multi(struct curl_pump *p)
{
    return p->multi;
}

/* Is the URL's host this machine? A proxy from the environment must not come between. */
static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcasecmp(host, "localhost") == 0 ||
           strcmp(host, "[::1]") == 0;
}

int curl_pump_prepare(CURL *easy, const char *url, const char *ca_file, struct err *e)
{
    char *host = NULL;
    CURLU *u = curl_url();
    if (u == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a URL");
    }
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        curl_url_cleanup(u);
        return err_set(e, ERR_INPUT, "not an http(s) URL: %.*s", (int)strcspn(url, "?#"), url);
    }
    bool local = is_loopback(host);
    curl_free(host);
    curl_url_cleanup(u);
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (rc == CURLE_OK && ca_file != NULL) {
        rc = curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    }
    if (rc == CURLE_OK && local) {
        rc = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    }
    if (rc != CURLE_OK) {
        return err_set(e, ERR_NOMEM, "cannot set up a transfer: %s", curl_easy_strerror(rc));
    }
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    /* Whatever the system's own settings allow: nothing older than TLS 1.2 sees a password. */
    rc = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rc != CURLE_OK)
        return err_set(e, ERR_FAILED, "cannot ask for TLS 1.2 or newer: %s",
                       curl_easy_strerror(rc));
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* A name that is still being resolved is left to its thread: removing the handle would wait. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return 0;
}

int curl_pump_error(CURLcode result)
{
    switch ((int)result) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PROXY:
        return ERR_UNREACHABLE;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return ERR_CLOSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERR_INPUT;
    case CURLE_FILESIZE_EXCEEDED:
        return ERR_LIMIT;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        return ERR_FAILED;
    }
}
