"""Watches the open trades and has each closed at its target, its stop, or its age."""

import time

from common import Service, call

WATCH_INTERVAL_S = 2
TAKE_PROFIT = 0.004
STOP_LOSS = -0.003
AGE_MAX_S = 60


def main():
    service = Service("active_trade_supervisor")
    facts = service.facts
    facts["active"] = []

    def watch():
        trades = call("trade_manager", "/trades/open")["trades"]
        price = call("btc_price_watchdog", "/price")["price"] if trades else 0.0
        facts["active"] = [judged(trade, price) for trade in trades]
        facts["watched_at"] = time.time()
        for trade in facts["active"]:
            if trade["verdict"] != "hold":
                call("trade_manager", "/trades/close", {"trade_id": trade["id"]})
                service.log.info(f"closed trade {trade['id']}: {trade['verdict']}, {trade['gain']:+.2%}")

    service.routes["GET /active"] = lambda _: {"active": facts["active"]}
    service.every(WATCH_INTERVAL_S, watch)
    service.run()


def judged(trade, price):
    """The trade with its gain so far and what is to be done about it."""
    gain = price / trade["entry_price"] - 1
    age_s = time.time() - trade["opened_at"]
    if gain >= TAKE_PROFIT:
        verdict = "take profit"
    elif gain <= STOP_LOSS:
        verdict = "stop loss"
    elif age_s >= AGE_MAX_S:
        verdict = "too old"
    else:
        verdict = "hold"
    return {**trade, "price": price, "gain": round(gain, 5), "age_s": round(age_s, 1), "verdict": verdict}


if __name__ == "__main__":
    main()
