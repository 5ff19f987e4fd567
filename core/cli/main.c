/* SPDX-License-Identifier: MIT
 *
 * The program: finds the verb and runs it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct cli_verb *const verbs[] = {
    &verb_run,     &verb_sim,  &verb_sim_control, &verb_engine,      &verb_office, &verb_lua,
    &verb_journal, &verb_plan, &verb_probe,       &verb_show_config, &verb_simtest};
/* Answered here; no verb of their own file. */
static const struct cli_option no_options[] = {{NULL, NULL, NULL, NULL}};
static const struct cli_verb builtin[] = {
    {"version", "", "Prints the version.", no_options, NULL},
    {"help", "[VERB]", "Prints all verbs and the exit codes, or the options of a verb.", no_options,
     NULL}};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static const struct cli_verb *find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static void overview(FILE *to)
{
    fprintf(to,
            "perigee %s: one signal, an order on every account\n\nusage: perigee VERB [...]\n\n",
            PERIGEE_VERSION);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(to, "  %-12s %s\n", verbs[i]->name, verbs[i]->text);
    fprintf(to, "  %-12s %s\n", "version", "Prints the version.");
    fprintf(to, "  %-12s %s\n", "help [VERB]", "Prints this, or the options of a verb.");
    fprintf(to, "\nexit codes: 0 done, 1 failed, 2 wrong usage, 3 bad configuration or input,\n"
                "  4 cannot reach what it needs, 5 stopped by a limit, 130 interrupted\n");
}

static int help(const char *name)
{
    const struct cli_verb *verb = name ? find(name) : NULL;
    for (size_t i = 0; name && i < sizeof builtin / sizeof builtin[0]; i++)
        if (strcmp(builtin[i].name, name) == 0)
            verb = &builtin[i];
    if (name && !verb) {
        fprintf(stderr, "perigee: no verb is called %s; see perigee help\n", name);
        return EXIT_USAGE;
    }
    if (verb)
        cli_help(verb);
    else
        overview(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) {
        overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("perigee %s\n", PERIGEE_VERSION);
        return 0;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    const struct cli_verb *verb = find(name);
    if (!verb) {
        fprintf(stderr, "perigee: no verb is called %s; see perigee help\n", name);
        return EXIT_USAGE;
    }
    return verb->run(argc - 1, argv + 1);
}
