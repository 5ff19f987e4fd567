/* SPDX-License-Identifier: MIT
 *
 * A TCP proxy on loopback that loses answers: engine - proxy - simulator. It relays HTTP/1.1
 * message by message (and WebSockets byte by byte after their upgrade); on a schedule it passes a
 * request on, waits for the whole answer, so that it was executed, and then does something else
 * than answering. One connection to the server for each of a client's, one request at a time on it.
 * A request that was taken is passed on even when its client is gone.
 *
 *   fault_proxy --to HOST:PORT [--mode M] [--path P]... [--every N] [--times N] [--fresh]
 *               [--hold MIN:MAX] [--late MS]
 *
 *   --path   faults and holds are for paths that end so (default: /position/open, /position/close)
 *   --mode   none (default), or in place of the answer:
 *            reset (RST), fin, half (of the answer, then FIN), stall (half, then silence), garbage
 * (no HTTP), nonsense (200 without sense), late (the answer after --late ms), a status (401), pass
 * (the answer itself: matching requests are told, nothing more). drop (RST) and refuse-STATUS do
 * not pass the request on at all, delay passes it on after --late ms. Several, separated by commas,
 * take turns
 *   --every  each Nth matching request on a connection that was used before; --fresh: on any
 *   --times  so many faults at most (default: no limit)
 *   --hold   each matching request waits so many ms before it is passed on
 *
 * First line of output: the address. Then a line for each fault: "fault 3 reset /path".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS 2048
#define MAX_PATHS 8
#define MAX_MODES 16
#define MAX_MESSAGE (8u << 20)

enum state {
    IDLE,   /* reads a request */
    HELD,   /* has one, waits for `due` */
    ASKED,  /* passed it on, reads the answer */
    LATE,   /* has the answer, waits for `due` */
    TUNNEL, /* a WebSocket: bytes both ways */
    CLOSING /* writes what is left, then closes */
};

struct buf {
    char *p;
    size_t len, cap;
};

struct link {
    int client, server; /* client -1: gone, its request is still carried out */
    enum state state;
    int64_t due;       /* ms, of HELD and LATE */
    struct buf in;     /* from the client, not passed on yet */
    struct buf out;    /* to the client */
    struct buf ask;    /* to the server */
    struct buf answer; /* from the server, until it is whole */
    unsigned requests; /* passed on before the current one */
    const char *fault; /* mode of the fault that the current one gets; NULL: none */
    bool head;         /* the current one is a HEAD: its answer has no body */
    char path[160];
};

struct proxy {
    struct sockaddr_in to;
    const char *modes[MAX_MODES]; /* "none" is none */
    size_t mode_count, next_mode;
    const char *paths[MAX_PATHS];
    size_t path_count;
    long every, times, hold_min, hold_max, late;
    bool fresh;
    long seen, faults; /* matching requests; faults done */
    uint32_t chance;   /* state of the holds' generator */
    int listener;
    struct link *links[MAX_LINKS];
    size_t count;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(const char *what)
{
    fprintf(stderr, "fault_proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(struct buf *b, const char *p, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = (b->len + n) * 2;
        b->p = realloc(b->p, b->cap);
        if (b->p == NULL)
            die("memory");
    }
    memcpy(b->p + b->len, p, n);
    b->len += n;
}

static void drop(struct buf *b, size_t n)
{
    b->len -= n;
    memmove(b->p, b->p + n, b->len);
}

/* ---- messages ------------------------------------------------------------------------------ */

/* Value of a header in a head of n bytes; NULL: absent. */
static const char *header(const char *p, size_t n, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = memchr(p, '\n', n); line != NULL;
         line = memchr(line + 1, '\n', n - (size_t)(line + 1 - p))) {
        const char *at = line + 1;
        if ((size_t)(p + n - at) <= length)
            return NULL;
        if (strncasecmp(at, name, length) == 0 && at[length] == ':')
            return at + length + 1;
    }
    return NULL;
}

/* Bytes of the first whole message in b; 0: there is none yet. Only lengths, no chunks: both ends
 * here send lengths. */
static size_t whole(const struct buf *b, bool no_body)
{
    const char *end = b->len != 0 ? memmem(b->p, b->len, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        if (b->len > MAX_MESSAGE)
            die("a head without an end");
        return 0;
    }
    size_t head = (size_t)(end - b->p) + 4;
    const char *length = header(b->p, head, "content-length");
    size_t total = head + (length != NULL && !no_body ? strtoul(length, NULL, 10) : 0);
    return b->len >= total ? total : 0;
}

