"""A WebSocket client on the package websockets. It is told what to do by JSON
lines on standard input and reports what happens as JSON lines on standard
output."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


def report(**event):
    print(json.dumps(event), flush=True)


async def ping(socket, data):
    waiter = await socket.ping(data)
    await waiter
    report(event="pong", text=data)


async def commands(socket):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    pings = set()
    while line := await reader.readline():
        command = json.loads(line)
        parts = command["parts"]
        if command["do"] == "send":
            await socket.send(parts if len(parts) > 1 else parts[0])
        elif command["do"] == "ping":
            task = asyncio.create_task(ping(socket, parts[0]))
            pings.add(task)
            task.add_done_callback(pings.discard)
        elif command["do"] == "close":
            asyncio.create_task(socket.close(command["code"], parts[0]))


async def main(url, compression):
    deflate = "deflate" if compression == "on" else None
    async with connect(url, compression=deflate, max_size=1 << 22, ping_interval=None) as socket:
        extensions = [e.name for e in socket.protocol.extensions]
        report(event="open", deflate="permessage-deflate" in extensions)
        told = asyncio.create_task(commands(socket))
        try:
            while True:
                message = await socket.recv()
                report(event="text" if isinstance(message, str) else "binary", text=str(message))
        except ConnectionClosed as closed:
            frame = closed.rcvd
            report(event="close", code=frame.code if frame else 1006, text=frame.reason if frame else "")
        told.cancel()


asyncio.run(main(*sys.argv[1:]))
