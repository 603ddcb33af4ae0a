"""A mail server on loopback: keeps the letters that it takes, refuses or lets the sender die as told."""

import logging
import os
import signal
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from config.servers import reserve_port

LATER = "451 4.3.0 not now"
NOBODY = "550 5.1.1 no such mailbox"
NEVER = "554 5.7.1 not wanted here"


class Postbox:
    """What came in. `refusals` is how many letters are put off; `unknown` is an address that there is not,
    `unwanted` that no letter is taken, both for good; `victim` is a process to kill once its letter
    is taken and before it is told so."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.tried = 0
        self.refusals = 0
        self.unknown = ""
        self.unwanted = False
        self.victim = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == self.unknown:
            self.tried += 1
            return NOBODY
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.tried += 1
        if self.refusals:
            self.refusals -= 1
            return LATER
        if self.unwanted:
            return NEVER
        letter: Any = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert envelope.rcpt_tos == [str(letter["To"])]
        self.letters.append(letter)
        if self.victim:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = 0
        return "250 taken"


@pytest.fixture
def postbox(settings: Any) -> Iterator[Postbox]:
    """A mail server to which the house sends."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=reserve_port(None))
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    settings.EMAIL_TIMEOUT = 10
    try:
        yield box
    finally:
        controller.stop()
