"""What clients in HTTP/1.1 say, well-formed and not, and what a strict parser behind the gateway reads.

A backend that knows no mercy (h11) stands behind it, and the same parser reads the answers. A line for
each case: statuses of the answers, requests that the backend read, and how often it found an error.
"""
import socket
import sys
import threading

import h11

GATEWAY, PORT = sys.argv[1].rsplit(":", 1), int(sys.argv[2])
LOCK, SEEN, ERRORS = threading.Lock(), [], []


def converse(stream):
    connection = h11.Connection(h11.SERVER)
    request, size = None, 0
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(stream.recv(65536))
            elif isinstance(event, h11.Request):
                request, size = event, 0
            elif isinstance(event, h11.Data):
                size += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                with LOCK:
                    SEEN.append((request.method + b" " + request.target).decode() + f" {size}")
                answer = h11.Response(status_code=200, headers=[("content-length", "2")])
                body = [] if request.method == b"HEAD" else [h11.Data(data=b"ok")]
                for part in [answer, *body, h11.EndOfMessage()]:
                    stream.sendall(connection.send(part))
                if connection.our_state is h11.MUST_CLOSE:
                    return
                connection.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return
    except h11.RemoteProtocolError as error:
        # A request that the gateway broke off, since its client did, is none.
        if "closed" not in str(error) and "incomplete" not in str(error):
            with LOCK:
                ERRORS.append(str(error))
    except OSError:
        pass
    finally:
        stream.close()


def serve():
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=converse, args=(stream,), daemon=True).start()


def ask(data):
    """The statuses that come for these bytes, until the gateway is done with them."""
    stream = socket.create_connection((GATEWAY[0], int(GATEWAY[1])), timeout=60)
    stream.sendall(data + END)
    text, statuses = b"", []
    try:
        while part := stream.recv(65536):
            text += part
    except ConnectionResetError:
        pass
    while text:
        method = b"HEAD" if data.startswith(b"HEAD") and not statuses else b"GET"
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(text)
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, (h11.Response, h11.InformationalResponse)):
                statuses.append(event.status_code)
            if event is h11.NEED_DATA:
                raise EOFError(text)
        text = connection.trailing_data[0]
    return statuses


# Ends each case: it is read only where the bytes before it have ended, too.
END = b"GET /end HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n"
HOST = b"Host: a.example.com\r\n"


def post(fields, body=b""):
    return b"POST /x HTTP/1.1\r\n" + HOST + fields + b"\r\n\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
CASES = {
    "nothing": b"",
    "get": b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "head": b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "two at once": b"GET /a HTTP/1.1\r\n" + HOST + b"\r\nGET /b HTTP/1.1\r\n" + HOST + b"\r\n",
    "length": post(b"Content-Length: 3", b"abc"),
    "no length": post(b"X: 1"),
    "body of a get": b"GET /a HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "chunks": post(CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"),
    "chunks with trailers": post(CHUNKED, b"3\r\nabc\r\n0\r\nX: 1\r\nHost: b\r\n\r\n"),
    "chunks with extensions": post(CHUNKED, b"3;a=b;c\r\nabc\r\n0;d\r\n\r\n"),
    "chunks within a body": post(b"Content-Length: 5", b"0\r\n\r\n"),
    "length and chunks": post(CHUNKED + b"\r\nContent-Length: 3", b"0\r\n\r\n" + HIDDEN),
    "chunks and length": post(b"Content-Length: 4\r\n" + CHUNKED, b"1\r\nZ\r\n0\r\n\r\n"),
    "length twice": post(b"Content-Length: 3\r\nContent-Length: 3", b"abc"),
    "lengths that differ": post(b"Content-Length: 0\r\nContent-Length: 3", HIDDEN),
    "length as a list": post(b"Content-Length: 3, 3", b"abc"),
    "length with a sign": post(b"Content-Length: +3", b"abc"),
    "length below zero": post(b"Content-Length: -1", b"abc"),
    "length in hex": post(b"Content-Length: 0x3", b"abc"),
    "length beyond all": post(b"Content-Length: 99999999999999999999", b"abc"),
    "length with a blank": post(b"Content-Length : 3", b"abc"),
    "length folded": post(b"Content-Length:\r\n 3", b"abc"),
    "no chunks but something else": post(b"Transfer-Encoding: identity", b"abc"),
    "chunks twice": post(CHUNKED + b"\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunks in a list": post(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
    "chunks last but one": post(b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
    "chunks misspelt": post(b"Transfer-Encoding: xchunked", b"0\r\n\r\n"),
    "chunks with a tab": post(b"Transfer-Encoding:\x0bchunked", b"0\r\n\r\n"),
    "chunks quoted": post(b'Transfer-Encoding: "chunked"', b"0\r\n\r\n"),
    "chunks with a blank": post(b"Transfer-Encoding : chunked", b"0\r\n\r\n"),
    "chunks under another name": post(b"Transfer_Encoding: chunked", b""),
    "chunks hidden by a line feed": post(b"X: 1\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    "chunks hidden by a return": post(b"X: 1\rTransfer-Encoding: chunked", b""),
    "chunk size with a sign": post(CHUNKED, b"+3\r\nabc\r\n0\r\n\r\n"),
    "chunk size below zero": post(CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n"),
    "chunk size with a prefix": post(CHUNKED, b"0x3\r\nabc\r\n0\r\n\r\n"),
    "chunk size of nothing": post(CHUNKED, b"\r\nabc\r\n0\r\n\r\n"),
    "chunk size beyond all": post(CHUNKED, b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    "chunk with a bare line feed": post(CHUNKED, b"3\nabc\n0\n\n"),
    "chunk too long": post(CHUNKED, b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk extension with a line feed": post(CHUNKED, b"3;a\nabc\r\n0\r\n\r\n"),
    "trailer that is none": post(CHUNKED, b"0\r\nX 1\r\n\r\n"),
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /a HTTP/1.1\r\n" + HOST + b"Host: b.example.com\r\n\r\n",
    "an old version": b"GET /a HTTP/1.0\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    "a whole url": b"GET http://a.example.com/a HTTP/1.1\r\nHost: b.example.com\r\n\r\n",
    "a path with a blank": b"GET /a HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path with a return": b"GET /a\rX HTTP/1.1\r\n" + HOST + b"\r\n",
    "a field without a name": b"GET /a HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",
    "a field with nul": b"GET /a HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "connection takes the host": b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: host\r\n\r\n",
    "connection takes the length": post(b"Content-Length: 3\r\nConnection: content-length", b"abc"),
    "connection takes the chunks": post(CHUNKED + b"\r\nConnection: transfer-encoding", b"0\r\n\r\n"),
    "an upgrade without one": post(b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3", b"abc"),
    "an upgrade to something": b"GET /a HTTP/1.1\r\n" + HOST + b"Upgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "expectation": post(b"Expect: 100-continue\r\nContent-Length: 3", b"abc"),
}

threading.Thread(target=serve, daemon=True).start()
for name, data in CASES.items():
    with LOCK:
        SEEN.clear()
        ERRORS.clear()
    statuses = ask(data)
    with LOCK:
        print(f"{name}: {statuses} {SEEN} {len(ERRORS)}", flush=True)
