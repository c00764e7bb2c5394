"""The loop in which a hook waits for something on a cluster."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import pulumi

from .sdk import in_thread

_PAUSE: Final = 2  # seconds between two looks
_REPEAT: Final = 60  # seconds after which the same message is logged again


async def wait(name: str, look: Callable[[], str], check: Callable[[str], None]) -> None:
    """Look again and again until nothing is missing.

    Args:
        name: the hook's name, for messages.
        look: returns what is waited for, in words that follow "until"; "" if nothing is. It is called in a thread.
        check: raises an error if that takes too long.
    """
    said, again = "", 0.0
    while found := await in_thread(look):
        check(found)
        now = time.monotonic()
        if found != said or now > again:
            pulumi.log.info(f"{name}: waiting until {found}")
            said, again = found, now + _REPEAT
        await asyncio.sleep(_PAUSE)
