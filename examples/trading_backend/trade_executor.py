"""Fills orders at the watchdog's price and keeps every fill in a SQLite file.

A trade is a buy and, once it is closed, a sell with the same trade id.
"""

import sqlite3
import time
from contextlib import closing

from common import Refused, Service, call, data_file

SCHEMA = """
CREATE TABLE IF NOT EXISTS fills (
    id INTEGER PRIMARY KEY,
    trade_id INTEGER NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    contracts INTEGER NOT NULL CHECK (contracts > 0),
    price REAL NOT NULL,
    filled_at REAL NOT NULL,
    UNIQUE (trade_id, side)
)
"""
BUY = """
INSERT INTO fills (trade_id, side, contracts, price, filled_at)
SELECT COALESCE(MAX(trade_id), 0) + 1, 'buy', :contracts, :price, :filled_at FROM fills
"""
SELL = """
INSERT INTO fills (trade_id, side, contracts, price, filled_at)
SELECT trade_id, 'sell', contracts, :price, :filled_at FROM fills WHERE trade_id = :trade_id AND side = 'buy'
"""
# Trades are short, so the latest hundred hold every open one, and the answer stays small for ever.
LATEST_FILLS = """
SELECT * FROM fills WHERE trade_id > (SELECT COALESCE(MAX(trade_id), 0) - 100 FROM fills) ORDER BY id
"""
ACCOUNT = """
SELECT COUNT(*) AS fills, COALESCE(SUM(CASE side WHEN 'sell' THEN price ELSE -price END * contracts), 0) AS cash
FROM fills
"""


def main():
    service = Service("trade_executor")

    def post_order(order):
        fill = fill_order(order, call("btc_price_watchdog", "/price")["price"])
        service.log.info("filled {side} {contracts} at {price:.2f}, trade {trade_id}".format(**fill))
        return fill

    service.routes["POST /orders"] = post_order
    service.routes["GET /fills"] = lambda _: {"fills": rows(LATEST_FILLS)}
    service.routes["GET /account"] = lambda _: rows(ACCOUNT)[0]
    # The port is held first: whoever finds it taken must not touch the file of the one that holds it.
    with closing(database()) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(SCHEMA)
    service.run()


def fill_order(order, price):
    """Writes the fill of {"side": "buy", "contracts": 1} or of {"side": "sell", "trade_id": 7}, and returns it."""
    values = {"price": price, "filled_at": time.time()}
    if order["side"] == "buy":
        statement, values["contracts"] = BUY, int(order["contracts"])
    elif order["side"] == "sell":
        statement, values["trade_id"] = SELL, int(order["trade_id"])
    else:
        raise Refused(400, f"unknown side {order['side']!r}")
    try:
        with closing(database()) as connection, connection:
            cursor = connection.execute(statement, values)
            if cursor.rowcount == 0:
                raise Refused(404, f"no trade {order['trade_id']}")
            return dict(connection.execute("SELECT * FROM fills WHERE id = ?", [cursor.lastrowid]).fetchone())
    except sqlite3.IntegrityError as error:
        raise Refused(409, f"order refused: {error}") from error


def rows(query):
    with closing(database()) as connection:
        return [dict(row) for row in connection.execute(query)]


def database():
    # Each request runs on its own thread and a connection must stay on one, so each request opens its own.
    connection = sqlite3.connect(data_file("trades.sqlite"), timeout=2)
    connection.row_factory = sqlite3.Row
    return connection


if __name__ == "__main__":
    main()
