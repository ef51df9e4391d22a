"""A WebSocket server on uWebSockets, through socketify.

/echo sends back what comes, /ws?token=USER answers heartbeats and gets what is
pushed through HTTP. See ../README.md.
"""

import argparse
import json
import os
from urllib.parse import unquote

from socketify import App, AppListenOptions, CompressOptions, OpCode

ACK = '{"type":"HEARTBEAT_ACK"}'
EVERYONE = "everyone"


def topic(user):
    return "user/" + user


def upgrade(res, req, context):
    res.upgrade(
        req.get_header("sec-websocket-key"),
        req.get_header("sec-websocket-protocol"),
        req.get_header("sec-websocket-extensions"),
        context,
        {"user": req.get_query("token") or ""},
    )


def joined(ws):
    ws.subscribe(EVERYONE)
    ws.subscribe(topic(ws.get_user_data()["user"]))


def heartbeat(ws, message, opcode):
    if message == '{"type":"HEARTBEAT"}':
        ws.send(ACK, OpCode.TEXT)


def echo(ws, message, opcode):
    ws.send(message, opcode)


async def message_of(res):
    """Returns the message of a publish; without one answers 400 and returns None."""
    try:
        body = json.loads((await res.get_data()).getvalue())
        message = body["message"]
        if isinstance(message, str):
            return message
    except (ValueError, TypeError, KeyError):
        pass
    res.write_status(400).end("")
    return None


def make_app():
    app = App()
    settings = {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 1 << 20,
        "max_backpressure": 16 << 20,
        "idle_timeout": 0,
        "send_pings_automatically": False,
    }
    app.ws("/echo", {**settings, "message": echo})
    app.ws("/ws", {**settings, "upgrade": upgrade, "open": joined, "message": heartbeat})

    async def broadcast(res, req):
        message = await message_of(res)
        if message is not None:
            app.publish(EVERYONE, message, OpCode.TEXT)
            res.end("")

    async def push(res, req):
        user = unquote(req.get_parameter(0))  # before the first await: req is gone then
        message = await message_of(res)
        if message is not None:
            app.publish(topic(user), message, OpCode.TEXT)
            res.end("")

    app.post("/websocket/broadcast", broadcast)
    app.post("/websocket/send/user/:id", push)
    return app


def main():
    parser = argparse.ArgumentParser(description="A WebSocket server on uWebSockets to compare with")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "9003")))
    port = parser.parse_args().port
    app = make_app()
    app.listen(AppListenOptions(port=port, host="127.0.0.1"), lambda config: print("ready", flush=True))
    app.run()


if __name__ == "__main__":
    main()
