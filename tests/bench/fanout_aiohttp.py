# SPDX-License-Identifier: MIT
"""The same fan-out as asyncio.gather with aiohttp: fanout_aiohttp.py URL ACCOUNTS ROUNDS CA-FILE|- prints the median
ms of a round, each of which posts to every account on its own warm connection and reads every answer."""

import asyncio
import json
import ssl
import statistics
import sys
import time

import aiohttp

HEADERS = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) perigee", "Auth-trading-api": "x" * 300,
           "Cookie": "co-auth=" + "x" * 300, "Accept": "application/json"}
ORDER = {"instrument": "BTCUSD", "orderSide": "BUY", "volume": 0.1, "slPrice": 59400.5, "tpPrice": 61200.5,
         "isMobile": False}


async def order(session, url):
    async with session.post(url, json=ORDER) as answer:
        said = await answer.json()
        assert said["status"] == "OK"


async def main(url, accounts, rounds, ca_file):
    context = ssl.create_default_context(cafile=ca_file) if ca_file != "-" else None
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        took = []
        for k in range(-2, rounds):
            begun = time.perf_counter()
            await asyncio.gather(*(order(session, url) for _ in range(accounts)))
            if k >= 0:
                took.append((time.perf_counter() - begun) * 1000)
        print(json.dumps({"ms": statistics.median(took)}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
