"""Keeps a copy of the account (a synthetic one: a deposit and what the executor's fills made of it)."""

import time

from common import Service, call, write_json

SYNC_INTERVAL_S = 5
DEPOSIT = 500_000.0


def main():
    service = Service("kalshi_account_sync")
    facts = service.facts
    facts.update(syncs=0, fills=None)

    def sync():
        account = call("trade_executor", "/account")
        balance = round(DEPOSIT + account["cash"], 2)
        if account["fills"] != facts["fills"]:
            service.log.info(f"balance {balance:.2f} USD after {account['fills']} fills")
        facts.update(syncs=facts["syncs"] + 1, fills=account["fills"], balance=balance, synced_at=time.time())
        write_json("account.json", {key: facts[key] for key in ("balance", "fills", "synced_at")})

    service.every(SYNC_INTERVAL_S, sync)
    service.run()


if __name__ == "__main__":
    main()
