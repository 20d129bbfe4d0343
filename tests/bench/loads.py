"""What clients do to a proxy, and what of it succeeded."""
import re
import socket
import ssl
import statistics
import struct
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor

from machine import find
from proxies import HOST

PATH, LARGE = "/api/items?id=7", "/api/large"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Load:
    """Requests that were answered, how long they took in milliseconds, and those that were not."""

    def __init__(self, requests, p50, p99, failed):
        self.requests, self.p50, self.p99, self.failed = requests, p50, p99, failed


def serves(port):
    """Whether the route that is asked for is there: some read theirs after they have begun to listen."""
    ask = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as stream:
            stream.sendall(ask)
            return stream.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wrk(url, seconds, connections, path=PATH, close=False):
    more = ["-H", "Connection: close"] if close else []
    said = run([find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {HOST}", *more, url + path])

    def latency(part):
        number, unit = re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", said).groups()
        return float(number) * UNITS[unit]

    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
    for connect, read, write, late in re.findall(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
        # A connection that ends as it should is an error to wrk.
        failed += int(connect) + int(late) + (0 if close else int(read) + int(write))
    return Load(int(re.search(r"(\d+) requests in", said)[1]), latency(50), latency(99), failed)


def h2load(port, seconds, path=PATH, more=(), scheme="https"):
    log = f"/tmp/h2load.{port}"
    said = run([find("h2load"), "-t1", "-c8", "-m32", f"-D{seconds}", f"--log-file={log}", *more,
                f"--connect-to=127.0.0.1:{port}", f"{scheme}://{HOST}{path}"])
    done, good = map(int, re.search(r"(\d+) done, (\d+) succeeded", said).groups())
    # The time of each request, in microseconds, stands third.
    with open(log, encoding="ascii") as lines:
        times = sorted(int(line.split()[2]) / 1e3 for line in lines)
    middle = lambda part: times[int(part * (len(times) - 1))] if times else float("nan")
    subprocess.run(["rm", "-f", log], check=True)
    return Load(good, middle(0.5), middle(0.99), done - good)


def paced(port, seconds, scheme):
    """6,400 requests a second over 64 connections of HTTP/1.1, however fast they are answered."""
    return h2load(port, seconds, more=["--h1", "-c64", "-m1", "--rps=100"], scheme=scheme)


def calls(port, seconds):
    message = f"/tmp/call.{port}"
    with open(message, "wb") as out:
        out.write(b"\0\0\0\0\x05hello")
    more = [f"-d{message}", "-Hcontent-type: application/grpc", "-Hte: trailers"]
    try:
        return h2load(port, seconds, "/grpc.Echo/Say", more)
    finally:
        subprocess.run(["rm", "-f", message], check=True)


def context(alpn):
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.set_alpn_protocols([alpn])
    return tls


def shaking(port, seconds, resume):
    """One client: a connection and a request at a time. Times of those that went well, and the others."""
    tls, session, times, failed = context("http/1.1"), None, [], 0
    ask = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        try:
            raw = socket.create_connection(("127.0.0.1", port), 10)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with tls.wrap_socket(raw, server_hostname=HOST, session=session) as stream:
                stream.sendall(ask)
                answer = stream.recv(65536)
                while stream.recv(65536):
                    pass
                good = answer.startswith(b"HTTP/1.1 200") and stream.session_reused == (session is not None)
                session = stream.session if resume else None
        except OSError:
            good = False
        if good:
            times.append((time.monotonic() - begun) * 1e3)
        else:
            failed += 1
            session = None
    return times, failed


def handshakes(port, seconds, resume, clients=8):
    """A handshake a request, full or resumed: wrk would resume wherever it can."""
    with ProcessPoolExecutor(clients) as pool:
        work = [pool.submit(shaking, port, seconds, resume) for _ in range(clients)]
        results = [it.result() for it in work]
    times = sorted(time for times, _ in results for time in times)
    failed = sum(failed for _, failed in results)
    if len(times) < 2:
        return Load(len(times), float("nan"), float("nan"), failed)
    return Load(len(times), statistics.median(times), times[int(0.99 * (len(times) - 1))], failed)


def idle(program, port, count):
    """KiB for each connection of HTTP/1.1 that has asked once."""
    ask = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    return held(program, count, lambda: socket.create_connection(("127.0.0.1", port), 10), ask)


def idle_http2(program, port, count):
    """KiB for each connection of HTTP/2 over TLS that has asked once."""
    tls = context("h2")
    text = lambda value: bytes([len(value)]) + value.encode()
    block = b"\x82\x87\x04" + text(PATH) + b"\x01" + text(HOST)
    head = struct.pack(">I", len(block))[1:] + b"\x01\x05" + struct.pack(">I", 1)
    ask = PREFACE + b"\0\0\0\4\0\0\0\0\0" + head + block

    def connect():
        raw = socket.create_connection(("127.0.0.1", port), 10)
        return tls.wrap_socket(raw, server_hostname=HOST)

    return held(program, count, connect, ask)


def held(program, count, connect, ask):
    before, open_ones = program.memory(), []
    try:
        for _ in range(count):
            stream = connect()
            open_ones.append(stream)
            stream.sendall(ask)
            answer = b""
            while b"xxxx" not in answer:
                part = stream.recv(65536)
                if not part:
                    return float("nan")
                answer += part
        time.sleep(1)
        return (program.memory() - before) / count
    except OSError:
        return float("nan")
    finally:
        for stream in open_ones:
            stream.close()
