/* SPDX-License-Identifier: MIT
 *
 * lua, sim-control, plan, show-config and journal: verbs that run in the foreground and end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "engine/process.h"
#include "store/journal.h"

static const struct cli_option no_options[] = {{NULL, NULL, NULL, NULL}};

/* Runs a file with its arguments; what it returns is the exit code. */
static int run_file(const char *path, int argc, char **argv)
{
    struct process p;
    struct process_options options = {0};
    struct err e = {0};
    if (process_init(&p, &options, &e))
        return process_fail(&e);
    lua_Integer result = 0;
    int code = 0;
    if (host_run_file(p.host, path, argc, argv, &result, &e))
        code = process_fail(&e);
    else
        code = (int)(result & 0xff);
    process_fini(&p);
    return code;
}

static int lua(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        cli_help(&verb_lua);
        return argc < 2 ? EXIT_USAGE : 0;
    }
    return run_file(argv[1], argc - 2, argv + 2);
}

const struct cli_verb verb_lua = {
    "lua", "FILE [ARGS...]", "Runs a Lua script with all modules of Perigee (perigee.ta, ...).",
    no_options, lua};

/* Its verbs and their help are in the file. */
static int sim_control(int argc, char **argv)
{
    char path[512];
    snprintf(path, sizeof path, "%s/lua/perigee/simulator/control/client.lua", process_home());
    return run_file(path, argc - 1, argv + 1);
}

const struct cli_verb verb_sim_control = {
    "sim-control", "[--data-dir D] VERB [WORD...] [--name VALUE...]",
    "Changes a paper broker that runs with --control: faults, prices, trades by hand.", no_options,
    sim_control};

static int plan(int argc, char **argv)
{
    char path[512];
    snprintf(path, sizeof path, "%s/lua/perigee/plan/verb.lua", process_home());
    return run_file(path, argc - 1, argv + 1);
}

const struct cli_verb verb_plan = {
    "plan",
    "[--config F] [--data-dir D] [--broker NAME] [--accounts N] [--users N]\n"
    "            [--busy N] [--pending N] [--json]",
    "Prints what the reads of each broker cost and whether they fit into its request budget.",
    no_options, plan};

static const struct cli_option config_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    {"--data-dir", "data.dir", "DIR", "folder of all state"},
    {NULL, NULL, NULL, NULL}};

static int show_config(int argc, char **argv)
{
    struct cli_args args;
    struct process p;
    struct err e = {0};
    int rc = cli_parse(&verb_show_config, argc, argv, &args);
    if (rc == 0) {
        struct process_options plain = {0};
        if (process_init(&p, &plain, &e)) {
            rc = process_fail(&e);
        } else {
            struct settings *s;
            if (settings_load(&s, p.host, args.config, args.overrides, args.override_count, &e)) {
                rc = process_fail(&e);
            } else {
                fputs(settings_text(s, "_shown", ""), stdout);
                settings_free(s);
            }
            process_fini(&p);
        }
    }
    cli_args_fini(&args);
    return rc < 0 ? 0 : rc;
}

const struct cli_verb verb_show_config = {
    "show-config", "[--config F] [--data-dir D]",
    "Prints the effective configuration and where each value comes from; secrets are masked.",
    config_options, show_config};

static const struct cli_option journal_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    {"--data-dir", "data.dir", "DIR", "folder of all state (default var)"},
    {"--json", "json", NULL, "one JSON object a line"},
    {"--kind", "kind", "K[,K...]", "only these kinds"},
    {"--from", "from", "N", "from this sequence number on"},
    {"--follow", "follow", NULL, "go on with what is written meanwhile"},
    {NULL, NULL, NULL, NULL}};

/* Is the kind among the comma-separated names? */
static bool wanted(const char *kinds, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = kinds; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static int check_kinds(const char *kinds)
{
    for (const char *at = kinds; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t n = strcspn(at, ",");
        if (!event_info_named(at, n)) {
            fprintf(stderr,
                    "perigee journal: no kind of event is called %.*s; see docs/journal.md\n",
                    (int)n, at);
            return EXIT_USAGE;
        }
    }
    return 0;
}

/* "12 2022-01-01T00:00:00.000Z signal symbol=BTCUSD action=OPEN_LONG ..." */
static void plain_line(const struct event *ev, const struct event_info *info, struct str *line)
{
    char stamp[32];
    clock_iso(ev->market_ms, stamp);
    str_addf(line, "%llu %s %s", (unsigned long long)ev->seq, stamp, info->name);
    for (unsigned i = 0; i < ev->count && i < info->count; i++) {
        const struct event_value *v = &ev->v[i];
        if (v->type == EVENT_ABSENT)
            continue;
        str_addf(line, " %s=", info->fields[i].name);
        switch (v->type) {
        case EVENT_U64:
            str_addf(line, "%llu", (unsigned long long)v->u64);
            break;
        case EVENT_I64:
            str_json_int(line, v->i64);
            break;
        case EVENT_TIME:
            clock_iso(v->i64, stamp);
            str_addz(line, stamp);
            break;
        case EVENT_DECIMAL:
            str_json_decimal(line, v->dec);
            break;
        case EVENT_DOUBLE:
            str_json_double(line, v->f64);
            break;
        case EVENT_BOOL:
            str_addz(line, v->flag ? "true" : "false");
            break;
        case EVENT_STRING:
            str_json_string(line, v->s.p, v->s.n);
            break;
        default:
            str_add(line, v->s.p, v->s.n);
            break;
        }
    }
}

/* A sequence number, or wrong usage. */
static int parse_from(const char *text, uint64_t *from)
{
    char *end;
    *from = 0;
    if (!text)
        return 0;
    errno = 0;
    *from = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0)
        return 0;
    fprintf(stderr, "perigee journal: --from takes a sequence number, not %s\n", text);
    return EXIT_USAGE;
}

