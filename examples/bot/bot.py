#!/usr/bin/python3
"""Receives what Cardea's relay delivers: bot.py pickle|json PORT (docs/relay.md). Replace register() by what your bot does."""
import asyncio
import io
import json
import pickle
import signal
import sys


class PlainUnpickler(pickle.Unpickler):
    """Runs no code: a pickle that names a class or function is refused."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"the pickle names {module}.{name}")


async def register(delivery):
    """Exchange delivery["code"] at the provider here. It can be used once, so a second delivery of it does no harm."""
    if "error" in delivery:
        return {"success": False, "message": f"The login has ended: {delivery['error']}"}
    return {"success": True, "message": f"Registered {delivery.get('data', delivery['state'])}"}


async def receive(encoding, reader, writer):
    try:
        data = await asyncio.wait_for(reader.read(), 10)  # to the end: the relay closes its half of the connection
        delivery = json.loads(data) if encoding == "json" else PlainUnpickler(io.BytesIO(data)).load()
        answer = await register(delivery)
        writer.write(json.dumps(answer).encode() + b"\n" if encoding == "json" else pickle.dumps(answer))
        await writer.drain()
    except Exception as error:  # the relay shows a page that says that there was no answer
        print(f"refused: {error}", file=sys.stderr, flush=True)
    finally:
        writer.close()


async def main(encoding, port):
    server = await asyncio.start_server(lambda reader, writer: receive(encoding, reader, writer), "127.0.0.1", int(port))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    async with server:
        await stop.wait()


asyncio.run(main(*sys.argv[1:]))
