/* SPDX-License-Identifier: MIT
 *
 * A libcurl multi handle driven by the loop: its sockets on uv_poll, its time-outs on a loop timer.
 * Shared by the HTTP client and the order lane's connections; nobody outside core/io includes it.
 */
#ifndef PERIGEE_IO_CURL_PUMP_H
#define PERIGEE_IO_CURL_PUMP_H

#include <curl/curl.h>

#include "base/err.h"
#include "io/loop.h"

struct curl_pump;

/* A transfer ended. Called on the loop, never from inside a call into the pump. The easy handle is
 * still in the multi; the callback may remove it, add others, and free the pump. */
typedef void (*curl_pump_fn)(void *arg, CURL *easy, CURLcode result);

struct curl_pump *curl_pump_new(struct loop *l, curl_pump_fn fn, void *arg, struct err *e);
/* All easy handles must have been removed. No callback follows. */
void curl_pump_free(struct curl_pump *p);
CURLM *curl_pump_multi(struct curl_pump *p);

/* Options that every handle of ours has: no signals, HTTP/1.1, http(s) only, no redirects, the CA
 * file if given, and no proxy for loopback addresses. 0 or ERR_INPUT (bad URL), ERR_NOMEM. */
int curl_pump_prepare(CURL *easy, const char *url, const char *ca_file, struct err *e);
/* The code of ours for libcurl's. */
int curl_pump_error(CURLcode result);

#endif
