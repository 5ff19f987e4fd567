/* SPDX-License-Identifier: MIT
 *
 * The engine: market, strategies, risk, orders, journal. It holds the money and opens no port but a
 * Unix socket. Composition only: what it does with all this is lua/perigee/engine.lua.
 */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/process.h"
#include "engine/wire.h"

struct engine {
    struct loop *loop; /* not owned */
    struct host *host;
    struct stream *stream;
    struct ledger *ledger;
    struct memory *memory;
    struct market *market;
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
    log_write(g->loop->log, LOG_ERROR, "engine", "the journal failed, no new entries: %s", why);
    if (g->exec)
        exec_stop_entries(g->exec, true);
}

void engine_commit(struct engine *g)
{
    struct err e;
    stream_commit(g->stream, &e);
}

static int open_journal(struct engine *g, const struct engine_parts *parts, struct err *e)
{
    const struct settings *settings = parts->settings;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/journal", settings_text(settings, "data.dir", "var"));
    const char *sync = settings_text(settings, "journal.sync", "interval");
    struct journal_config config = {
        .folder = folder,
        .segment_size = (size_t)settings_int(settings, "journal.segment_mb", 64) << 20,
        .sync = strcmp(sync, "off") == 0      ? JOURNAL_SYNC_OFF
                : strcmp(sync, "commit") == 0 ? JOURNAL_SYNC_COMMIT
                                              : JOURNAL_SYNC_INTERVAL,
        .gate = parts->gate};
    if (!(g->stream = stream_new(g->loop, e)) || !(g->ledger = ledger_new(e)) ||
        !(g->memory = memory_new(e)))
        return e->code;
    int rc = stream_reduce(g->stream, fold, g);
    if (!rc)
        rc = stream_reduce(g->stream, memory_apply, g->memory);
    if (rc)
        return err_set(e, rc, "the event stream takes no reducer");
    stream_on_broken(g->stream, on_broken, g);
    struct journal_report report;
    rc = stream_open(g->stream, &config, &report, e);
    if (rc)
        return rc;
    /* Until a feed says what time it is, the market stands where the journal ended. */
    if (g->last_market_ms)
        clock_grant(g->loop->clock, g->last_market_ms);
    if (report.cut_bytes)
        log_write(g->loop->log, LOG_WARN, "engine", "cut a torn tail of %lld bytes off %s",
                  (long long)report.cut_bytes, report.cut_file);
    return 0;
}

static int open_exec(struct engine *g, const struct engine_parts *parts, struct err *e)
{
    const struct settings *settings = parts->settings;
    struct codec_ops codec = host_codec(g->host);
    g->remote =
        remote_new(g->loop, g->loop->log, parts->transport, parts->transport_ctx, &codec, e);
    if (!g->remote)
        return e->code;
    remote_warm_closes(
        g->remote, strcmp(settings_text(settings, "orders.close_lane", "on_demand"), "warm") == 0);
    struct exec_config config = {
        .loop = g->loop,
        .clock = g->loop->clock,
        .log = g->loop->log,
        .stream = g->stream,
        .ledger = g->ledger,
        .venue_ops = &remote_venue_ops,
        .venue = remote_venue(g->remote),
        .risk = host_risk(g->host),
        .absent_after_ms = settings_int(settings, "orders.absent_after_ms", 0),
        .late_close = strcmp(settings_text(settings, "orders.late", "adopt"), "close") == 0,
        .resend = strcmp(settings_text(settings, "orders.resend", "false"), "true") == 0,
        .close_retry_ms = settings_int(settings, "orders.close_retry_ms", 0),
        .budget_requests = (unsigned)settings_int(settings, "orders.budget_requests", 0),
        .budget_ms = settings_int(settings, "orders.budget_ms", 0)};
    if (!(g->exec = exec_new(&config, e)))
        return e->code;
    host_set_exec(g->host, g->exec, g->remote);
    return 0;
}

static int open_all(struct engine *g, const struct engine_parts *parts, struct err *e)
{
    int rc = open_journal(g, parts, e);
    if (rc)
        return rc;
    if (!(g->market = market_new(e)))
        return e->code;
    g->host->services.stream = g->stream;
    g->host->services.ledger = g->ledger;
    g->host->services.market = g->market;
    memory_register(g->memory, g->host);
    if ((rc = open_exec(g, parts, e)))
        return rc;
    rc = wire_new(&g->wire, g->loop, g->stream, g->host, parts->socket, e);
    if (rc)
        return rc;
    return exec_start(g->exec, e);
}

int engine_open(struct engine **out, const struct engine_parts *parts, struct err *e)
{
    struct engine *g = calloc(1, sizeof *g);
    if (!g) {
        host_free(parts->host);
        return err_set(e, ERR_NOMEM, "out of memory at start");
    }
    g->loop = parts->loop;
    g->host = parts->host;
    int rc = open_all(g, parts, e);
    if (rc) {
        engine_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void engine_free(struct engine *g)
{
    if (!g)
        return;
    wire_free(g->wire);
    if (g->exec)
        exec_stop_entries(g->exec, true);
    /* The host goes first: batches and waiting tasks that it owns hold on to exec. */
    host_free(g->host);
    if (g->remote) /* ends the calls in flight, which exec then journals */
        remote_free(g->remote);
    if (g->exec)
        exec_free(g->exec);
    stream_free(g->stream);
    if (g->market)
        market_free(g->market);
    memory_free(g->memory);
    if (g->ledger)
        ledger_free(g->ledger);
    free(g);
}

/* ---- the process ---- */

/* A second signal: what was emitted reaches the kernel before the process is gone. */
static void hurry(void *arg)
{
    engine_commit(arg);
}

int engine_main(const struct process_options *options)
{
    struct process p;
    struct err e = {0};
    if (process_init(&p, options, &e))
        return process_fail(&e);
    struct engine *g = NULL;
    struct transport_curl *transport = transport_curl_new(&p.loop, NULL, &e);
    int code;
    if (transport) {
        struct engine_parts parts = {
            .loop = &p.loop,
            .host = p.host,
            .settings = p.settings,
            .transport = &transport_curl_ops,
            .transport_ctx = transport,
            .socket = settings_text(p.settings, "engine.socket", "var/engine.sock")};
        if (engine_open(&g, &parts, &e))
            p.host = NULL;
    }
    if (g) {
        p.hurry = hurry;
        p.hurry_arg = g;
        code = process_run(&p, options);
        p.host = NULL;
        engine_free(g);
    } else {
        code = process_fail(&e);
    }
    if (transport)
        transport_curl_free(transport);
    process_fini(&p);
    return code;
}
