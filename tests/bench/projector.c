/* SPDX-License-Identifier: MIT
 *
 * The projector: events of a fleet's trading, as journal frames, decoded, folded into rows and
 * committed to a PostgreSQL that syncs its commits. The mix is that of a paper run: signals that
 * become orders on twelve accounts, their positions and closes, balances, bars.
 *
 * events_per_s: the median of rounds, from the first frame to the commit of the last event.
 */
#include "bench.h"
#include "engine/process.h"

int main(int argc, char **argv)
{
    struct bench b;
    struct process p;
    struct process_options options = {0};
    struct err e = {0};
    char rounds[24], script[512];
    char *args[] = {rounds};
    lua_Integer rate = 0;
    bench_begin(&b, argc, argv);
    snprintf(rounds, sizeof rounds, "%ld", b.rounds ? b.rounds : 10);
    snprintf(script, sizeof script, "%s/tests/bench/projector.lua", process_home());
    bench_check(process_init(&p, &options, &e), &e);
    bench_check(host_run_file(p.host, script, 1, args, &rate, &e), &e);
    process_fini(&p);
    bench_figure(&b, (double)rate, "projector.events_per_s");
    return bench_end(&b);
}
