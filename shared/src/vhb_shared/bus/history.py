"""Reading a stream without a consumer: whoever may make consumers may have the server deliver anywhere."""

import json
from collections.abc import AsyncIterator

from nats.aio.client import Client
from nats.aio.msg import Msg

from vhb_shared.bus.denials import denied
from vhb_shared.errors import Unavailable

BATCH = 256
ANSWER_S = 5.0
_SEQUENCE = "Nats-Sequence"
_SUBJECT = "Nats-Subject"


async def stored(nc: Client, stream: str, subject: str, after: int = 0) -> AsyncIterator[tuple[int, Msg]]:
    """Messages of a stream with a matching subject, oldest first, up to the latest one.

    Args:
        stream: allows direct gets.
        after: sequence number of the last message already read.

    Yields:
        Sequence number and message, with the subject it was published on.

    Raises:
        Unavailable: the server does not answer.
        Denied: the credentials do not allow it.
    """
    more = True
    while more:
        more = False
        inbox = nc.new_inbox()
        subscription = await nc.subscribe(inbox)
        try:
            request = {"seq": after + 1, "next_by_subj": subject, "batch": BATCH}
            await nc.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(request).encode(), reply=inbox)
            while True:
                try:
                    message = await subscription.next_msg(timeout=ANSWER_S)
                except TimeoutError as error:
                    refused = denied(nc, f".{stream}")
                    raise refused or Unavailable(f"stream {stream} is not answered for") from error
                headers = message.headers or {}
                if "Status" in headers:
                    break  # the end of the batch, or nothing there
                after, more = int(headers[_SEQUENCE]), True
                message.subject = headers[_SUBJECT]
                yield after, message
        finally:
            await subscription.unsubscribe()
