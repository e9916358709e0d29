"""Watches the price of bitcoin: a random walk stands in for the exchange's feed."""

import os
import time

from common import Refused, Service, write_json

TICK_S = 1
HEARTBEAT_S = 3
SUMMARY_S = 30
MOVE_WORTH_A_WARNING = 0.01


def main():
    service = Service("btc_price_watchdog", {"GET /price": lambda _: price()})
    facts = service.facts
    walk = random_walk(seed=int(os.environ.get("PRICE_SEED") or 7))

    def tick():
        facts["price"] = next(walk)
        facts["seen_at"] = time.time()

    def heartbeat():
        write_json("btc_price_watchdog.heartbeat", {"pid": os.getpid(), "at": time.time(), **facts})

    def summary():
        last, facts["summed_up"] = facts.get("summed_up"), facts.get("price")
        if last is None or facts["summed_up"] is None:
            return
        move = facts["summed_up"] / last - 1
        say = service.log.warning if abs(move) > MOVE_WORTH_A_WARNING else service.log.info
        say(f"BTC {facts['summed_up']:.2f} USD, {move:+.2%} in {SUMMARY_S} s")

    def price():
        if "price" not in facts:
            raise Refused(503, "no price seen yet")
        return {"price": facts["price"], "seen_at": facts["seen_at"]}

    service.every(TICK_S, tick)
    service.every(HEARTBEAT_S, heartbeat)
    service.every(SUMMARY_S, summary)
    service.run()


def random_walk(seed):
    """Endless prices; the same seed gives the same ones."""
    # The import waits for the first tick, when the port is open already.
    import random

    steps = random.Random(seed)
    price = 65_000.0
    while True:
        price *= 1 + steps.gauss(0, 0.0008)
        yield round(price, 2)


if __name__ == "__main__":
    main()
