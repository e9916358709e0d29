"""Watches that account data keeps flowing: asks the account sync how old its copy is, and writes a heartbeat."""

import os
import time

from common import Service, Unavailable, call, write_json

CHECK_INTERVAL_S = 3
AGE_MAX_S = 15


def main():
    service = Service("kalshi_api_watchdog")
    facts = service.facts
    facts.update(checks=0, flowing=None)

    def check():
        facts["checks"] += 1
        flowing, why = account_state()
        if flowing != facts["flowing"]:
            say = service.log.info if flowing else service.log.warning
            say(why)
        facts["flowing"] = flowing
        # The heartbeat says that the watchdog lives, which holds whatever it found.
        write_json("kalshi_api_watchdog.heartbeat", {"pid": os.getpid(), "at": time.time(), **facts})

    service.every(CHECK_INTERVAL_S, check)
    service.run()


def account_state():
    """Whether account data flows, and a sentence about it."""
    try:
        status = call("kalshi_account_sync", "/status")
    except Unavailable as unavailable:
        return False, str(unavailable)
    if "synced_at" not in status:
        return False, "the account was not synced yet"
    age_s = time.time() - status["synced_at"]
    if age_s > AGE_MAX_S:
        return False, f"the account's copy is {age_s:.0f} s old"
    return True, f"the account's copy is {age_s:.1f} s old"


if __name__ == "__main__":
    main()
