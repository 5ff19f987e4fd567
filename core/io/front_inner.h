/* SPDX-License-Identifier: MIT
 *
 * What the files of the HTTP front share: the request, the parser layer (bytes in, whole requests
 * out, no sockets), the connection, the server.
 *
 * Order of a connection's life: front_conn.c gets bytes of its stream (front_net.h), front_parse.c
 * makes requests of them, the handler answers, front_answer.c encodes, front_conn.c lets the
 * answers leave in order.
 */
#ifndef PERIGEE_IO_FRONT_INNER_H
#define PERIGEE_IO_FRONT_INNER_H

#include <http_parser.h>
#include <netinet/in.h>

#include "base/str.h"
#include "io/front.h"
#include "io/front_net.h"

#define FRONT_PEER_MAX INET6_ADDRSTRLEN

/* What becomes of the connection once an answer has left. */
enum front_after { FRONT_KEEP, FRONT_FIN, FRONT_RESET };

struct front_field {
    char *name;          /* inside the request's head; NUL-terminated once the head is read */
    char *value;         /* the same; without white space around it */
    uint32_t name_size;  /* bytes */
    uint32_t value_size; /* bytes */
};

struct front_request {
    struct front *front;                         /* whose live list holds it */
    struct front_conn *conn;                     /* NULL once the connection is gone */
    struct front_request *next;                  /* the one after it on the same connection */
    struct front_request *live_prev, *live_next; /* all requests of the front not yet freed */
    const char *method;                          /* static text */
    char *path, *query;                          /* inside the head */
    size_t field_count;                          /* fields in use */
    size_t field_cap;                            /* fields there is room for */
    struct front_field *fields;                  /* behind this struct, in the same block */
    char *head;                                  /* copy of the raw head, behind the fields */
    struct str body;                             /* whole body, without transfer coding */
    struct str answer;                           /* encoded answer that waits for its turn */
    enum front_after after;                      /* valid once answered */
    unsigned nth;                                /* requests before it on its connection */
    bool answered;                               /* the handler is done with it */
    bool gone;                                   /* the client has ended its side */
    bool keep_alive;                             /* the client lets the connection live on */
    bool old;                                    /* HTTP/1.0 */
    bool upgrade;                                /* speaks of WebSocket */
    char *tag;                                   /* of an upgrade (front_set_tag); owned */
    char peer[FRONT_PEER_MAX];                   /* address of the client */
};

/* The parser layer. Feed it with front_parser_step until it asks for more. */
struct front_parser {
    http_parser http;
    size_t max_head, max_body;     /* bytes */
    struct front_request *request; /* head read, body still coming; NULL between requests */
    size_t searched;               /* bytes of an unfinished head that were checked already */
    size_t lines;                  /* line ends among them */
    size_t body_bytes;             /* raw bytes of the body so far, framing included */
    size_t skip;                   /* empty lines seen before this request */
    bool in_head;                  /* http is fed with the head: field callbacks count */
    bool done;                     /* the message is complete */
    int refusal;                   /* status for a request that is refused; 0: none */
    const char *reason;            /* half a sentence for the client */
};

enum front_step {
    FRONT_NEED,     /* wants more bytes; unused ones must be kept and given again */
    FRONT_REQUEST,  /* *out is a whole request, owned by the caller */
    FRONT_CONTINUE, /* the client waits for "100 Continue" before it sends the body */
    FRONT_REFUSED   /* refusal and reason are set; nothing more can be read */
};

void front_parser_init(struct front_parser *p, size_t max_head, size_t max_body);
void front_parser_fini(struct front_parser *p);
enum front_step front_parser_step(struct front_parser *p, const char *bytes, size_t n, size_t *used,
                                  struct front_request **out);
void front_request_free(struct front_request *r); /* unlinks it nowhere */
/* Is `token` one of the comma-separated words in any header called name? */
bool front_has_token(const struct front_request *r, const char *name, const char *token);
unsigned front_header_count(const struct front_request *r, const char *name);
bool front_is_token(const char *p, size_t n); /* a token of RFC 9110, at least one byte */

