#!/usr/bin/env python3
"""A store that is far away: passes TCP on, and every answer comes later.

    test/slow_proxy.py MILLISECONDS HOST:PORT [HOST:PORT ...]

Listens at a free port of 127.0.0.1 for each address, prints these ports on one line, and works until standard input ends.
What a client sends passes at once; what comes back waits, so a request and its answer take that much longer, and several on
their way at the same time take it together.
"""
import asyncio
import os
import sys


async def pass_on(reader, writer, delay):
    """Bytes in their order, each as late as the delay says, not later for those before it."""
    clock = asyncio.get_running_loop().time
    arrived = asyncio.Queue()

    async def deliver():
        while True:
            due, data = await arrived.get()
            await asyncio.sleep(max(0, due - clock()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    delivery = asyncio.create_task(deliver())
    try:
        while data := await reader.read(65536):
            arrived.put_nowait((clock() + delay, data))
    except ConnectionError:
        pass
    arrived.put_nowait((clock() + delay, b""))
    try:
        await delivery
    except ConnectionError:
        pass


async def listen(address, delay):
    host, port = address.rsplit(":", 1)

    async def connected(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, far_writer, 0), pass_on(far_reader, writer, delay))

    return await asyncio.start_server(connected, "127.0.0.1", 0)


async def main():
    delay = float(sys.argv[1]) / 1000
    servers = [await listen(address, delay) for address in sys.argv[2:]]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # whatever is under way


if len(sys.argv) < 3:
    sys.exit(__doc__)
asyncio.run(main())
