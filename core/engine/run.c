/* SPDX-License-Identifier: MIT
 *
 * The supervisor's process: starts paper broker, engine, database and office, watches them, shows
 * what happens. What it does is lua/perigee/run.
 */
#include "engine/process.h"

/* Alone in its data folder: a second one would stop the first one's broker. */
int run_main(const struct process_options *options)
{
    return process_main_alone(options, "run");
}
