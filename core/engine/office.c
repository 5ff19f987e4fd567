/* SPDX-License-Identifier: MIT
 *
 * The office: database, REST, WebSockets, dashboard. It holds no money: it follows the engine's
 * events and sends commands over engine.sock. What it does is lua/perigee/server.
 */
#include "engine/process.h"

/* Alone in its data folder: two offices would both write the tables. */
int office_main(const struct process_options *options)
{
    return process_main_alone(options, "office");
}
