"""Opens and closes trades through the executor, and enters a small one now and then by itself.

It keeps nothing: trades are read from the executor's fills, so a restart loses none.
"""

from common import Refused, Service, call

ENTRY_INTERVAL_S = 15
OPEN_TRADES_MAX = 3


def main():
    service = Service(
        "trade_manager",
        {
            "GET /trades": lambda _: {"trades": trades()},
            "GET /trades/open": lambda _: {"trades": open_trades()},
            "POST /trades": open_trade,
            "POST /trades/close": close_trade,
        },
    )

    def enter():
        open_count = len(open_trades())
        service.facts["open_trades"] = open_count
        if open_count < OPEN_TRADES_MAX:
            fill = open_trade({"contracts": 1})
            service.log.info(f"entered trade {fill['trade_id']} at {fill['price']:.2f}, {open_count + 1} open")

    service.every(ENTRY_INTERVAL_S, enter)
    service.run()


def trades():
    by_id = {}
    for fill in call("trade_executor", "/fills")["fills"]:
        trade = by_id.setdefault(fill["trade_id"], {"id": fill["trade_id"], "contracts": fill["contracts"]})
        bought = fill["side"] == "buy"
        trade["entry_price" if bought else "exit_price"] = fill["price"]
        trade["opened_at" if bought else "closed_at"] = fill["filled_at"]
    for trade in by_id.values():
        trade["status"] = "closed" if "closed_at" in trade else "open"
    return list(by_id.values())


def open_trades():
    return [trade for trade in trades() if trade["status"] == "open"]


def open_trade(request):
    contracts = int(request.get("contracts", 1))
    if contracts < 1:
        raise Refused(400, "a trade needs at least one contract")
    return call("trade_executor", "/orders", {"side": "buy", "contracts": contracts})


def close_trade(request):
    trade_id = int(request["trade_id"])
    if trade_id not in [trade["id"] for trade in open_trades()]:
        raise Refused(404, f"no open trade {trade_id}")
    return call("trade_executor", "/orders", {"side": "sell", "trade_id": trade_id})


if __name__ == "__main__":
    main()
