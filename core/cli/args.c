/* SPDX-License-Identifier: MIT
 *
 * Parsing of a verb's options and printing of its help.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_option config_option = {
    "--config", NULL, "FILE", "configuration file (perigee.lua when there is one)"};

static const struct cli_option *find(const struct cli_verb *verb, const char *name, size_t n)
{
    if (strlen(config_option.name) == n && strncmp(config_option.name, name, n) == 0)
        return &config_option;
    for (const struct cli_option *o = verb->options; o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* A flag's key may bring its value: "office.enabled=false". */
static int add_override(struct cli_args *out, const char *key, const char *value)
{
    size_t n = strlen(key) + strlen(value) + 2;
    char *text = malloc(n);
    if (!text || out->override_count == CLI_MAX_OVERRIDES) {
        free(text);
        fprintf(stderr, "perigee: too many options\n");
        return EXIT_USAGE;
    }
    if (strchr(key, '='))
        snprintf(text, n, "%s", key);
    else
        snprintf(text, n, "%s=%s", key, value);
    out->overrides[out->override_count++] = text;
    return 0;
}

static int take_option(const struct cli_verb *verb, int argc, char **argv, int *i,
                       struct cli_args *out)
{
    const char *arg = argv[*i], *equals = strchr(arg, '=');
    const struct cli_option *o = find(verb, arg, equals ? (size_t)(equals - arg) : strlen(arg));
    if (!o) {
        fprintf(stderr, "perigee %s: unknown option %s; see perigee help %s\n", verb->name, arg,
                verb->name);
        return EXIT_USAGE;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (o->value && !value) {
        if (*i + 1 >= argc) {
            fprintf(stderr, "perigee %s: %s needs a value: %s\n", verb->name, o->name, o->value);
            return EXIT_USAGE;
        }
        value = argv[++*i];
    }
    if (!o->value && value) {
        fprintf(stderr, "perigee %s: %s takes no value\n", verb->name, o->name);
        return EXIT_USAGE;
    }
    if (o == &config_option) {
        out->config = value;
        return 0;
    }
    return add_override(out, o->key ? o->key : o->name, value ? value : "true");
}

int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_args *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cli_help(verb);
            return -1;
        }
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
            int rc = take_option(verb, argc, argv, &i, out);
            if (rc)
                return rc;
        } else if (out->plain_count < 8) {
            out->plain[out->plain_count++] = argv[i];
        } else {
            fprintf(stderr, "perigee %s: too many arguments\n", verb->name);
            return EXIT_USAGE;
        }
    }
    return 0;
}

void cli_args_fini(struct cli_args *a)
{
    for (size_t i = 0; i < a->override_count; i++)
        free((void *)(size_t)a->overrides[i]);
    a->override_count = 0;
}

const char *cli_get(const struct cli_args *a, const char *key)
{
    size_t n = strlen(key);
    const char *found = NULL;
    for (size_t i = 0; i < a->override_count; i++)
        if (strncmp(a->overrides[i], key, n) == 0 && a->overrides[i][n] == '=')
            found = a->overrides[i] + n + 1;
    return found;
}

void cli_help(const struct cli_verb *verb)
{
    printf("perigee %s %s\n\n%s\n", verb->name, verb->synopsis, verb->text);
    if (!verb->options->name)
        return;
    printf("\n");
    for (const struct cli_option *o = verb->options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-24s %s\n", left, o->text);
    }
}
