/* SPDX-License-Identifier: MIT
 *
 * run, sim, engine and office: options to configuration keys, then the process.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "engine/process.h"

#define MARKET_OPTIONS                                                                             \
    {"--data-dir", "data.dir", "DIR", "folder of all state (default var)"},                        \
        {"--tape", "market.tape", "FILE", "market from a CSV or CSV.gz of bars"},                  \
        {"--seed", "market.seed", "N", "market from the seeded generator"},                        \
        {"--speed", "market.speed", "X|max", "market seconds in a second (default 20)"},           \
    {                                                                                              \
        "--accounts", "paper.accounts", "N", "paper accounts (default 12)"                         \
    }

static int start(const struct cli_verb *verb, const char *module, int argc, char **argv,
                 int (*process)(const struct process_options *))
{
    struct cli_args args;
    int rc = cli_parse(verb, argc, argv, &args);
    if (rc == 0 && args.plain_count) {
        fprintf(stderr, "perigee %s: unexpected argument %s\n", verb->name, args.plain[0]);
        rc = EXIT_USAGE;
    }
    if (rc == 0 && cli_get(&args, "market.tape") && cli_get(&args, "market.seed")) {
        fprintf(stderr, "perigee %s: --tape and --seed exclude each other\n", verb->name);
        rc = EXIT_USAGE;
    }
    if (rc == 0) {
        struct process_options options = {.config = args.config,
                                          .overrides = args.overrides,
                                          .override_count = args.override_count,
                                          .module = module};
        rc = process(&options);
    }
    cli_args_fini(&args);
    return rc < 0 ? 0 : rc;
}

static const struct cli_option run_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    MARKET_OPTIONS,
    {"--exit-at-end", "run.exit_at_end", NULL, "leave when the tape has ended"},
    {"--chaos", "paper.chaos", "NAME", "what goes wrong at the paper broker: docs/rehearsal.md"},
    {"--control", "paper.control", "HOST:PORT", "control port of the paper broker (loopback)"},
    {"--for", "run.seconds", "SECONDS", "leave after so many seconds of the wall clock"},
    {"--summary", "run.summary", "F.json", "write a summary at the end"},
    {"--listen", "office.listen", "HOST:PORT", "address of the dashboard (default 127.0.0.1:7373)"},
    {"--no-office", "office.enabled=false", NULL, "without database and dashboard"},
    {"--live", "run.live", NULL, "trade at real brokers (needs armed accounts)"},
    {NULL, NULL, NULL, NULL}};

static int run(int argc, char **argv)
{
    return start(&verb_run, "perigee.run", argc, argv, run_main);
}

const struct cli_verb verb_run = {
    "run",
    "[--config F] [--data-dir D] [--tape F | --seed N] [--speed X|max] [--accounts N]\n"
    "            [--chaos NAME] [--exit-at-end | --for SECONDS] [--summary F.json]\n"
    "            [--listen HOST:PORT | --no-office] [--live]",
    "Starts everything on this machine: database, paper broker, engine and office. Paper is the "
    "default.",
    run_options, run};

static const struct cli_option sim_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    {"--listen", "paper.listen", "HOST:PORT", "address to serve (default 127.0.0.1:0, any port)"},
    MARKET_OPTIONS,
    {"--profile", "paper.profile", "a,b,...", "how it speaks: docs/simulator.md"},
    {"--model", "paper.model", "F.json", "how it treats orders: docs/simulator.md"},
    {"--chaos", "paper.chaos", "NAME", "what goes wrong: docs/rehearsal.md (default calm)"},
    {"--control", "paper.control", "HOST:PORT", "control port for perigee sim-control (loopback)"},
    {"--credentials", "paper.credentials", "F.json", "where the demo logins are written"},
    {NULL, NULL, NULL, NULL}};

static int sim(int argc, char **argv)
{
    return start(&verb_sim, "perigee.simulator.main", argc, argv, sim_main);
}

const struct cli_verb verb_sim = {
    "sim",
    "--listen HOST:PORT [--data-dir D] [--tape F | --seed N] [--speed X|max]\n"
    "            [--accounts N] [--profile a,b,...] [--chaos NAME] [--control HOST:PORT]\n"
    "            [--credentials F.json]",
    "Serves the paper broker: the Match-Trader Platform API and a reference stream.", sim_options,
    sim};

static const struct cli_option engine_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    {"--data-dir", "data.dir", "DIR", "folder of all state (default var)"},
    {"--broker", "paper.address", "HOST:PORT", "the paper broker to trade at"},
    {"--credentials", "paper.credentials", "F.json", "logins to use"},
    {"--exit-at-end", "run.exit_at_end", NULL, "leave when the market has ended"},
    {"--supervised", "engine.supervised", NULL, "stop when standard input closes"},
    {NULL, NULL, NULL, NULL}};

static int engine(int argc, char **argv)
{
    return start(&verb_engine, "perigee.engine", argc, argv, engine_main);
}

const struct cli_verb verb_engine = {
    "engine", "[--config F] [--data-dir D] [--broker HOST:PORT] [--credentials F.json]",
    "Runs the engine alone, against a broker that is there already.", engine_options, engine};

static const struct cli_option office_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    {"--data-dir", "data.dir", "DIR", "folder of all state (default var)"},
    {"--listen", "office.listen", "HOST:PORT", "address of the dashboard (default 127.0.0.1:7373)"},
    {"--supervised", "office.supervised", NULL, "stop when standard input closes"},
    {NULL, NULL, NULL, NULL}};

static int office(int argc, char **argv)
{
    return start(&verb_office, "perigee.server.main", argc, argv, office_main);
}

const struct cli_verb verb_office = {
    "office", "[--config F] [--data-dir D] [--listen HOST:PORT]",
    "Serves dashboard, REST and WebSockets, and writes the history, beside an engine.",
    office_options, office};
