"""What the scripts of this folder share: a server on artifacts that are given or made here, and requests to it."""
import argparse
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOPICS = ["database query storage engine", "font typeface glyph serif", "compiler parser syntax grammar", "garden plant seed flower",
          "music song chord melody", "kernel driver scheduler memory", "recipe bread dough oven", "mountain trail summit glacier"]


def arguments(description):
    """The options that every script has; give either all artifacts or none."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", default=None, help="pinsage-cli (default: the newest one under .build)")
    for name in ["index", "dataset", "model"]:
        parser.add_argument("--" + name, help="served in place of a small data set that is made for the purpose")
    parser.add_argument("--resident", action="store_true", help="serve --resident")
    return parser


def program(options):
    if options.program:
        return str(pathlib.Path(options.program).resolve())
    found = [path for kind in ["release", "debug"] if (path := ROOT / ".build" / kind / "pinsage-cli").exists()]
    if not found:
        sys.exit("there is no pinsage-cli under .build: run swift build --product pinsage-cli, or give --program")
    return str(max(found, key=lambda path: path.stat().st_mtime))


def make_artifacts(program, folder, items=2000, seed=1):
    """Imports, trains, embeds, indexes and maps a small catalogue of eight topics by the public commands."""
    draw = random.Random(seed)
    words = [topic.split() for topic in TOPICS]
    with open(f"{folder}/items.tsv", "w") as file:
        file.write("item\ttitle\turl\ttext\ttopic\tstars\n")
        for item in range(items):
            topic = item % len(TOPICS)
            title = " ".join(draw.choice(words[topic]) for _ in range(3)).capitalize() + f" no. {item}"
            stars = "" if item % 3 == 0 else str(draw.randrange(1000))
            file.write(f"it{item}\t{title}\thttps://example.org/{item}\tAbout {' '.join(words[topic])} & <b>more</b>\t{words[topic][0]}\t{stars}\n")
    with open(f"{folder}/edges.tsv", "w") as file:
        file.write("item\tcollection\n")
        for item in range(items):
            for _ in range(4):
                file.write(f"it{item}\tlist {item % len(TOPICS)}-{draw.randrange(items // 40 + 1)}\n")
    for command in [
        ["import", "--edges", "edges.tsv", "--items", "items.tsv", "--output", "dataset"],
        ["train", "dataset", "--output", "model", "--epochs", "1", "--dimension", "32"],
        ["embed", "--model", "model", "--dataset", "dataset", "--output", "embeddings"],
        ["index", "--embeddings", "embeddings", "--kind", "hnsw", "--output", "index"],
        ["project2d", "--index", "index"],
    ]:
        subprocess.run([program] + command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Server:
    """A running server, whose changes go to a file of its own; stopped with its `with` block."""

    def __init__(self, options, *extra, live=None):
        self.program = program(options)
        self.folder = tempfile.mkdtemp(prefix="pinsage-serving-")
        given = [options.index, options.dataset, options.model]
        if any(given) and not all(given):
            sys.exit("give --index, --dataset and --model, or none of them")
        if any(given):
            self.index, self.dataset, self.model = given
        else:
            make_artifacts(self.program, self.folder)
            self.index, self.dataset, self.model = (f"{self.folder}/{name}" for name in ["index", "dataset", "model"])
        self.live = live or f"{self.folder}/live.sqlite"
        self.extra = list(extra) + (["--resident"] if options.resident else [])
        self.process = None
        self.start()

    def start(self):
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.program, "serve", "--port", "0", "--index", self.index, "--dataset", self.dataset, "--model", self.model, "--live", self.live]
            + self.extra, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if match := re.search(r"http://[^ ]*:(\d+)/", line):
                self.port = int(match[1])
                break
            print(line, end="", file=sys.stderr)
        else:
            sys.exit(f"the server ended with status {self.process.wait()}")
        status, _ = Client(self.port).ask("GET", "/readyz")
        assert status == 200, status
        self.ready_seconds = time.monotonic() - begin
        threading.Thread(target=lambda stream: [print("server:", line, end="", file=sys.stderr) for line in stream], args=[self.process.stderr],
                         daemon=True).start()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def anonymous_bytes(self):
        """Memory without mapped files."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        return 0

    def processor_seconds(self):
        """User and system time so far, of all threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Client:
    """One connection that is kept open."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method, target, body=None):
        """Status and body; a JSON body as it is meant."""
        headers = {} if body is None else {"content-type": "application/json"}
        self.connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if "json" in (answer.headers.get("content-type") or "") and data:
            return answer.status, json.loads(data)
        return answer.status, data.decode()


def load(server, seconds, connections=16, query="?k=20", pause=0):
    """Requests a second, errors by kind, and the text of a run of wrk (apt-get install wrk) that asks for related items of uniformly drawn ids; its connections
    pause after each answer, milliseconds on average. A timeout is an answer that took wrk's two seconds and more."""
    if not shutil.which("wrk"):
        sys.exit("there is no wrk: apt-get install wrk")
    ids = pathlib.Path(f"{server.folder}/ids.txt")
    if not ids.exists():
        ids.write_text("\n".join(all_items(server.index)) + "\n")
    run = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-s", str(ROOT / "scripts/serving/load-related.lua"),
         f"http://127.0.0.1:{server.port}", "--", str(ids), query, str(pause)], capture_output=True, text=True)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", run.stdout)
    if not rate:
        return 0, {"run": 1}, run.stdout + run.stderr
    errors = {kind: int(number) for kind, number in re.findall(r"(\w+) (\d+)", re.search(r"^errors: (.*)", run.stdout, re.M)[1]) if int(number)}
    return float(rate[1]), errors, run.stdout


def latencies(text):
    """The median and the last hundredth in the text of a run of wrk."""
    found = dict(re.findall(r"(50|99)%\s+([\d.]+\w+)", text.split("Latency Distribution")[-1]))
    return found.get("50"), found.get("99")


def item_path(name):
    return "/v1/items/" + urllib.parse.quote(name, safe="")


def array(path):
    """The bytes of a .npy file behind its header."""
    data = pathlib.Path(path).read_bytes()
    return memoryview(data)[10 + int.from_bytes(data[8:10], "little"):]


def all_items(index):
    """Ids of all items of an index, in the order of its rows."""
    offsets, names = array(f"{index}/item_ids.offsets.npy").cast("q"), bytes(array(f"{index}/item_ids.bytes.npy"))
    return [names[begin:end].decode() for begin, end in zip(offsets, offsets[1:])]


def items_of(server, count=2000):
    """Ids of items, evenly drawn."""
    status, answer = Client(server.port).ask("GET", f"/v1/map?limit={count}")
    assert status == 200, answer
    return answer["items"]
