"""Messages as e-mail, handed to the operators' mail server (SMTP)."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from services.monitoring.settings import Mail, Security
from services.monitoring.telling.parcel import NotDelivered, Parcel
from services.monitoring.telling.rendering import in_words

SECONDS = 10.0
"""For each answer of the server."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """The operators' server."""

    mail: Mail

    def carry(self, parcel: Parcel) -> None:
        """Raises NotDelivered: finally where the server refuses the address or the mail."""
        try:
            server = self._connected()
            try:
                server.send_message(self.letter(parcel), self.mail.sender, [parcel.address])
                with suppress(smtplib.SMTPException, OSError):  # the mail is taken, whatever the server says when it is left
                    server.quit()
            finally:
                server.close()
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused("ADDRESS", error.recipients[parcel.address][0]) from None
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _refused("MAIL", error.smtp_code) from None
        except smtplib.SMTPAuthenticationError as error:
            raise NotDelivered(f"LOGIN_REFUSED_{error.smtp_code}") from None
        except smtplib.SMTPException as error:
            raise NotDelivered(type(error).__name__) from None
        except ssl.SSLError:
            raise NotDelivered("TLS_FAILED") from None
        except OSError as error:
            raise NotDelivered("TIMEOUT" if isinstance(error, TimeoutError) else "SERVER_AWAY") from None

    def letter(self, parcel: Parcel) -> EmailMessage:
        """The mail: the message's id is its own, at each attempt."""
        text = in_words(parcel.message, parcel.language)
        letter = EmailMessage(policy=SMTP)
        letter["From"], letter["To"], letter["Subject"] = self.mail.sender, parcel.address, text.subject
        letter["Date"] = format_datetime(parcel.made_at)
        letter["Message-ID"] = f"<{parcel.id}@{self.mail.sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text.body)
        letter["Content-Language"] = parcel.language
        return letter

    def _connected(self) -> smtplib.SMTP:
        name = self.mail.sender.rpartition("@")[2]
        trust = ssl.create_default_context(cafile=self.mail.ca_file)
        if self.mail.security is Security.TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.mail.host, self.mail.port, name, timeout=SECONDS, context=trust)
        else:
            server = smtplib.SMTP(self.mail.host, self.mail.port, name, timeout=SECONDS)
        try:
            if self.mail.security is Security.STARTTLS:
                server.starttls(context=trust)
            if self.mail.username is not None and self.mail.password is not None:
                server.login(self.mail.username, self.mail.password)
        except BaseException:
            server.close()
            raise
        return server


def _refused(what: str, code: int) -> NotDelivered:
    """A code from 500 on is the server's last word, one from 400 on is not."""
    return NotDelivered(f"{what}_REFUSED_{code}", final=code >= 500)
