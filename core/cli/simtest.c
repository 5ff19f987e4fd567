/* SPDX-License-Identifier: MIT
 *
 * simtest: options of the deterministic fault runs. Guards can be taken out only in the program
 * that was built for it, which stands beside this one and takes the same options.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mutant.h"
#include "cli/cli.h"
#include "engine/simtest.h"

#ifdef PERIGEE_MUTANTS
enum mutant mutant_now;
#endif

static const struct cli_option options[] = {
    {"--seeds", "seeds", "A..B", "seeds to run (default 1..100)"},
    {"--jobs", "jobs", "N", "processes (default 1)"},
    {"--minutes", "minutes", "M", "simulated minutes of a run, from 4 on (default 10)"},
    {"--accounts", "accounts", "N", "accounts of the broker, 3 to 60 (default 6)"},
    {"--signals", "signals", "N", "signals in a run (default 20)"},
    {"--kills", "kills", "N", "most kills in a run (default 3)"},
    {"--kill", "kill", "KIND:N[:SHARE]", "one kill, at the Nth write or send"},
    {"--every-kill", "every", NULL, "a run for each write and send of each seed"},
    {"--samples", "samples", "N", "prefixes of each journal to recover (default 4; 0: all)"},
    {"--calm", "calm", NULL, "no faults but kills"},
    {"--once", "once", NULL, "without the second runs that compare journals"},
    {"--mutant", "mutant", "NAME|list", "take a guard out of the engine: the run must fail"},
    {"--until-violated", "until", NULL, "end at the first seed with a violation"},
    {"--trace", "trace", NULL, "show every run"},
    {NULL, NULL, NULL, NULL}};

static int wrong(const char *text, const char *value)
{
    fprintf(stderr, "perigee simtest: %s: %s\n", text, value);
    return EXIT_USAGE;
}

/* A whole number in a range; *bad: it is none. */
static unsigned long number(const struct cli_args *a, const char *key, unsigned long otherwise,
                            unsigned long least, unsigned long most, bool *bad)
{
    const char *text = cli_get(a, key);
    char *end;
    if (!text)
        return otherwise;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > most) {
        fprintf(stderr, "perigee simtest: --%s takes %lu to %lu, not %s\n", key, least, most, text);
        *bad = true;
    }
    return value;
}

static bool read_seeds(const char *text, struct simtest_options *o)
{
    char *end;
    o->first = 1;
    o->last = 100;
    if (!text)
        return true;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    o->first = o->last = strtoull(text, &end, 10);
    if (strncmp(end, "..", 2) == 0 && end[2] >= '0' && end[2] <= '9')
        o->last = strtoull(end + 2, &end, 10);
    return !*end && !errno && o->first <= o->last && o->last < (uint64_t)1 << 53;
}

static bool read_kill(const char *text)
{
    if (!text)
        return true;
    unsigned long long n;
    double share = 0;
    int used = 0;
    const char *at = strchr(text, ':');
    bool kind = strncmp(text, "write:", 6) == 0 || strncmp(text, "send:", 5) == 0;
    if (!kind || sscanf(at, ":%llu%n", &n, &used) != 1 || n == 0)
        return false;
    at += used;
    return !*at ||
           (sscanf(at, ":%lf%n", &share, &used) == 1 && !at[used] && share >= 0 && share <= 1);
}

static int read_options(const struct cli_args *a, struct simtest_options *o)
{
    bool bad = false;
    const char *minutes = cli_get(a, "minutes");
    char *end = NULL;
    if (!read_seeds(cli_get(a, "seeds"), o))
        return wrong("--seeds takes A..B, as 1..100, and not", cli_get(a, "seeds"));
    o->jobs = (unsigned)number(a, "jobs", 1, 1, 64, &bad);
    o->accounts = (unsigned)number(a, "accounts", 6, 3, 60, &bad);
    o->signals = (unsigned)number(a, "signals", 20, 0, 10000, &bad);
    o->kills = (unsigned)number(a, "kills", 3, 0, 1000, &bad);
    o->samples = (unsigned)number(a, "samples", 4, 0, 1000000, &bad);
    o->minutes = minutes ? strtod(minutes, &end) : 10;
    if (minutes && (!*minutes || *end || !(o->minutes >= 4 && o->minutes <= 1000)))
        return wrong("--minutes takes 4 to 1000, not", minutes);
    o->kill = cli_get(a, "kill");
    if (!read_kill(o->kill))
        return wrong("--kill takes write:N or send:N and perhaps a share of 0 to 1, not", o->kill);
    o->every_kill = cli_get(a, "every") != NULL;
    o->calm = cli_get(a, "calm") != NULL;
    o->once = cli_get(a, "once") != NULL;
    o->until = cli_get(a, "until") != NULL;
    o->trace = cli_get(a, "trace") != NULL;
    if (o->every_kill && (o->jobs > 1 || o->kill)) {
        fprintf(stderr, "perigee simtest: --every-kill excludes --jobs and --kill\n");
        bad = true;
    }
    return bad ? EXIT_USAGE : 0;
}

static int list_mutants(void)
{
    for (int m = MUTANT_none + 1; m < MUTANT_count; m++)
        printf("%-24s %s\n", mutant_name((enum mutant)m), mutant_text((enum mutant)m));
    return 0;
}

static bool known_mutant(const char *name, enum mutant *out)
{
    for (int m = MUTANT_none + 1; m < MUTANT_count; m++) {
        if (strcmp(name, mutant_name((enum mutant)m)) == 0) {
            *out = (enum mutant)m;
            return true;
        }
    }
    return false;
}

#ifdef PERIGEE_MUTANTS
static int become(enum mutant m, char **argv)
{
    (void)argv;
    mutant_now = m;
    return 0;
}
#else
/* The other program is the only one that knows how to be without a guard. */
static int become(enum mutant m, char **argv)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "-mutants");
    (void)m;
    if (n > 0) {
        memcpy(path + n, "-mutants", sizeof "-mutants");
        argv[-1] = path;
        execv(path, argv - 1);
    }
    fprintf(stderr,
            "perigee simtest: guards are taken out in a program of its own, %s, which is "
            "not there: build the target perigee-mutants\n",
            n > 0 ? path : "perigee-mutants");
    return EXIT_USAGE;
}
#endif

static int simtest(int argc, char **argv)
{
    struct cli_args args;
    struct simtest_options o = {0};
    enum mutant m = MUTANT_none;
    int rc = cli_parse(&verb_simtest, argc, argv, &args);
    const char *name = rc == 0 ? cli_get(&args, "mutant") : NULL;
    if (rc == 0 && args.plain_count)
        rc = wrong("unexpected argument", args.plain[0]);
    if (rc == 0)
        rc = read_options(&args, &o);
    if (rc == 0 && name && strcmp(name, "list") == 0) {
        list_mutants();
        rc = -1;
    } else if (rc == 0 && name) {
        rc = known_mutant(name, &m) ? become(m, argv)
                                    : wrong("no guard has the name (--mutant list)", name);
    }
    if (rc == 0)
        rc = simtest_main(&o);
    cli_args_fini(&args);
    return rc < 0 ? 0 : rc;
}

const struct cli_verb verb_simtest = {
    "simtest",
    "[--seeds A..B] [--jobs N] [--minutes M] [--accounts N] [--signals N]\n"
    "            [--kills N | --kill KIND:N[:SHARE] | --every-kill] [--samples N] [--calm]\n"
    "            [--once] [--mutant NAME|list] [--trace]",
    "Runs the engine against the paper broker under virtual time, with drawn faults, and checks.",
    options, simtest};
