#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Knock at a Latchkey router with nothing but Python 3.8 or newer and its standard library.

  python3 knock.py --add              keep the link of a router; paste it when asked, or pipe it in
  python3 knock.py [ROUTER] DOOR      open a door, and say what was seen of it
  python3 knock.py --link FILE DOOR   the same with a link in a file (- is standard input)

It keeps links and used stamps where the program latchkey does, in the same form, so that both may
be used by turns. SPEC.md says every byte.
"""
import argparse, base64, collections, contextlib, datetime, errno, getpass, hashlib, hmac, ipaddress
import json, os, re, select, socket, ssl, struct, sys, tempfile, threading, time, urllib.parse
import urllib.request, zlib

REACH, SET_BACK, MAX_SENT = 100, 1000, 32  # of stamps, in ms: see pkgs/seal/sent.go
WITHIN, TOGETHER, MAX_STARTS = 180000, 10000, 5
MAX_STUN_PORTS = 4  # of a link


class Problem(Exception):
    """Something that the user is told, with the exit code."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


# --- the link (SPEC.md, section 4) ---

Link = collections.namedtuple("Link", "text name host addresses stun ports ordered key doors about")
Ordered = collections.namedtuple("Ordered", "ports header footer")


def number(text, most=65535):
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > most:
        raise Problem("link: a port is not from 1 to %d" % most)
    return int(text)


def span(text):
    first, found, last = text.partition("-")
    first, last = number(first), number(last if found else first)
    if last < first:
        raise Problem("link: the ports must ascend")
    return range(first, last + 1)


def decode(text):
    """Base64, standard or for URLs, padded or not. Errors never repeat it: it may be a key."""
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    if not re.fullmatch(r"[A-Za-z0-9+/]*", text) or len(text) % 4 == 1:
        raise Problem("this is not base64")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def parse_link(text):
    text = text.strip()
    if text.startswith("latchkey:"):  # the code of the installed app
        text = "#" + text[len("latchkey:"):]
    page, found, fragment = text.partition("#")
    if not found or len(text.encode()) > 4096:
        raise Problem("link: it has no '#', or more than 4096 bytes: it was cut off, or is none")
    if page and not is_page(page):
        raise Problem("link: a page begins with http:// or https://, and has no spaces and quotes")
    once = {k: None for k in "v n h u us p g gh gf k d".split()}
    addresses, about, further = [], {}, []
    for part in fragment.split("&"):
        key, found, value = part.partition("=")
        if not found or re.search(r"%(?![0-9A-Fa-f]{2})", value):
            raise Problem("link: a part was cut off or changed")
        try:
            value = urllib.parse.unquote(value, errors="strict")
        except UnicodeDecodeError:
            value = "\0"  # fits nowhere
        if key in once:
            if once[key] is not None:
                raise Problem("link: part '%s' is there twice" % key)
            once[key] = value
        elif key == "a":
            addresses.append(parse_address(value))
        elif key == "i":
            door = parse_door(value)
            if door:
                about.setdefault(door["name"], door)
        elif key == "e":
            further.append(parse_further(value))
    if once["v"] != "1":
        raise Problem("link: it is of a newer version than this program" if once["v"] else "link: part 'v' is missing")
    for key, good in (("n", r"[^\x00-\x1f\x7f-\x9f]{1,64}"), ("d", r"\w{1,64}(,\w{1,64})*"), ("k", r".+")):
        if not re.fullmatch(good, once[key] or "", re.ASCII if key == "d" else 0):
            raise Problem("link: part '%s' is missing, or not right" % key)
    if len(once["n"].encode()) > 64:
        raise Problem("link: the name has more than 64 bytes")
    if once["h"] is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}", once["h"]):
        raise Problem("link: part 'h' is no host name")
    key, doors = decode(once["k"]), once["d"].split(",")
    if len(key) != 32 or not any(key):
        raise Problem("link: the key is not 32 bytes")
    if len(doors) > 64 or len(addresses) > 8:
        raise Problem("link: it has more than 64 doors, or 8 addresses")
    if not once["h"] and not addresses:
        raise Problem("link: it names no router")
    ordered = None
    if once["g"] is not None:
        groups = [span(g) for g in once["g"].split(",")]
        ports = [p for g in groups for p in g]
        if len(ports) < 2 or any(a >= b for a, b in zip(ports, ports[1:])):
            raise Problem("link: the port groups must ascend and have at least 2 ports")
        frame = [[number(p) for p in once[k].split(",")] if once[k] is not None else [] for k in ("gh", "gf")]
        if set(ports) & set(frame[0] + frame[1]):
            raise Problem("link: header and footer must be outside of the groups")
        ordered = Ordered(ports, *frame)
    elif once["gh"] is not None or once["gf"] is not None:
        raise Problem("link: 'gh' and 'gf' say nothing without 'g'")
    stun = [number(once["u"])] if once["u"] is not None else []
    if once["us"] is not None:
        if not stun:
            raise Problem("link: 'us' says nothing without 'u'")
        stun += [number(port) for port in once["us"].split(",")]
        if len(stun) > MAX_STUN_PORTS or len(set(stun)) < len(stun):
            raise Problem("link: 'us' has at most %d ports beside that of 'u', none of them twice" % (MAX_STUN_PORTS - 1))
    base = number(once["p"], 65536 - 24 * 256) if once["p"] is not None else 0
    if not (stun or base or ordered):
        raise Problem("link: it names no way to knock")
    about = {name: about[name] for name in doors if name in about}
    for name, proto, ports in filter(None, further):
        if name in about:
            about[name].setdefault(proto, ports)
    return Link(text, once["n"], once["h"], addresses, stun, base, ordered, key, doors, about)


