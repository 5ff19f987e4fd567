/* SPDX-License-Identifier: MIT
 *
 * The paper broker's process. Its market, matching and book are core/venue/sim; its HTTP and stream
 * are lua/perigee/simulator.
 */
#include "engine/process.h"

int sim_main(const struct process_options *options)
{
    struct process p;
    struct err e = {0};
    if (process_init(&p, options, &e))
        return process_fail(&e);
    int code = process_run(&p, options);
    process_fini(&p);
    return code;
}
