"""A response leaves in one piece, and none is lost when its connection is closed."""

import asyncio
from typing import cast

from payment_worker.webhook.one_write import OneWrite

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"{}"


class Recorder(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Remember it."""
        self.told.append(bytes(data))

    def close(self) -> None:
        """Likewise."""
        self.told.append("closed")

    def is_closing(self) -> bool:
        """Whether it was told to close."""
        return "closed" in self.told


def _told(*steps: str) -> list[bytes | str]:
    recorder = Recorder()

    async def act() -> None:
        transport = cast("asyncio.Transport", OneWrite(recorder))
        for step in steps:
            match step:
                case "respond":
                    transport.write(HEAD)
                    transport.write(BODY)
                case "close":
                    transport.close()
                case "lose":
                    recorder.close()
                case _:
                    await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(act())
    return recorder.told


def test_head_and_body_are_sent_together() -> None:
    assert _told("respond") == [HEAD + BODY]


def test_responses_of_two_steps_are_sent_apart() -> None:
    assert _told("respond", "step", "respond") == [HEAD + BODY] * 2


def test_what_is_written_is_sent_before_the_connection_is_closed() -> None:
    assert _told("respond", "close") == [HEAD + BODY, "closed"]


def test_nothing_is_written_to_a_connection_that_is_lost_meanwhile() -> None:
    assert _told("respond", "lose") == ["closed"]
