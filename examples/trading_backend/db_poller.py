"""Polls the executor's SQLite file and says what changed in it."""

from common import Service, Unavailable, data_file

POLL_INTERVAL_S = 1
COUNTS = "SELECT COUNT(*), COALESCE(SUM(side = 'buy') - SUM(side = 'sell'), 0) FROM fills"


def main():
    service = Service("db_poller")
    facts = service.facts
    facts.update(polls=0, fills=None, open_trades=None)

    def poll():
        fills, open_trades = counts()
        facts["polls"] += 1
        if fills != facts["fills"]:
            service.log.info(f"{fills} fills, {open_trades} trades open")
        facts.update(fills=fills, open_trades=open_trades)

    service.every(POLL_INTERVAL_S, poll)
    service.run()


def counts():
    # The import waits for the first poll, when the port is open already.
    import sqlite3
    from contextlib import closing

    # Mode rw never creates the file: that is the executor's part, and an empty file would hide that it is missing.
    # SQLite takes ? and # in a URI for its own, and a path may hold them.
    path = data_file("trades.sqlite").replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=1)) as connection:
            connection.execute("PRAGMA query_only = ON")
            return connection.execute(COUNTS).fetchone()
    except sqlite3.OperationalError as error:
        raise Unavailable(f"cannot read trades.sqlite: {error}") from error


if __name__ == "__main__":
    main()
