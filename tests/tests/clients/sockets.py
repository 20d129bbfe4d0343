"""A client and a server of WebSocket that others wrote, before and behind the gateway.

serve PORT     waits on a port
ask ADDRESS    talks through the gateway, and prints a line for each thing it tried
"""
import socket
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve


def chat(websocket):
    while True:
        try:
            message = websocket.recv()
        except ConnectionClosed:
            return
        if message == "close":
            websocket.close(4001, "enough")
        elif message == "ping":
            websocket.ping(b"are you there").wait(30)
            websocket.send("ponged")
        else:
            websocket.send(message)


def refuse(connection, request):
    if request.path == "/none":
        return connection.respond(403, "no\n")


def wait(port):
    with serve(chat, "127.0.0.1", port, subprotocols=["two", "one"], process_request=refuse,
               max_size=None) as server:
        server.serve_forever()


def ask(address):
    host, port = address.rsplit(":", 1)

    def visit(path="/chat"):
        stream = socket.create_connection((host, int(port)), timeout=60)
        uri, wanted = "ws://a.example.com" + path, ["one", "three"]
        return connect(uri, sock=stream, subprotocols=wanted, max_size=None)

    with visit() as websocket:
        print("subprotocol", websocket.subprotocol)
        websocket.send("hi")
        print("text", websocket.recv(60))
        websocket.send(b"\x00\xff")
        print("binary", websocket.recv(60))
        websocket.send(["a", "b", "c"])
        print("fragments", websocket.recv(60))
        large = b"x" * (4 << 20)
        websocket.send(large)
        print("large", websocket.recv(60) == large)
        print("our ping", websocket.ping().wait(60))
        websocket.send("ping")
        print("their ping", websocket.recv(60))
        print("compression", bool(websocket.protocol.extensions))
        websocket.send("close")
        try:
            websocket.recv(60)
        except ConnectionClosed as error:
            print("their close", error.rcvd.code, error.rcvd.reason)
    with visit() as websocket:
        websocket.close(4002, "bye")
        print("our close", websocket.close_code)
    try:
        visit("/none")
    except InvalidStatus as error:
        print("refused", error.response.status_code, error.response.body)


if sys.argv[1] == "serve":
    wait(int(sys.argv[2]))
else:
    ask(sys.argv[2])
