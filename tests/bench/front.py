"""Stands before something that answers like AWS: counts calls, notes when they came, refuses some."""
import http.client
import http.server
import json
import random
import re
import threading
import time
import urllib.parse

MUTATING = re.compile(
    r"(Create|Modify|Delete|Add|Remove|Set|Register|Deregister|Authorize|Revoke|Associate|Disassociate)")


def changes(name):
    """Whether a call changes something."""
    return MUTATING.match(name.split(" ")[1]) is not None


def name_of(headers, body):
    """Service and operation of a call: `ELBv2 CreateRule`."""
    target = headers.get("X-Amz-Target")
    if target:
        service, _, operation = target.rpartition(".")
        for word, short in (("Certificate", "ACM"), ("WAF", "WAFv2"), ("Shield", "Shield"), ("Tagging", "Tagging")):
            if word in service:
                return f"{short} {operation}"
        return f"{service} {operation}"
    form = urllib.parse.parse_qs(body.decode("utf-8", "replace"))
    service = {"2015-12-01": "ELBv2", "2016-11-15": "EC2"}.get(form.get("Version", [""])[0], "other")
    return f"{service} {form.get('Action', ['?'])[0]}"


def refusal(name):
    """Body and type of the answer by which AWS says that it takes no more calls of a kind."""
    if name.startswith("EC2 "):
        return (b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Rate exceeded</Message>"
                b"</Error></Errors><RequestID>0</RequestID></Response>", "text/xml")
    if name.startswith("ELBv2 "):
        return (b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message>"
                b"</Error><RequestId>0</RequestId></ErrorResponse>", "text/xml")
    return (json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode(),
            "application/x-amz-json-1.1")


class Front:
    """A server of its own. `calls` are (when, name, refused), oldest first."""

    def __init__(self, endpoint):
        place = urllib.parse.urlsplit(endpoint)
        self.place = (place.hostname, place.port)
        self.calls, self.refused_share, self.chance = [], 0.0, random.Random(1)
        self.lock, self.local = threading.Lock(), threading.local()
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                front.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        """Answers one call."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        name = name_of(handler.headers, body)
        with self.lock:
            refused = changes(name) and self.chance.random() < self.refused_share
            self.calls.append((time.monotonic(), name, refused))
        if refused:
            text, kind = refusal(name)
            self.send(handler, 400, text, kind)
        else:
            status, text, kind = self.forward(handler, body)
            self.send(handler, status, text, kind)

    def forward(self, handler, body):
        """What the one behind says; each thread has a connection of its own."""
        for again in (True, False):
            if getattr(self.local, "upstream", None) is None:
                self.local.upstream = http.client.HTTPConnection(*self.place, timeout=60)
            try:
                headers = {key: value for key, value in handler.headers.items() if key.lower() != "host"}
                self.local.upstream.request("POST", handler.path, body, headers)
                answer = self.local.upstream.getresponse()
                return answer.status, answer.read(), answer.headers.get("Content-Type", "text/xml")
            except (OSError, http.client.HTTPException):
                self.local.upstream = None
                if not again:
                    raise
        raise AssertionError("it was tried twice")

    @staticmethod
    def send(handler, status, body, kind):
        """In one piece."""
        head = (f"HTTP/1.1 {status} .\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        handler.wfile.write(head + body)
        handler.wfile.flush()

    def since(self, at):
        """Calls since the one with that number."""
        return self.calls[at:]

    def calm(self, mark, count, limit):
        """Waits for so many calls after the first `mark`, and until no more than one a second has come for 5 s."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            time.sleep(1)
            calls, now = self.since(mark), time.monotonic()
            if len(calls) >= count and sum(1 for at, _, _ in calls if now - at < 5) <= 6:
                return
        raise SystemExit(f"calls come in heaps after {limit} s")

    def quiet(self, mark, seconds, limit, only_changes=False):
        """Waits for a call after the first `mark`, and until none has come for so long."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            counted = [at for at, name, _ in self.since(mark) if not only_changes or changes(name)]
            if counted and time.monotonic() - counted[-1] >= seconds:
                return
            time.sleep(0.1)
        raise SystemExit(f"calls go on after {limit} s")