static int answer_status(const struct buf *b)
{
    return b->len > 12 && memcmp(b->p, "HTTP/1.1 ", 9) == 0 ? atoi(b->p + 9) : 0;
}

static void read_path(struct link *l)
{
    const char *from = memchr(l->in.p, ' ', l->in.len);
    size_t n = 0;
    if (from != NULL)
        n = strcspn(from + 1, " ?\r\n");
    if (n >= sizeof l->path)
        n = sizeof l->path - 1;
    if (from != NULL)
        memcpy(l->path, from + 1, n);
    l->path[n] = '\0';
    l->head = strncmp(l->in.p, "HEAD ", 5) == 0;
}

static bool matches(const struct proxy *x, const char *path)
{
    size_t n = strlen(path);
    for (size_t k = 0; k < x->path_count; k++) {
        size_t m = strlen(x->paths[k]);
        if (n >= m && strcmp(path + n - m, x->paths[k]) == 0)
            return true;
    }
    return false;
}

/* ---- sockets ------------------------------------------------------------------------------- */

static void reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

static void forget_client(struct link *l)
{
    if (l->client >= 0)
        close(l->client);
    l->client = -1;
    l->out.len = 0;
}

/* Reads what there is; false: the other side has closed. */
static bool take(int fd, struct buf *b)
{
    char chunk[65536];
    for (;;) {
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n > 0)
            add(b, chunk, (size_t)n);
        else
            return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
}

