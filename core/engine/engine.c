/* SPDX-License-Identifier: MIT
 *
 * The engine: market, strategies, risk, orders, journal. It holds the money and opens no port but a
 * Unix socket. Composition only: what it does with all this is lua/perigee/engine.lua.
 */
#include <stdio.h>
#include <string.h>

#include "engine/process.h"
#include "engine/wire.h"

struct engine {
    struct process process;
    struct stream *stream;
    struct ledger *ledger;
    struct market *market;
    struct transport_curl *transport;
    struct remote *remote;
    struct exec *exec;
    struct wire *wire;
    int64_t last_market_ms; /* of the newest event; 0: none */
};

static int fold(void *arg, const struct event *ev, struct err *e)
{
    struct engine *g = arg;
    g->last_market_ms = ev->market_ms;
    return ledger_apply(g->ledger, ev, e);
}

static void on_broken(void *arg, const char *why)
{
    struct engine *g = arg;
    log_write(g->process.log, LOG_ERROR, "engine", "the journal failed, no new entries: %s", why);
    if (g->exec)
        exec_stop_entries(g->exec, true);
}

/* A second signal: what was emitted reaches the kernel before the process is gone. */
static void hurry(void *arg)
{
    struct engine *g = arg;
    struct err e;
    if (g->stream)
        stream_commit(g->stream, &e);
}

static int open_journal(struct engine *g, struct err *e)
{
    struct process *p = &g->process;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/journal", settings_text(p->settings, "data.dir", "var"));
    const char *sync = settings_text(p->settings, "journal.sync", "interval");
    struct journal_config config = {
        .folder = folder,
        .segment_size = (size_t)settings_int(p->settings, "journal.segment_mb", 64) << 20,
        .sync = strcmp(sync, "off") == 0      ? JOURNAL_SYNC_OFF
                : strcmp(sync, "commit") == 0 ? JOURNAL_SYNC_COMMIT
                                              : JOURNAL_SYNC_INTERVAL};
    if (!(g->stream = stream_new(&p->loop, e)) || !(g->ledger = ledger_new(e)))
        return e->code;
    int rc = stream_reduce(g->stream, fold, g);
    if (rc)
        return err_set(e, rc, "the event stream takes no reducer");
    stream_on_broken(g->stream, on_broken, g);
    struct journal_report report;
    rc = stream_open(g->stream, &config, &report, e);
    if (rc)
        return rc;
    /* Until a feed says what time it is, the market stands where the journal ended. */
    if (g->last_market_ms)
        clock_grant(&p->clock, g->last_market_ms);
    if (report.cut_bytes)
        log_write(p->log, LOG_WARN, "engine", "cut a torn tail of %lld bytes off %s",
                  (long long)report.cut_bytes, report.cut_file);
    return 0;
}

static int open_exec(struct engine *g, struct err *e)
{
    struct process *p = &g->process;
    if (!(g->transport = transport_curl_new(&p->loop, NULL, e)))
        return e->code;
    struct codec_ops codec = host_codec(p->host);
    g->remote = remote_new(&p->loop, p->log, &transport_curl_ops, g->transport, &codec, e);
    if (!g->remote)
        return e->code;
    struct exec_config config = {
        .loop = &p->loop,
        .clock = &p->clock,
        .log = p->log,
        .stream = g->stream,
        .ledger = g->ledger,
        .venue_ops = &remote_venue_ops,
        .venue = remote_venue(g->remote),
        .risk = host_risk(p->host),
        .absent_after_ms = settings_int(p->settings, "orders.absent_after_ms", 0),
        .close_retry_ms = settings_int(p->settings, "orders.close_retry_ms", 0),
        .budget_requests = (unsigned)settings_int(p->settings, "orders.budget_requests", 0),
        .budget_ms = settings_int(p->settings, "orders.budget_ms", 0)};
    if (!(g->exec = exec_new(&config, e)))
        return e->code;
    host_set_exec(p->host, g->exec, g->remote);
    return 0;
}

static int engine_init(struct engine *g, const struct process_options *options, struct err *e)
{
    struct process *p = &g->process;
    int rc = process_init(p, options, e);
    if (rc)
        return rc;
    p->hurry = hurry;
    p->hurry_arg = g;
    if ((rc = open_journal(g, e)))
        return rc;
    if (!(g->market = market_new(e)))
        return e->code;
    p->host->services.stream = g->stream;
    p->host->services.ledger = g->ledger;
    p->host->services.market = g->market;
    if ((rc = open_exec(g, e)))
        return rc;
    rc = wire_new(&g->wire, &p->loop, g->stream, p->host,
                  settings_text(p->settings, "engine.socket", "var/engine.sock"), e);
    if (rc)
        return rc;
    return exec_start(g->exec, e);
}

static void engine_fini(struct engine *g)
{
    struct process *p = &g->process;
    wire_free(g->wire);
    if (g->exec)
        exec_stop_entries(g->exec, true);
    /* The host goes first: batches and waiting tasks that it owns hold on to exec. */
    if (p->host) {
        host_free(p->host);
        p->host = NULL;
    }
    if (g->remote) /* ends the calls in flight, which exec then journals */
        remote_free(g->remote);
    if (g->exec)
        exec_free(g->exec);
    if (g->transport)
        transport_curl_free(g->transport);
    if (g->stream)
        stream_free(g->stream);
    if (g->market)
        market_free(g->market);
    if (g->ledger)
        ledger_free(g->ledger);
    process_fini(p);
}

int engine_main(const struct process_options *options)
{
    struct engine g;
    struct err e = {0};
    memset(&g, 0, sizeof g);
    if (engine_init(&g, options, &e)) {
        engine_fini(&g);
        return process_fail(&e);
    }
    int code = process_run(&g.process, options);
    engine_fini(&g);
    return code;
}