def is_page(text):
    return re.match(r"https?://[^/?]", text, re.I) and text.isprintable() and not re.search(r'[ "#<>\\^`{|}]', text) \
        and len(text.encode()) <= 1024


def parse_address(text):
    try:
        a = ipaddress.ip_address(text)
        a = getattr(a, "ipv4_mapped", None) or a
    except ValueError:
        a = None
    if a is None or "%" in text or a.is_unspecified or a.is_multicast:
        raise Problem("%.60r is not the IP address of one host" % text)
    return a


def parse_door(text):
    """What a part 'i' says of a door; None if it is not understood."""
    field = text.split(":", 4)
    if len(field) < 5 or field[1] not in ("tcp", "udp", "tcp+udp") or not re.fullmatch(r"[a-z0-9-]{0,32}", field[3]):
        return None
    if len(field[4].encode()) > 128 or re.search(r"[\x00-\x1f\x7f-\x9f]", field[4]):
        return None
    ports = parse_outside(field[2])
    if not ports:
        return None
    return dict({proto: ports for proto in field[1].split("+")}, name=field[0], port=ports[0], service=field[3], title=field[4])


def parse_further(text):
    """The door, protocol and ports of a part 'e'; None if it is not understood."""
    field = text.split(":")
    ports = parse_outside(field[2]) if len(field) == 3 and field[1] in ("tcp", "udp") else None
    return (field[0], field[1], ports) if ports else None


def parse_outside(text):
    """The first port of each range of ports with + between them; None if they are none."""
    try:
        return [span(p)[0] for p in text.split("+")] if text.count("+") < 32 else None
    except Problem:
        return None


# --- the pick-up (SPEC.md, section 5) ---