static bool give(int fd, struct buf *b)
{
    while (b->len != 0) {
        ssize_t n = send(fd, b->p, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        drop(b, (size_t)n);
    }
    return true;
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void accept_one(struct proxy *x)
{
    int client = accept4(x->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (x->count == MAX_LINKS || server < 0 ||
        connect(server, (struct sockaddr *)&x->to, sizeof x->to) != 0) {
        if (server >= 0)
            close(server);
        reset(client); /* as if nobody listened */
        return;
    }
    no_delay(client);
    no_delay(server);
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        die("memory");
    l->client = client;
    l->server = server;
    x->links[x->count++] = l;
}

static void link_free(struct link *l)
{
    if (l->client >= 0)
        close(l->client);
    if (l->server >= 0)
        close(l->server);
    free(l->in.p);
    free(l->out.p);
    free(l->ask.p);
    free(l->answer.p);
    free(l);
}

/* ---- faults -------------------------------------------------------------------------------- */

static void tell(struct proxy *x, const struct link *l)
{
    printf("fault %ld %s %s\n", ++x->faults, l->fault, l->path);
    fflush(stdout);
}

static void add_status(struct link *l, const char *status)
{
    char text[200];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s Fault\r\nContent-Type: application/json\r\n%s"
                     "Content-Length: 24\r\n\r\n{\"errorMessage\":\"proxy\"}\n",
                     status, strcmp(status, "429") == 0 ? "Retry-After: 1\r\n" : "");
    add(&l->out, text, (size_t)n);
}

/* In place of the answer of n bytes. */
static void spoil(struct proxy *x, struct link *l, size_t n)
{
    static const char garbage[] = "\x16\x03\x01 this is not HTTP\r\n\r\n";
    static const char nonsense[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"status\":\"OK";
    tell(x, l);
    l->state = IDLE;
    if (strcmp(l->fault, "reset") == 0 || strcmp(l->fault, "drop") == 0) {
        if (l->client >= 0)
            reset(l->client);
        l->client = -1;
    } else if (strcmp(l->fault, "fin") == 0) {
        l->state = CLOSING;
    } else if (strcmp(l->fault, "half") == 0) {
        add(&l->out, l->answer.p, n - n / 8);
        l->state = CLOSING;
    } else if (strcmp(l->fault, "stall") == 0) {
        add(&l->out, l->answer.p, n - n / 8);
    } else if (strcmp(l->fault, "garbage") == 0) {
        add(&l->out, garbage, sizeof garbage - 1);
        l->state = CLOSING;
    } else if (strcmp(l->fault, "pass") == 0) {
        add(&l->out, l->answer.p, n);
    } else if (strcmp(l->fault, "nonsense") == 0) {
        add(&l->out, nonsense, sizeof nonsense - 1);
    } else if (strcmp(l->fault, "late") == 0) {
        l->state = LATE;
        l->due = now_ms() + x->late;
        return; /* keeps the answer */
    } else {
        add_status(l, strncmp(l->fault, "refuse-", 7) == 0 ? l->fault + 7 : l->fault);
    }
    drop(&l->answer, n);
}

/* The fault that a matching request gets; NULL: none. */
static const char *choose_fault(struct proxy *x, const struct link *l)
{
    if (strcmp(x->modes[0], "none") == 0 || (l->requests == 0 && !x->fresh))
        return NULL;
    if (x->times > 0 && x->faults >= x->times)
        return NULL;
    return ++x->seen % x->every == 0 ? x->modes[x->next_mode++ % x->mode_count] : NULL;
}

static bool passes_nothing(const char *mode)
{
    return strcmp(mode, "drop") == 0 || strncmp(mode, "refuse-", 7) == 0;
}

static int64_t hold_ms(struct proxy *x)
{
    x->chance = x->chance * 1664525u + 1013904223u;
    return x->hold_min + (int64_t)((x->chance >> 8) % (uint32_t)(x->hold_max - x->hold_min + 1));
}

/* ---- one link ------------------------------------------------------------------------------ */

static void pass_on(struct link *l)
{
    size_t n = whole(&l->in, false);
    add(&l->ask, l->in.p, n);
    drop(&l->in, n);
    l->state = ASKED;
    l->requests++;
}

static void begin_request(struct proxy *x, struct link *l)
{
    size_t n = whole(&l->in, false);
    if (n == 0)
        return;
    read_path(l);
    bool matching = matches(x, l->path);
    l->fault = matching ? choose_fault(x, l) : NULL;
    if (l->fault != NULL && passes_nothing(l->fault)) {
        drop(&l->in, n);
        spoil(x, l, 0);
        return;
    }
    l->state = HELD;
    l->due = matching && x->hold_max > 0 ? now_ms() + hold_ms(x) : 0;
    if (l->fault != NULL && strcmp(l->fault, "delay") == 0) {
        tell(x, l);
        l->due = now_ms() + x->late;
        l->fault = NULL; /* its answer is as it should be */
    }
}

static void finish_answer(struct proxy *x, struct link *l)
{
    if (answer_status(&l->answer) == 101) {
        add(&l->out, l->answer.p, l->answer.len);
        l->answer.len = 0;
        l->state = TUNNEL;
        return;
    }
    size_t n = whole(&l->answer, l->head);
    if (n == 0)
        return;
    if (l->fault != NULL) {
        spoil(x, l, n);
        return;
    }
    add(&l->out, l->answer.p, n);
    drop(&l->answer, n);
    l->state = IDLE;
}

/* Moves it on as far as it goes now; false: it is over. */
static bool step(struct proxy *x, struct link *l)
{
    enum state before;
    do {
        before = l->state;
        if (l->state == IDLE)
            begin_request(x, l);
        if (l->state == HELD && now_ms() >= l->due)
            pass_on(l);
        if (l->state == ASKED)
            finish_answer(x, l);
        if (l->state == LATE && now_ms() >= l->due) {
            add(&l->out, l->answer.p, l->answer.len);
            l->answer.len = 0;
            l->state = IDLE;
        }
        if (l->state == TUNNEL) {
            add(&l->ask, l->in.p, l->in.len);
            add(&l->out, l->answer.p, l->answer.len);
            l->in.len = l->answer.len = 0;
        }
    } while (l->state != before);
    if (!give(l->server, &l->ask))
        return false;
    if (l->client >= 0 && !give(l->client, &l->out))
        forget_client(l);
    if (l->client < 0)
        return l->state == HELD || l->state == ASKED;
    return l->state != CLOSING || l->out.len != 0;
}

static bool ready(struct proxy *x, struct link *l, short client, short server)
{
    if (server != 0 && !take(l->server, &l->answer)) {
        if (l->state != ASKED || whole(&l->answer, l->head) == 0)
            return false;
        bool alive = step(x, l); /* its last answer */
        if (alive && l->client >= 0)
            (void)give(l->client, &l->out);
        return false;
    }
    if (client != 0 && l->client >= 0 && !take(l->client, &l->in)) {
        if (l->state == IDLE && whole(&l->in, false) == 0)
            return false;
        if (l->state == TUNNEL)
            return false;
        forget_client(l);
    }
    return step(x, l);
}

static int next_wait(const struct proxy *x)
{
    int64_t now = now_ms(), wait = 1000;
    for (size_t k = 0; k < x->count; k++) {
        const struct link *l = x->links[k];
        if ((l->state == HELD || l->state == LATE) && l->due - now < wait)
            wait = l->due > now ? l->due - now : 0;
    }
    return (int)wait;
}

static void turn(struct proxy *x)
{
    static struct pollfd fds[2 * MAX_LINKS + 1];
    size_t count = x->count;
    fds[0] = (struct pollfd){.fd = x->listener, .events = POLLIN};
    for (size_t k = 0; k < count; k++) {
        const struct link *l = x->links[k];
        fds[1 + 2 * k] = (struct pollfd){
            .fd = l->client, .events = (short)(POLLIN | (l->out.len != 0 ? POLLOUT : 0))};
        fds[2 + 2 * k] = (struct pollfd){
            .fd = l->server, .events = (short)(POLLIN | (l->ask.len != 0 ? POLLOUT : 0))};
    }
    if (poll(fds, 1 + 2 * count, next_wait(x)) < 0 && errno != EINTR)
        die("poll");
    size_t kept = 0;
    for (size_t k = 0; k < count; k++) {
        struct link *l = x->links[k];
        if (ready(x, l, fds[1 + 2 * k].revents, fds[2 + 2 * k].revents))
            x->links[kept++] = l;
        else
            link_free(l);
    }
    x->count = kept;
    if (fds[0].revents != 0)
        accept_one(x);
}

/* ---- start --------------------------------------------------------------------------------- */

static void listen_here(struct proxy *x)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    x->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (x->listener < 0 || bind(x->listener, (struct sockaddr *)&here, size) != 0 ||
        listen(x->listener, 512) != 0 ||
        getsockname(x->listener, (struct sockaddr *)&here, &size) != 0)
        die("listen");
    printf("127.0.0.1:%d\n", ntohs(here.sin_port));
    fflush(stdout);
}

static void usage(const char *what)
{
    fprintf(stderr, "fault_proxy: %s; see the head of fault_proxy.c\n", what);
    exit(2);
}

static void set_target(struct proxy *x, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        usage("--to wants HOST:PORT");
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    x->to.sin_family = AF_INET;
    x->to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &x->to.sin_addr) != 1)
        usage("--to wants a numeric address");
}

