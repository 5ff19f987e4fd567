/* SPDX-License-Identifier: MIT
 *
 * The command line: one file a verb. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad
 * configuration or input, 4 cannot reach what it needs, 5 stopped by a limit, 130 interrupted.
 */
#ifndef PERIGEE_CLI_CLI_H
#define PERIGEE_CLI_CLI_H

#include <stddef.h>

#define EXIT_USAGE 2
#define CLI_MAX_OVERRIDES 32

struct cli_option {
    const char *name;  /* "--data-dir" */
    const char *key;   /* configuration key that it sets; NULL: the verb reads it itself */
    const char *value; /* what it takes, for the help ("DIR"); NULL: a switch, which sets "true", or
                          what the key brings: "office.enabled=false" */
    const char *text;  /* one line */
};

struct cli_verb {
    const char *name;
    const char *synopsis;              /* after "perigee NAME" */
    const char *text;                  /* one line */
    const struct cli_option *options;  /* ended by a NULL name */
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};

extern const struct cli_verb verb_run, verb_sim, verb_engine, verb_office, verb_lua, verb_journal,
    verb_show_config, verb_sim_control, verb_plan, verb_probe, verb_simtest;

struct cli_args {
    const char *config;                       /* --config */
    const char *overrides[CLI_MAX_OVERRIDES]; /* "key=value", owned */
    size_t override_count;
    const char *plain[8]; /* arguments that are no options */
    int plain_count;
};

/* Parses by the verb's options; "--opt value" and "--opt=value" both work. 0, or prints one
 * sentence and returns EXIT_USAGE (and -1 after --help was answered: the verb then returns 0). */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_args *out);
void cli_args_fini(struct cli_args *a);
/* Value of an override given on the command line; NULL: not given. */
const char *cli_get(const struct cli_args *a, const char *key);
void cli_help(const struct cli_verb *verb);

#endif