def h(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def open_pickup(code, answer):
    try:
        sealed = decode(answer)
    except Problem:
        sealed = b""
    tag, box = sealed[:16], sealed[16:]
    pad = b"".join(h(h(code, b"latchkey1 pickup box"), tag + struct.pack(">I", n)) for n in range(len(box) // 32 + 1))
    link = xor(box, pad)
    if not link or not hmac.compare_digest(tag, h(h(code, b"latchkey1 pickup tag"), link)[:16]):
        raise Problem("the sealed link is damaged: let the router show a new code")
    return link.decode()


def pickup_name(code):
    return h(code, b"latchkey1 pickup name")[:16].hex()


def pick_up(address):
    page, _, code = address.strip().partition("#")
    url = urllib.parse.urlsplit(page)
    try:
        code = decode(code)
    except Problem:
        code = b""
    if len(code) != 16 or url.scheme not in ("http", "https"):
        raise Problem("the pick-up address was cut off or changed")
    ask = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": ["0" * 32, "latchkey", "pickup", {"name": pickup_name(code)}]}
    request = urllib.request.Request("%s://%s/ubus" % (url.scheme, url.netloc), json.dumps(ask).encode(),
                                     {"Content-Type": "application/json"})
    context = ssl._create_unverified_context()  # the answer proves itself; a router's certificate is its own
    try:
        with urllib.request.urlopen(request, timeout=15, context=context) as reply:
            answer = json.loads(reply.read(16384))["result"][1]["answer"]
    except (OSError, ValueError) as e:
        raise Problem("%s: the router did not answer (%s): a code works only in its own network" % (url.netloc, e))
    except (KeyError, IndexError, TypeError):
        raise Problem("the router has nothing for this code: it was used, or is older than 15 minutes; let it show a new one")
    return open_pickup(code, answer)


# --- the message (SPEC.md, section 1) and how it is carried (sections 2 and 3) ---

def door_tag(name):
    return hashlib.sha256(b"latchkey door\0" + name.encode()).digest()[:2] if name else b"\0\0"


def seal(key, stamp, door, close=False, minutes=0, address=None):
    body = struct.pack(">Q", stamp)[2:] + door_tag(door) + bytes([int(close), minutes])
    if address:
        body += address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
    hint = h(h(key, b"latchkey1 hint"), struct.pack(">Q", stamp // 60000))[:3]
    tag = h(h(key, b"latchkey1 tag"), hint + body)[:11]
    return hint + tag + xor(body, h(h(key, b"latchkey1 box"), tag))


def username(message):
    return base64.b64encode(message).decode().rstrip("=")


def slots(message, base):
    return [base + 256 * i + b for i, b in enumerate(message)]


def digits(message, o):
    rest, most, n = int.from_bytes(message, "big"), 256 ** len(message) - 1, len(o.ports)
    out = []
    while most:
        out.append(o.ports[rest % n])
        rest, most = rest // n, most // n
    return o.header + out[::-1] + o.footer


def binding_request(message, random):
    """A STUN Binding request as a browser sends it for an ICE check, with 33 random bytes in it."""
    def attribute(kind, value):
        return struct.pack(">HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)

    def head(more):  # with the length of what will be there
        return struct.pack(">HHI", 1, len(attributes) + more, 0x2112A442) + random[:12]

    attributes = attribute(6, (username(message) + ":" + username(random[12:15])).encode())
    attributes += attribute(0x24, b"\x6e\x00\x1e\xff") + attribute(0x802A, random[:8])
    attributes += attribute(8, hmac.new(username(random[15:]).encode(), head(24) + attributes, hashlib.sha1).digest())
    attributes += attribute(0x8028, struct.pack(">I", zlib.crc32(head(8) + attributes) ^ 0x5354554E))
    return head(0) + attributes


# --- the stamps (SPEC.md, "Once"; the form is that of the program latchkey) ---

def add_span(spans, first, last):
    for s in [s for s in spans if s[0] <= last + 1 and first <= s[1] + 1]:
        spans.remove(s)
        first, last = min(first, s[0]), max(last, s[1])
    spans.append((first, last))
    spans.sort()
    if len(spans) > MAX_SENT:
        i = min(range(len(spans) - 1), key=lambda i: spans[i + 1][0] - spans[i][1])
        spans[i:i + 2] = [(spans[i][0], spans[i + 1][1])]


def free(spans, clock, size):
    for first, last in spans:
        if first <= clock + size + REACH and clock <= last + REACH:
            clock = last + REACH + 1
    return clock


def press(spans, now, n):
    """Takes the stamps of a press of n messages, and returns the first ones: see pkgs/seal/sent.go."""
    clock, size = max(now, 1), n - 1
    top = max(clock, spans[-1][1] + REACH + 1) if spans else clock
    top = min(top, 2 ** 48 - 1 - size)
    starts = []
    if top - min(clock, top) > SET_BACK:
        starts, below = [free(spans, clock, size)], top
        for first, last in reversed(spans):
            if len(starts) == MAX_STARTS - 1:
                break
            if clock < last < clock + WITHIN and last + TOGETHER < below:
                starts.append(free(spans, last, size))
            below = first
        starts = sorted(set(starts))
        if starts[0] + size + REACH >= top:
            starts = []
    starts.append(top)
    for start in starts:
        add_span(spans, start, start + size)
    return starts


def folder():
    if os.name == "nt":
        base = os.environ["APPDATA"]
    elif sys.platform in ("darwin", "ios"):
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(base, "latchkey")


@contextlib.contextmanager
def locked(f):
    if os.name == "nt":
        import msvcrt
        f.seek(0)
        msvcrt.locking(f.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl
        fcntl.flock(f, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if os.name == "nt":
            f.seek(0)
            msvcrt.locking(f.fileno(), msvcrt.LK_UNLCK, 1)


def read_stamps(text):
    """The ranges of used stamps in a file, ascending; those that there are not are 0 to 0."""
    if text and not re.fullmatch(r"([0-9]{15} [0-9]{15}\n){32}", text):
        raise ValueError
    spans = [tuple(map(int, line.split())) for line in text.splitlines() if line.strip("0 ")]
    if any(not a <= b < 2 ** 48 for a, b in spans) or any(a[1] >= b[0] for a, b in zip(spans, spans[1:])):
        raise ValueError
    return spans


def reserve(key, now, n):
    name = "stamp-" + hashlib.sha256(b"latchkey stamp\0" + key).hexdigest()[:16]
    path = os.path.join(folder(), name)
    os.makedirs(folder(), 0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+b", buffering=0) as f, locked(f):
        f.seek(0)
        text = f.read(32 * 32 + 1).decode("ascii", "replace")
        try:
            spans = read_stamps(text)
        except ValueError:
            raise Problem("%s: the file is damaged: remove it if this machine's clock was never ahead" % path)
        starts = press(spans, now, n)
        f.seek(0)
        f.write("".join("%015d %015d\n" % s for s in (spans + [(0, 0)] * 32)[:32]).encode())
        os.fsync(f.fileno())
    return starts


# --- sending ---

def family(address):
    return socket.AF_INET6 if address.version == 6 else socket.AF_INET


UNSENT = {getattr(errno, e) for e in ("ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EPERM", "EACCES", "ENETDOWN", "ENOBUFS")}


def begin_connect(address, port):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.setblocking(False)
    failed = s.connect_ex((str(address), port))
    if failed in UNSENT:
        s.close()
        raise OSError(failed, os.strerror(failed))
    return s


def send_stun(address, ports, message, stop):
    """Sends a message several times to all ports: nothing comes back by which to choose one."""
    payload, sent, failed = binding_request(message, os.urandom(33)), False, None
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        for pause in (0.05, 0.1, 0.2, 0.4, 0):
            for port in ports:
                try:
                    s.sendto(payload, (str(address), port))
                    sent = True
                except OSError as e:
                    failed = e
            if not sent:  # one way is enough
                raise failed
            if stop.wait(pause):
                return


def send_ports(address, ports, in_order, stop):
    begun = []
    try:
        for i, port in enumerate(ports):
            # In slots only the hint must be ahead; else each SYN waits for the one before. What is in
            # order must not be sent again, which systems do after a second. In slots it may be, twice: Linux does
            # so after 1 and 2 seconds, before 6.5 after 1 and 3, and somewhat late.
            begun.append((begin_connect(address, port), time.monotonic()))
            if in_order or i == 2:
                time.sleep(0.015)
            while in_order and begun and time.monotonic() - begun[0][1] > 0.9:
                begun.pop(0)[0].close()
        if begun:
            stop.wait(max(0, begun[0][1] + (0.9 if in_order else 3.3) - time.monotonic()))
    finally:
        for s, _ in begun:
            s.close()


def send(link, addresses, carriers, make, stop):
    """Sends a message of its own for each carrier and family; returns the errors by carrier and address."""
    threads, failed, sent = [], [], []

    def carry(carrier, address, message):
        try:
            if carrier == "stun":
                send_stun(address, link.stun, message, stop)
            elif link.ports and len(message) == 24:
                send_ports(address, slots(message, link.ports), False, stop)
            else:
                send_ports(address, digits(message, link.ordered), True, stop)
            sent.append(address)
        except OSError as e:
            failed.append("message to %s by %s: %s" % (address, carrier, e.strerror or e))

    for carrier in carriers:
        for version in (4, 6):
            same = [a for a in addresses if a.version == version]
            message = make() if same else b""
            for a in same:
                threads.append(threading.Thread(target=carry, args=(carrier, a, message)))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return failed, sent


# --- what is seen of the door (as pkgs/probe) ---

def answer(address, port, limit):
    """What comes back for a SYN within a time: accepted, refused, unsent or silent."""
    try:
        s = begin_connect(address, port)
    except OSError:
        return "unsent"
    with s:
        if not select.select([], [s], [s] if os.name == "nt" else [], limit)[1]:
            return "silent"
        failed = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not failed:
        return "accepted"
    return "refused" if failed == errno.ECONNREFUSED else "silent"


PROMPT = 0.7  # seconds within which a service must answer for silence before the knock to say anything


def judge(before, after):
    if before == "accepted":
        return "answered-before"
    if before == "unsent":
        return "offline" if after == "unsent" else "cannot-tell"
    if after == "accepted" or (after == "late" and before == "refused"):
        return "open"
    if before == "refused" or after == "late":
        return "cannot-tell"
    return "refused" if after == "refused" else "no-answer"


VERDICTS = {
    "open": "{0} is open: TCP port {1} did not let you in before the knock, and does now",
    "answered-before": "{0} answered before the knock: you are at home, or it is open already",
    "refused": "{0} is open, but the service behind it refuses: TCP port {1} was silent before the knock, and refuses now",
    "cannot-tell": "{0}: cannot tell whether it is open: this router answers closed ports, or the service behind the door is not there or too slow",
    "no-answer": "{0} gives no answer: TCP port {1} is silent after the knock, too; the router's owner sees the reason under Events",
    "offline": "{0} cannot be reached: this machine is offline",
}


class Watch:
    """Looks at one door from before the knock on."""

    def __init__(self, door, addresses):
        self.door, self.port, self.addresses = door["name"], door["tcp"][0], addresses
        self.before, self.after = {}, {}
        self.threads = [threading.Thread(target=self._first, args=(a,), daemon=True) for a in addresses]
        for t in self.threads:
            t.start()
        until = time.monotonic() + 0.4
        for t in self.threads:
            t.join(max(0, until - time.monotonic()))

    def _first(self, a):
        # An answer counts as one of before for 0.9 s: after a second the system sends its SYN again.
        # Where none comes a second SYN goes out, in case that the first was lost.
        second = []
        t = threading.Timer(0.02, lambda: second.append(answer(a, self.port, 0.9)))
        t.start()
        said = answer(a, self.port, 0.9)
        t.cancel()
        t.join(1)
        self.before[a] = said if said != "silent" or not second else second[0]

    def look(self, until):
        def tries(a):
            limit = 0.1
            while time.monotonic() < until and "accepted" not in self.after.values():
                begun = time.monotonic()
                said = answer(a, self.port, min(limit, max(0.05, until - begun)))
                if said == "accepted" and time.monotonic() - begun > PROMPT and answer(a, self.port, PROMPT) != "accepted":
                    said = "late"  # an answer to the SYN of before the knock could not have come in time
                self.after[a] = said
                if said == "late":
                    return
                time.sleep(max(0, min(begun + limit, until) - time.monotonic()) if said != "accepted" else 0)
                limit = min(2 * limit, 3.2)
        threads = [threading.Thread(target=tries, args=(a,)) for a in self.addresses]
        for t in threads:
            t.start()
        for t in threads + self.threads:
            t.join()

    def verdict(self):
        said = {judge(self.before.get(a, "silent"), self.after.get(a, "silent")) for a in self.addresses}
        return next(v for v in VERDICTS if v in said)


# --- the command line ---

def resolve(link, version):
    found, failed = [], None
    if link.host:
        try:
            names = socket.getaddrinfo(link.host, None, type=socket.SOCK_STREAM)
            for f in (socket.AF_INET, socket.AF_INET6):
                found += [ipaddress.ip_address(n[4][0].split("%")[0]) for n in names if n[0] == f][:1]
        except OSError as e:
            failed = e
    found = [a for a in dict.fromkeys(found + link.addresses) if version in (0, a.version)]
    if not found:
        raise Problem("look up %s: %s; is this machine online?" % (link.host, failed) if failed else "the link has no such address")
    return found


def read_secret():
    if sys.stdin.isatty():
        return getpass.getpass("paste the link or the pick-up address (it is not shown), and press Enter: ")
    return sys.stdin.readline(8192)


def read_link(text):
    code = text.strip().partition("#")[2]
    return parse_link(pick_up(text) if code and "=" not in code else text)


def link_file(name):
    safe = "".join(chr(c) if re.match(rb"[a-z0-9_-]", bytes([c])) else "%%%02x" % c for c in name.encode())
    return os.path.join(folder(), "router-%s.link" % safe)


def add(name):
    link = read_link(read_secret())
    if name:
        link = parse_link(re.sub(r"([#&])n=[^&]*", lambda m: m.group(1) + "n=" + urllib.parse.quote(name, safe=""), link.text, 1))
    path = link_file(link.name)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if parse_link(f.read()).key != link.key:
                raise Problem("%s was added before, with another key: remove %s first, or choose another name" % (link.name, path))
    os.makedirs(folder(), 0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder(), delete=False, encoding="utf-8") as f:  # mode 0600
        f.write(link.text + "\n")
    os.replace(f.name, path)
    print("added %s with %s" % (link.name, ", ".join(link.doors)))


def saved():
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder())):
            if name.startswith("router-") and name.endswith(".link"):
                with open(os.path.join(folder(), name), encoding="utf-8") as f:
                    yield parse_link(f.read())


def choose(args):
    """The link and the door that the words of the command line mean."""
    words = args.words[:]
    if args.link == "-":
        link = read_link(read_secret())
    elif args.link:
        with open(args.link, encoding="utf-8") as f:
            link = parse_link(f.read())
    else:
        links = list(saved())
        named = [l for l in links if words and l.name == words[0]]
        if named and (len(words) == 2 or len(links) > 1 or words[0] not in links[0].doors):
            words, links = words[1:], named
        if len(links) != 1:
            raise Problem("name the router, one of: " + ", ".join(l.name for l in links) if links
                          else "no router was added yet: knock.py --add", 2)
        link = links[0]
    if len(words) > 1 or (words and args.all):
        raise Problem("%r is one word too many" % words[-1], 2)
    if words and words[0] not in link.doors:
        raise Problem("%s has no door %r for you: it has %s" % (link.name, words[0], ", ".join(link.doors)))
    if not words and not args.all and len(link.doors) > 1:
        raise Problem("%s has several doors for you: name one of %s, or say --all" % (link.name, ", ".join(link.doors)), 2)
    return link, "" if args.all else (words or link.doors)[0]


def check_clock():
    if time.time() < datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc).timestamp():
        print("hint: this machine's clock is wrong: routers refuse knocks of a wrong clock, so set it", file=sys.stderr)


def carriers_of(link, args):
    can = ["stun"] if link.stun else []
    if link.ordered or (link.ports and not args.address):
        can.append("ports")
    can = [c for c in can if args.carrier in ("both", c)]
    if not can:
        raise Problem("%s does not listen to that carrier, or an address does not fit into it" % link.name)
    return can


def knock(args):
    link, door = choose(args)
    carriers = carriers_of(link, args)
    check_clock()
    addresses = resolve(link, args.version)
    to_see = [link.about[d] for d in ([door] if door else link.doors) if "tcp" in link.about.get(d, ())]
    if args.no_probe or args.close or args.address:
        to_see = []
    watches = [Watch(d, addresses) for d in to_see]
    print("knocking at %s (%s) by %s: %s %s" % (link.name, ", ".join(map(str, addresses)), " and ".join(carriers),
                                                 "close" if args.close else "open", door or "every door"))
    for again in (False, True):
        if again:
            print("no answer yet: knocking again")
        starts = reserve(link.key, int(time.time() * 1000), 4)
        stop = threading.Event()
        until = time.monotonic() + 3

        def send_from(start, out, wait=0):
            stamps = iter(range(start, start + 4))
            if not stop.wait(wait):
                out.extend(send(link, addresses, carriers, lambda: seal(link.key, next(stamps), door, args.close, args.minutes, args.address), stop))
        result = []
        sending = [threading.Thread(target=send_from, args=(s, result if not i else [], i)) for i, s in enumerate(starts)]
        for t in sending:
            t.start()
        looking = [threading.Thread(target=w.look, args=(until,)) for w in watches]
        for t in looking:
            t.start()
        for t in looking:
            t.join()
        if watches and all(w.verdict() == "open" for w in watches):
            time.sleep(0.2)  # the messages of the other family are on their way
            stop.set()
        for t in sending:
            t.join()
        failed, sent = result
        for text in failed:
            print(("left out: " if sent else "error: ") + text, file=sys.stdout if sent else sys.stderr)
        if not sent:
            raise Problem("this machine seems to be offline: no message could be sent")
        if not any(w.verdict() == "no-answer" for w in watches):
            break
    for w in watches:
        print(VERDICTS[w.verdict()].format(w.door, w.port))
    if not watches:
        print("done. A router never answers a knock: use the door to see that it is open.")
    said = {w.verdict() for w in watches}
    return 3 if "no-answer" in said else 4 if "refused" in said else 0


def minutes(text):
    m = re.fullmatch(r"(\d+)(m|h)?", text)
    n = int(m.group(1)) * (60 if m.group(2) == "h" else 1) if m else 0
    if not 1 <= n <= 255:
        raise argparse.ArgumentTypeError("a time is from 1m to 255m, such as 30m or 2h")
    return n


def address(text):
    try:
        return parse_address(text)
    except Problem as e:
        raise argparse.ArgumentTypeError(str(e))


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog="exit codes: 0 done, 1 it did not work, 2 wrong usage, 3 the door gave no answer, 4 its service refuses")
    p.add_argument("words", nargs="*", metavar="[ROUTER] DOOR", help="what to open; ROUTER if several were added")
    p.add_argument("--add", action="store_true", help="keep a link or what a pick-up address stands for, and end")
    p.add_argument("--name", help="with --add: call the router NAME here")
    p.add_argument("--list", action="store_true", help="show the routers that were added, without their keys, and end")
    p.add_argument("--link", metavar="FILE", help="take the link from FILE; - is standard input")
    p.add_argument("--all", action="store_true", help="every door that this device has at the router")
    p.add_argument("--for", dest="minutes", type=minutes, default=0, metavar="TIME", help="open it for TIME, such as 30m or 2h")
    p.add_argument("--close", action="store_true", help="close the door instead")
    p.add_argument("--address", type=address, help="open it to ADDRESS instead of the sender's")
    p.add_argument("--carrier", choices=("stun", "ports", "both"), default="both", help="stun is UDP, ports is TCP")
    p.add_argument("--no-probe", action="store_true", help="do not try the door's own port before and after the knock")
    p.add_argument("-4", dest="version", action="store_const", const=4, default=0, help="use IPv4 only")
    p.add_argument("-6", dest="version", action="store_const", const=6, help="use IPv6 only")
    args = p.parse_args(argv)
    try:
        if args.add:
            return add(args.name)
        if args.list:
            for l in saved():
                print("%s: %s" % (l.name, ", ".join(l.doors)))
            return 0
        return knock(args)
    except Problem as e:
        print("knock.py: error: %s" % e, file=sys.stderr)
        return e.code
    except OSError as e:
        print("knock.py: error: %s" % e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1


if __name__ == "__main__":
    sys.exit(main())
