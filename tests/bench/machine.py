"""Programs that are measured: started, found out when they serve, and what they have cost so far."""
import os
import shutil
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def find(name):
    """Where a program is: in the folder that PEERS names, where the set-up puts it, or in PATH."""
    here = os.path.dirname(os.path.abspath(__file__))
    tools = os.path.join(here, "..", "..", "target", "tools", "peers")
    folders = [os.path.join(folder, "bin") for folder in (os.environ.get("PEERS"), tools) if folder]
    folders.append(os.path.join(here, "..", "..", "target", "release"))
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"]))


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


class Program:
    """A process with all that it starts. It ends with the `with` block."""

    def __init__(self, name, command, folder, ports):
        self.name, self.log = name, os.path.join(folder, name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        self.ports = ports

    def __enter__(self):
        deadline = time.monotonic() + 120
        for port in self.ports:
            while not self._listens(port):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    with open(self.log, encoding="utf-8", errors="replace") as log:
                        raise SystemExit(f"{self.name} does not serve: {log.read()[-2000:]}")
                time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @staticmethod
    def _listens(port):
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return True
        except OSError:
            return False

    def _pids(self):
        found, open_ends = [], [self.process.pid]
        while open_ends:
            pid = open_ends.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                        open_ends += map(int, children.read().split())
            except OSError:
                pass
        return found

    def cpu(self):
        """Microseconds in user and in system mode."""
        user = system = 0
        for pid in self._pids():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            user, system = user + int(fields[11]), system + int(fields[12])
        return user * 1e6 / TICKS, system * 1e6 / TICKS

    def memory(self, peak=False):
        """KiB that are resident, now or at the most."""
        word, total = "VmHWM:" if peak else "VmRSS:", 0
        for pid in self._pids():
            try:
                with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                    total += sum(int(line.split()[1]) for line in status if line.startswith(word))
            except OSError:
                pass
        return total


def certificate(folder):
    """An elliptic one that nobody trusts, for *.example.com: cert.pem, key.pem, both.pem."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "30", "-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:*.example.com",
         "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    with open(os.path.join(folder, "both.pem"), "wb") as both:
        for name in ("cert.pem", "key.pem"):
            with open(os.path.join(folder, name), "rb") as part:
                both.write(part.read())
