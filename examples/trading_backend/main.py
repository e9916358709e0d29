"""The front door (main_app): a page and an API that gather what the services behind it know."""

from common import PORTS, Service, Unavailable, call

NEIGHBOURS = [name for name in PORTS if name != "main_app"]
NEIGHBOUR_TIMEOUT_S = 0.3


def main():
    service = Service(
        "main_app",
        {
            "GET /": lambda _: page(),
            "GET /trades": lambda _: call("trade_manager", "/trades"),
            "POST /trades": lambda request: call("trade_manager", "/trades", request),
            "GET /active": lambda _: call("active_trade_supervisor", "/active"),
            "GET /price": lambda _: call("btc_price_watchdog", "/price"),
            "GET /services": lambda _: services(),
        },
    )
    service.run()


def services():
    """The status of each neighbour, or why there is none."""
    return {name: status_of(name) for name in NEIGHBOURS}


def status_of(name):
    try:
        return call(name, "/status", timeout_s=NEIGHBOUR_TIMEOUT_S)
    except Unavailable as unavailable:
        return {"error": str(unavailable)}


def page():
    # Only the page needs html, so the start does not wait for it.
    from html import escape

    rows = ""
    for name, status in services().items():
        state = escape(status.get("error", "up"))
        rows += f"<tr><td>{name}<td>{status.get('port', '')}<td>{status.get('uptime_s', '')}<td>{state}"
    return (
        "<!doctype html><meta charset=utf-8><title>Trading backend</title><h1>Trading backend</h1>"
        f"<table><tr><th>service<th>port<th>uptime, s<th>state{rows}</table>\n"
    )


if __name__ == "__main__":
    main()
