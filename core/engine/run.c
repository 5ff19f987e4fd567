/* SPDX-License-Identifier: MIT
 *
 * The supervisor's process: starts the paper broker and the engine, watches them, shows what
 * happens. What it does is lua/perigee/run.lua.
 */
#include "engine/process.h"

int run_main(const struct process_options *options)
{
    struct process p;
    struct err e = {0};
    if (process_init(&p, options, &e))
        return process_fail(&e);
    int code = process_run(&p, options);
    process_fini(&p);
    return code;
}