/* Splits "a,b,c" in place. */
static void set_modes(struct proxy *x, char *text)
{
    x->mode_count = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        if (x->mode_count == MAX_MODES)
            usage("--mode has too many words");
        x->modes[x->mode_count++] = word;
    }
    if (x->mode_count == 0)
        usage("--mode is empty");
}

static void set_option(struct proxy *x, const char *name, char *value)
{
    if (strcmp(name, "--to") == 0) {
        set_target(x, value);
    } else if (strcmp(name, "--mode") == 0) {
        set_modes(x, value);
    } else if (strcmp(name, "--path") == 0 && x->path_count < MAX_PATHS) {
        x->paths[x->path_count++] = value;
    } else if (strcmp(name, "--every") == 0) {
        x->every = atol(value) > 0 ? atol(value) : 1;
    } else if (strcmp(name, "--times") == 0) {
        x->times = atol(value);
    } else if (strcmp(name, "--late") == 0) {
        x->late = atol(value);
    } else if (strcmp(name, "--hold") == 0) {
        if (sscanf(value, "%ld:%ld", &x->hold_min, &x->hold_max) != 2 || x->hold_max < x->hold_min)
            usage("--hold wants MIN:MAX");
    } else {
        usage(name);
    }
}

int main(int argc, char **argv)
{
    static struct proxy x = {
        .modes = {"none"}, .mode_count = 1, .every = 1, .late = 1000, .chance = 7};
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--fresh") == 0)
            x.fresh = true;
        else if (k + 1 == argc)
            usage("an option without its value");
        else
            set_option(&x, argv[k], argv[k + 1]);
        k += strcmp(argv[k], "--fresh") != 0;
    }
    if (x.to.sin_port == 0)
        usage("--to is needed");
    if (x.path_count == 0) {
        x.paths[x.path_count++] = "/position/open";
        x.paths[x.path_count++] = "/position/close";
    }
    signal(SIGPIPE, SIG_IGN);
    listen_here(&x);
    for (;;)
        turn(&x);
}
