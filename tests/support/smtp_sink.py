"""A mail server for tests: it keeps what it is sent, and misbehaves as it is told.

    with SmtpSink() as sink:                       # smtp://127.0.0.1:PORT, without TLS and login
        sink.answers["RCPT"] = "550 5.1.1 unknown"  # from now on, to every RCPT
        sink.answers["DATA"] = ["451 later", None]  # once; then as usual
        sink.answers["message"] = HANG              # after the last line of a message
        mail = sink.wait()                          # the first e-mail, or fails

A command is `greeting`, `message`, or a word of SMTP. With `tls` (an ssl.SSLContext), STARTTLS is offered; with `smtps`, TLS begins at
once. With `login` (name, password), MAIL needs AUTH.

As a program, "smtp_sink.py NAME USER PASSWORD" prints its port, and ends with SIGTERM.
"""
import asyncio
import base64
import email
import email.policy
import signal
import sys
import threading
import time

HANG, CLOSE = object(), object()  # says nothing more; closes without a word
PATIENCE = 30  # seconds; only a test that fails takes so long


class Mail:
    def __init__(self, envelope_from, recipients, data, session):
        self.sender, self.recipients, self.data = envelope_from, recipients, data
        self.is_tls, self.user, self.hello = session.is_tls, session.user, session.hello
        self.message = email.message_from_bytes(data, policy=email.policy.default)

    @property
    def text(self):
        return self.message.get_content().replace("\r\n", "\n")

    @property
    def subject(self):
        return self.message["Subject"]


class Session:
    def __init__(self, sink, reader, writer):
        self.sink, self.reader, self.writer = sink, reader, writer
        self.is_tls, self.user, self.hello = sink.smtps, None, None
        self.sender, self.recipients = None, []

    async def say(self, command, usual):
        answer = self.sink.take_answer(command)
        return await self.give(usual if answer is None else answer)

    async def give(self, answer):
        """False: the connection ends."""
        if answer is HANG:
            await self.reader.read()  # until the client goes
            return False
        if answer is CLOSE:
            return False
        self.writer.write(answer if isinstance(answer, bytes) else answer.encode() + b"\r\n")
        await self.writer.drain()
        return not (isinstance(answer, str) and answer[:3] in ("421", "221"))

    async def run(self):
        if not await self.say("greeting", f"220 {self.sink.name} ESMTP"):
            return
        while True:
            line = (await self.reader.readline()).rstrip(b"\r\n").decode("utf-8", "replace")
            if not line:
                return
            self.sink.commands.append(line)
            word = line.split()[0].upper()
            handler = getattr(self, "do_" + word.lower(), None)
            if not await (handler(line) if handler else self.say(word, "502 5.5.1 unknown command")):
                return

    def offers(self):
        lines = [self.sink.name, "8BITMIME", "SIZE 1000000"]
        if self.sink.tls and not self.is_tls:
            lines.append("STARTTLS")
        if self.sink.login and (self.is_tls or not self.sink.tls):
            lines.append("AUTH " + self.sink.mechanisms)
        return lines

    async def do_ehlo(self, line):
        self.hello = line[5:]
        lines = self.offers()
        return await self.say("EHLO", "\r\n".join([*("250-" + text for text in lines[:-1]), "250 " + lines[-1]]))

    async def do_helo(self, line):
        self.hello = line[5:]
        return await self.say("HELO", f"250 {self.sink.name}")

    async def do_starttls(self, line):
        if not await self.say("STARTTLS", "220 2.0.0 go" if self.sink.tls else "502 5.5.1 no"):
            return False
        if self.sink.tls:
            await self.writer.start_tls(self.sink.tls)
            self.is_tls = True
        return True

    async def do_auth(self, line):
        words = line.split()
        if words[1].upper() == "PLAIN":
            if len(words) == 2:
                self.writer.write(b"334 \r\n")
                words.append((await self.reader.readline()).strip().decode())
            name, password = base64.b64decode(words[2]).decode().split("\0")[1:]
        else:
            self.writer.write(b"334 VXNlcm5hbWU6\r\n")
            name = base64.b64decode(await self.reader.readline()).decode()
            self.writer.write(b"334 UGFzc3dvcmQ6\r\n")
            password = base64.b64decode(await self.reader.readline()).decode()
        fits = (name, password) == self.sink.login
        if fits:
            self.user = name
        return await self.say("AUTH", "235 2.7.0 welcome" if fits else "535 5.7.8 wrong")

    async def do_mail(self, line):
        if self.sink.login and not self.user:
            return await self.say("MAIL", "530 5.7.0 log in first")
        self.sender, self.recipients = line.split("<", 1)[1].split(">")[0], []
        return await self.say("MAIL", "250 2.1.0 fine")

    async def do_rcpt(self, line):
        self.recipients.append(line.split("<", 1)[1].split(">")[0])
        return await self.say("RCPT", "250 2.1.5 fine")

    async def do_data(self, line):
        answer = self.sink.take_answer("DATA")
        if answer is not None:
            return await self.give(answer)
        self.writer.write(b"354 go on\r\n")
        data = b""
        while not data.endswith(b"\r\n.\r\n") and data != b".\r\n":
            line = await self.reader.readline()
            if not line:
                return False
            data += line
        data = data[:-3].replace(b"\r\n..", b"\r\n.")
        mail = Mail(self.sender, self.recipients, data, self)
        with self.sink.lock:
            self.sink.seen.append(mail)
        answer = self.sink.take_answer("message")
        accepted = answer is None or (isinstance(answer, str) and answer[0] == "2")
        if accepted:
            with self.sink.lock:
                self.sink.mails.append(mail)
        return await self.give("250 2.0.0 queued" if answer is None else answer)

    async def do_quit(self, line):
        await self.say("QUIT", "221 2.0.0 bye")
        return False


class SmtpSink:
    """`mails`: those that were accepted; `seen`: also those whose text came, whatever was answered; `commands`: every line of a client."""

    def __init__(self, tls=None, smtps=False, login=None, port=0, name="sink.test", mechanisms="PLAIN LOGIN"):
        self.name, self.mechanisms = name, mechanisms
        self.tls, self.smtps, self.login, self.port = tls, smtps, login, port
        self.answers, self.mails, self.seen, self.commands, self.connections = {}, [], [], [], 0
        self.lock = threading.Lock()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.is_ready = threading.Event()

    def take_answer(self, command):
        answer = self.answers.get(command)
        if isinstance(answer, list):
            return answer.pop(0) if answer else None
        return answer

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        self.is_ready.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    async def _start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls if self.smtps else None)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            await Session(self, reader, writer).run()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @property
    def url(self):
        return f"{'smtps' if self.smtps else 'smtp'}://127.0.0.1:{self.port}"

    def wait(self, count=1, patience=PATIENCE):
        """The e-mail number `count`, which is the last one so far."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with self.lock:
                if len(self.mails) >= count:
                    assert len(self.mails) == count, [mail.subject for mail in self.mails]
                    return self.mails[-1]
            time.sleep(0.005)
        raise AssertionError(f"waited {patience} s for e-mail {count}; there are {len(self.mails)}; {self.commands[-20:]}")

    def __enter__(self):
        self.thread.start()
        assert self.is_ready.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    with SmtpSink(name=sys.argv[1], login=tuple(sys.argv[2:4])) as program:
        print(program.port, flush=True)
        signal.sigwait([signal.SIGTERM])