/* Writes the event as one line. */
static int print_event(const struct event *ev, bool json, struct str *line, struct err *e)
{
    str_clear(line);
    if (json)
        event_json(ev, line);
    else
        plain_line(ev, event_info(ev->kind), line);
    str_addc(line, '\n');
    if (line->failed)
        return err_set(e, ERR_NOMEM, "journal: out of memory to show event %llu",
                       (unsigned long long)ev->seq);
    if (fwrite(line->p, 1, line->len, stdout) != line->len)
        return err_set_errno(e, ERR_IO, errno, "journal: cannot write to the standard output");
    return 0;
}

static int cat(const struct cli_args *args, const char *folder)
{
    const char *kinds = cli_get(args, "kind");
    uint64_t from;
    bool json = cli_get(args, "json") != NULL, follow = cli_get(args, "follow") != NULL;
    struct journal_reader *r;
    struct event ev;
    struct err e = {0};
    struct str line;
    int rc = parse_from(cli_get(args, "from"), &from);
    if (rc == 0 && kinds)
        rc = check_kinds(kinds);
    if (rc)
        return rc;
    if (journal_reader_open(&r, folder, from, &e))
        return process_fail(&e);
    setvbuf(stdout, NULL, follow ? _IOLBF : _IOFBF, 1 << 16);
    str_init(&line);
    while ((rc = journal_reader_next(r, &ev, &e)) > 0 || (rc == 0 && follow)) {
        if (rc == 0) {
            struct timespec pause = {0, 100000000};
            nanosleep(&pause, NULL);
            continue;
        }
        if (kinds && !wanted(kinds, event_info(ev.kind)->name))
            continue;
        rc = print_event(&ev, json, &line, &e);
        if (rc)
            break;
    }
    if (fflush(stdout) != 0 && rc == 0)
        rc = err_set_errno(&e, ERR_IO, errno, "journal: cannot write to the standard output");
    str_fini(&line);
    if (rc == 0 && journal_reader_torn(r))
        fprintf(stderr,
                "perigee journal: the last %lld bytes are a torn tail (cut at the next start)\n",
                (long long)journal_reader_torn(r));
    journal_reader_close(r);
    return rc < 0 ? process_fail(&e) : 0;
}

static int verify(const char *folder)
{
    struct journal_report report;
    struct err e = {0};
    if (journal_verify(folder, &report, &e))
        return process_fail(&e);
    printf("%llu events in %u segments, numbers %llu to %llu, torn tail %lld bytes\n",
           (unsigned long long)report.events, report.segments, (unsigned long long)report.first,
           (unsigned long long)report.last, (long long)report.cut_bytes);
    return 0;
}

/* The data folder as everybody else finds it: command line, environment, file, default. */
static int journal_folder(const struct cli_args *args, char *folder, size_t size)
{
    const char *data = cli_get(args, "data.dir");
    struct process p;
    struct process_options plain = {0};
    struct settings *s = NULL;
    struct err e = {0};
    if (data) {
        snprintf(folder, size, "%s/journal", data);
        return 0;
    }
    if (process_init(&p, &plain, &e))
        return process_fail(&e);
    int rc = settings_load(&s, p.host, args->config, NULL, 0, &e);
    if (rc)
        rc = process_fail(&e);
    else
        snprintf(folder, size, "%s/journal", settings_text(s, "data.dir", "var"));
    settings_free(s);
    process_fini(&p);
    return rc;
}

static int journal(int argc, char **argv)
{
    struct cli_args args;
    int rc = cli_parse(&verb_journal, argc, argv, &args);
    if (rc == 0) {
        const char *what = args.plain_count == 1 ? args.plain[0] : "";
        char folder[512];
        if (strcmp(what, "cat") != 0 && strcmp(what, "verify") != 0) {
            fprintf(stderr, "perigee journal: say cat or verify; see perigee help journal\n");
            rc = EXIT_USAGE;
        } else if ((rc = journal_folder(&args, folder, sizeof folder)) == 0) {
            rc = strcmp(what, "cat") == 0 ? cat(&args, folder) : verify(folder);
        }
    }
    cli_args_fini(&args);
    return rc < 0 ? 0 : rc;
}

const struct cli_verb verb_journal = {
    "journal", "cat|verify [--data-dir D] [--json] [--kind K,...] [--from N] [--follow]",
    "Shows or checks the journal of everything that happened.", journal_options, journal};
