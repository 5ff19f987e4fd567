/* SPDX-License-Identifier: MIT
 *
 * probe: the first contact with a broker. An engine of its own, in a folder of its own, whose Lua
 * module asks once and ends; its own options are handed to that module.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "engine/process.h"

static const struct cli_option probe_options[] = {
    {"--config", "", "FILE", "configuration file (perigee.lua when there is one)"},
    {"--data-dir", "data.dir", "DIR",
     "folder of transcripts and of the pilot's journal (var/probe)"},
    {"--origin", NULL, "URL", "instead of the profile's address; of this machine only"},
    {"--email", NULL, "E-MAIL", "login; asked at the terminal otherwise"},
    {"--credentials", NULL, "F.json", "logins, mode 0600; the password is asked otherwise"},
    {"--account", NULL, "ID", "account to look at (the login's first)"},
    {"--symbol", NULL, "NAME", "symbol to look at"},
    {"--transcript", NULL, "FILE", "where the exchanges are written, without secrets"},
    {"--renew", NULL, NULL, "renew the session once, to see how"},
    {"--pilot", NULL, NULL, "then open and close the least volume, after a confirmation"},
    {NULL, NULL, NULL, NULL}};

/* Options of the module's own stand in the overrides under their names, "--email=...". */
static int run_parsed(const struct cli_args *args)
{
    const char *overrides[CLI_MAX_OVERRIDES + 1], *argv[CLI_MAX_OVERRIDES + 1];
    size_t count = 0;
    int argc = 0;
    if (args->plain_count != 1) {
        fprintf(stderr, "perigee probe: %s\n",
                args->plain_count ? "one profile at a time"
                                  : "the name of a broker profile is missing");
        return EXIT_USAGE;
    }
    overrides[count++] = "data.dir=var/probe";
    argv[argc++] = args->plain[0];
    for (size_t i = 0; i < args->override_count; i++) {
        if (strncmp(args->overrides[i], "--", 2) == 0)
            argv[argc++] = args->overrides[i];
        else
            overrides[count++] = args->overrides[i];
    }
    struct process_options options = {.config = args->config,
                                      .overrides = overrides,
                                      .override_count = count,
                                      .module = "perigee.probe",
                                      .argc = argc,
                                      .argv = argv};
    return engine_main(&options);
}

static int probe(int argc, char **argv)
{
    struct cli_args args;
    int rc = cli_parse(&verb_probe, argc, argv, &args);
    if (rc == 0)
        rc = run_parsed(&args);
    cli_args_fini(&args);
    return rc < 0 ? 0 : rc;
}

const struct cli_verb verb_probe = {
    "probe",
    "PROFILE [--email E-MAIL | --credentials F.json] [--account ID] [--symbol NAME]\n"
    "              [--transcript FILE] [--renew] [--pilot] [--data-dir D] [--origin URL]",
    "Looks at a broker once, without changing anything, and says what differs from the protocol.",
    probe_options, probe};