/* Checks a WebSocket handshake (RFC 6455, 4.2.1). 0, or the status to refuse with. */
int front_handshake_check(const struct front_request *r, const char **reason);
/* An Origin, where there is one, names the same authority as Host. */
bool front_same_origin(const struct front_request *r);
/* The handshake as libwebsockets gets it: only what it needs, nothing the client made up but the
 * checked key. */
void front_handshake_write(const struct front_request *r, struct str *out);

enum conn_state {
    CONN_OPEN,   /* requests are read */
    CONN_LAST,   /* the last answer is leaving; what comes in is dropped */
    CONN_LINGER, /* our side is shut; waits for the client's end so that no RST eats the answer */
    CONN_CLOSED  /* its stream is being closed */
};

struct front_conn {
    const struct front_net_ops *net;
    struct front *front;
    struct front_conn *prev, *next; /* all connections of the front */
    struct front_parser parser;
    struct front_request *first, *last; /* requests whose answer has not left, oldest first */
    unsigned waiting;                   /* how many */
    unsigned taken;                     /* requests so far */
    struct str in;                      /* bytes read and not yet parsed */
    struct str out;                     /* bytes to write */
    struct str writing;                 /* what the stream could not take at once */
    size_t write_left;                  /* bytes of it that had not left at the last sweep */
    int64_t write_since;                /* io ns of its last progress */
    int64_t began;                      /* io ns when the unfinished request began; 0: none */
    int64_t since;                      /* io ns: idle since, or lingering since */
    enum conn_state state;
    enum front_after after; /* how it ends; valid in CONN_LAST */
    bool write_busy;        /* the stream holds `writing` */
    bool parsing;           /* inside the parse loop: no second one */
    bool reading;           /* the stream reads */
    bool sated;             /* its last request was taken: nothing more is parsed */
    bool eof;               /* the client has ended its side */
    bool continue_due;      /* owes "100 Continue" after the answers before it */
    bool fresh;             /* no byte was read yet */
    char peer[FRONT_PEER_MAX];
};

static inline void *front_stream_of(const struct front_conn *c)
{
    return (void *)(uintptr_t)(c + 1);
}

struct front {
    struct loop *loop;
    struct front_config config; /* limits filled in */
    front_fn fn;
    void *arg;
    const struct front_net_ops *net;
    void *listener;                 /* the net's */
    struct front_conn *conns;       /* all open ones */
    struct front_request *requests; /* all not yet freed */
    unsigned count;                 /* open connections */
    unsigned handles;               /* streams not yet gone, and the listener */
    bool freed;                     /* front_free was called: freed with the last handle */
    struct timer sweep;             /* deadlines; runs only while there are connections */
    int64_t sweep_ms;               /* its period */
    int64_t idle_ms;                /* of the configuration, which front_set_idle changes */
    uint16_t port;
    int64_t date_s; /* second that `date` was made for */
    char date[48];  /* "Date: ...\r\n" */
    char address[FRONT_PEER_MAX + 10];
    char buffer[65536]; /* where reads go; its content never outlives a read callback */
};

/* Encodes an answer to r. The rule for bad headers is in front.h. *after: what follows. */
void front_encode(struct front *f, const struct front_request *r, int status,
                  const struct http_header *headers, size_t header_count, const void *body,
                  size_t n, struct str *out, enum front_after *after);

void conn_close(struct front_conn *c);
/* r was answered (r->after is set, its bytes are in r->answer): lets go what may. */
void conn_answered(struct front_conn *c);
/* Refuses: queues an answer behind those that wait and ends the connection after it. */
void conn_refuse(struct front_conn *c, int status, const char *reason);
void conn_sweep(struct front_conn *c, int64_t now);
void front_unlink(struct front *f, struct front_request *r);

#endif
