# SPDX-License-Identifier: MIT
"""Counts what an import loses without a word. It reads inetd.conf and xinetd.conf by itself and knows
itself what each field and attribute has to become: it must be in the section that is served, or have
a warning at its line. It shares nothing with tcpd-import but what both read.

lost_inetd() and lost_xinetd() return what is silently lost, as texts; nothing is a good import.
"""

import ipaddress
import os
import re
import socket
from pathlib import Path

BUILT_IN = ("echo", "discard", "chargen", "daytime", "time")


class Output:
    """What tcpd-import printed: sections by their place, and the lines that have a warning."""

    def __init__(self, printed, said):
        self.warned = {(found[1], int(found[2]))
                       for found in re.finditer(r"^(.+?):(\d+): warning: .+$", said, re.M)}
        self.said = {re.sub(": warning: ", ": ", line, count=1) for line in said.splitlines()}
        self.sections = {}
        for block in re.split(r"\n(?=# \S+:\d+: )", printed):
            place = re.match(r"# (\S+):(\d+): ", block)
            section = re.search(r"^(#?)service \"([^\"]+)\" \{\n(.*?)^#?\}$", block, re.M | re.S)
            if place and section:
                reason = re.search(r"^# NOT IMPORTED: (.*)$", block, re.M)
                self.sections[place[1], int(place[2])] = Section(reason, *section.groups())

    def tells_why_not(self, section, file, line):
        """Whether a warning has the reason why an entry is not served."""
        if section:
            return section.reason in self.said
        return (file, line) in self.warned

    def is_warned(self, file, line):
        return (file, line) in self.warned


class Section:
    """A service of tcpd.conf, served or a comment."""

    def __init__(self, reason, mark, name, text):
        self.reason = reason and reason[1]
        self.is_served, self.name = mark == "", name
        text = re.sub(r"^#", "", text, flags=re.M) if mark else text
        self.settings = {}
        for found in re.finditer(r"^    (\w+) = (\{.*?\}$|[^\n]*)", text, re.M | re.S):
            if not found[0].lstrip().startswith("#"):
                self.settings[found[1]] = found[2]

    def value(self, name):
        """A setting without its quotes and comment, None: it is not there."""
        found = self.settings.get(name)
        return found and re.sub(r"\s+#.*", "", found).strip("'\"")

    def values(self, name):
        return list(quoted_words(self.settings.get(name, "")))


def quoted_words(text):
    """What is in quotes, as tcpd.conf(5) has it: in single ones a backslash is itself, but right
    before a quote."""
    at = 0
    while at < len(text):
        quote, word = text[at], ""
        at += 1
        if quote == '"':
            word, _, _ = text[at:].partition('"')
            at += len(word) + 1
            yield word
        while quote == "'":
            slashes = len(text) - at - len(text[at:].lstrip("\\"))
            at += slashes
            if text[at] != "'":
                word += "\\" * slashes + text[at]
            elif slashes % 2 == 1:
                word += "\\" * (slashes // 2) + "'"
            else:
                yield word + "\\" * (slashes // 2)
                quote = ""
            at += 1


def port_of(name, protocol):
    if name.isdigit():
        return int(name)
    try:
        return socket.getservbyname(name, protocol)
    except OSError:
        return None


# --- inetd.conf --------------------------------------------------------------------------------


def entries(text):
    """(its line, its words) of each entry that is on."""
    found, at = [], None
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line[:1] in (" ", "\t") and at is not None:
            at += line.split()
        elif line and not line.startswith("#"):
            at = line.split()
            found.append((number, at))
        else:
            at = None
    return found


def misses_of_entry(words, host, section, is_warned):
    """What the section lacks of a line. Only what nothing can be made of is excused by a warning."""
    name, kind, protocol, wait, user, program, *arguments = words
    own, _, service = name.rpartition(":")
    hosts = (own or host or "*").split(",")
    prefix = "udp:" if kind == "dgram" else ""
    if protocol == "unix":
        wanted = [("unix-dgram:" if prefix else "unix:") + name]
    else:
        port = port_of(service, "udp" if prefix else "tcp")
        family = protocol.partition(",")[0][3:]
        open_ = {"4": ["0.0.0.0"], "6": ["[::]"], "46": ["*"]}.get(family, ["*", "0.0.0.0"])
        wanted = [f"{prefix}{each}:{port}" for each in (open_ if hosts == ["*"] else hosts)]
    listens = section.values("listen")
    if hosts == ["*"] and protocol != "unix":
        if not set(wanted) & set(listens):
            yield f"listen {wanted}"
    elif set(wanted) != set(listens):
        yield f"listen {wanted}"
    if program == "internal":
        if section.value("handler") != service or (service == "daytime" and not is_warned):
            yield "internal"
        return
    if section.value("user") != re.split("[.:]", user)[0]:
        yield "user"
    if re.search("[.:]", user) and section.value("group") != re.split("[.:/]", user)[1]:
        yield "group"
    yield from misses_of_program(section, program, arguments or [program], wait == "wait")
    if (wait not in ("wait", "nowait") or "," in kind + protocol or "/" in user) and not is_warned:
        yield "a suffix"


def misses_of_program(section, path, argv, waits):
    words = section.values("program")
    given = words if words and words[0] == path else words[1:]
    if section.value("handler") != "program" or not words or words[0].lstrip("@") != path:
        yield "program"
    if given != argv:
        yield f"arguments {given} for {argv}"
    if (section.value("program_mode") == "wait") != waits:
        yield "wait"


def lost_inetd(file, text, output):
    lost, host, n = [], None, 0
    for line, words in entries(text):
        if len(words) == 1 and words[0].endswith(":"):
            host = words[0][:-1]
            continue
        n += 1
        section = output.sections.get((file, line))
        is_warned = output.is_warned(file, line)
        if section and section.is_served:
            lost += [f"{file}:{line}: {what}"
                     for what in misses_of_entry(words, host, section, is_warned)]
        elif not output.tells_why_not(section, file, line):
            lost.append(f"{file}:{line}: neither served nor warned of")
    return n, lost


# --- xinetd.conf -------------------------------------------------------------------------------


class Service:
    def __init__(self, name, file, line):
        self.name, self.file, self.line = name, file, line
        self.attributes = []  # (line, name, operator, values)

    def value(self, name, default=None):
        found = [values for _, other, _, values in self.attributes if other == name]
        return found[0] if found else default


def read_xinetd(path):
    """All sections, the defaults among them as a service without a name."""
    found, todo = [], [path]
    while todo:
        path = todo.pop(0)
        current = None
        more = []
        for number, line in enumerate(Path(path).read_text().splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#") or words == ["{"]:
                continue
            if current and words == ["}"]:
                current = None
            elif current:
                name, operator, values = re.match(r"\s*(\S+)\s*([+-]?=)(.*)", line).groups()
                current.attributes.append((number, name, operator, values.split()))
            elif words[0] in ("service", "defaults"):
                current = Service("".join(words[1:2]), path, number)
                found.append(current)
            elif words[0] == "include":
                more.append(words[1])
            elif words[0] == "includedir":
                more += [os.path.join(words[1], name) for name in sorted(os.listdir(words[1]))
                         if "." not in name and not name.endswith("~")]
        todo = more + todo
    return found


def listens(service, section, defaults):
    protocol = "udp" if service.value("socket_type") == ["dgram"] else "tcp"
    port = service.value("port")
    port = int(port[0]) if port else port_of(service.name, protocol)
    flags = service.value("flags", [])
    only = service.value("v6only", defaults.value("v6only"))
    host = ("[::]" if only == ["yes"] else "0.0.0.0" if "IPv4" in flags else "*")
    if service.value("only_from") == ["0.0.0.0/0"] and host == "*":
        host = "0.0.0.0"
    host = (service.value("bind") or defaults.value("bind") or [host])[0]
    prefix = "udp:" if protocol == "udp" else ""
    return section.values("listen") == [f"{prefix}{host}:{port}"]


def runs(service, section, _):
    path = service.value("server")[0]
    argv = service.value("server_args", [])
    if "NAMEINARGS" not in service.value("flags", []):
        argv = [os.path.basename(path), *argv]
    return not list(misses_of_program(section, path, argv, service.value("wait") == ["yes"]))


def is_open(values):
    return values == ["0.0.0.0/0"]


def names_networks(setting):
    """Whether each address is in a list, however it is written there."""
    def check(values, section):
        if is_open(values):
            return True
        if setting == "allow" and not values:  # nobody
            return section.values("deny") == ["0.0.0.0/0", "::/0"]
        nets, denied = ([ipaddress.ip_network(text) for text in section.values(name)]
                        for name in (setting, "deny"))
        return bool(values) and all(
            is_address(text) and any(address_of(text) in net for net in nets) and
            not (setting == "allow" and any(address_of(text) in net for net in denied))
            for text in values)
    return check


def address_of(text):
    return ipaddress.ip_address(text.split("/")[0])


def is_address(text):
    try:
        address_of(text)
        return True
    except ValueError:
        return False


def is_limit(setting):
    def check(values, section):
        number = re.fullmatch(r"(\d+)([KkMm]?)", values[0])
        factor = {"k": 1 << 10, "m": 1 << 20, "": 1}[number[2].lower()] if number else 0
        return number and section.value(setting).rstrip("s") == str(int(number[1]) * factor)
    return check


# What becomes of an attribute whose value depends on nothing else.
KEPT = {
    "user": lambda values, section: [section.value("user")] == values,
    "group": lambda values, section: [section.value("group")] == values,
    "instances": lambda values, section: [section.value("max_workers")] == values
    or section.value("program_mode") == "wait" and values != ["UNLIMITED"],
    "per_source": lambda values, section: values == ["UNLIMITED"]
    or [section.value("source_connections")] == values,
    "only_from": names_networks("allow"),
    "no_access": names_networks("deny"),
    "nice": lambda values, section: [section.value("nice")] == values,
    "umask": lambda values, section: int(section.value("umask"), 8) == int(values[0], 8),
    "rlimit_as": is_limit("limit_as"),
    "rlimit_cpu": is_limit("limit_cpu"),
    "rlimit_files": is_limit("limit_nofile"),
    "env": lambda values, section: set(values) <= set(section.values("environment")),
    "passenv": lambda values, _: set(values) <= {"PATH", "LANG", "TZ"},
    "log_on_success": lambda values, _: "USERID" not in values,
    "log_on_failure": lambda values, _: "USERID" not in values,
    "log_type": lambda values, _: values[:2] == ["SYSLOG", "daemon"],
    "flags": lambda values, _: set(values) <= {"REUSE", "NORETRY", "NAMEINARGS", "NODELAY",
                                               "KEEPALIVE", "NOLIBWRAP", "IPv4", "IPv6"},
    "groups": lambda values, _: values == ["yes"],
    "banner_fail": lambda _, section: section.value("refusal_text"),
}
WHOLE = {"server": runs, "server_args": runs, "port": listens, "bind": listens, "wait": runs,
         "socket_type": listens, "protocol": listens, "v6only": listens}
NOTHING = {"id", "disable", "disabled", "enabled"}


def is_kept(service, attribute, section, defaults):
    _, name, _, values = attribute
    is_internal = "INTERNAL" in service.value("type", [])
    if name == "type":
        return set(values) <= {"UNLISTED", "INTERNAL"} and (
            not is_internal or section.value("handler") == service.name != "daytime")
    if is_internal and name in ("user", "group", "wait", "server"):
        return True
    if name in NOTHING or (name == "wait" and service.value("redirect")):
        return True
    if name in WHOLE:
        return WHOLE[name](service, section, defaults)
    return name in KEPT and KEPT[name](values, section)


def lost_xinetd(path, output):
    services = read_xinetd(path)
    defaults = next((each for each in services if not each.name), Service("", path, 0))
    off = defaults.value("disabled", [])
    lost, n = [], 0
    for service in services:
        id_ = service.value("id", [service.name])[0]
        if not service.name or service.value("disable") == ["yes"] or id_ in off:
            continue
        n += 1
        section = output.sections.get((service.file, service.line))
        if not section or not section.is_served:
            if not output.tells_why_not(section, service.file, service.line):
                lost.append(f"{service.file}:{service.line}: neither served nor warned of")
        if not section:
            continue
        own = {attribute[1] for attribute in service.attributes}
        for owner, attribute in ([(service, each) for each in service.attributes] +
                                 [(defaults, each) for each in defaults.attributes
                                  if each[1] not in own and each[1] not in WHOLE]):
            if not output.is_warned(owner.file, attribute[0]) and \
                    not is_kept(service, attribute, section, defaults):
                lost.append(f"{owner.file}:{attribute[0]}: {attribute[1]} of {service.name}")
    return n, lost


# --- Rules of tcprules -------------------------------------------------------------------------


def tcprules_allows(rules, address):
    """What tcpserver would do: the address, then its beginnings, then the rule for all."""
    parts = address.split(".")
    keys = [address] + [".".join(parts[:n]) + "." for n in (3, 2, 1)] + [""]
    for key in keys:
        for rule in rules.splitlines():
            where, _, what = rule.partition(":")
            if not rule.startswith("#") and rule and key in spread(where):
                return what.startswith("allow")
    return True


def spread(where):
    """Each address or beginning that a range stands for."""
    found = re.fullmatch(r"(.*?)(\d+)-(\d+)(\.?)", where)
    if not found:
        return [where]
    return [f"{found[1]}{n}{found[4]}" for n in range(int(found[2]), int(found[3]) + 1)]


def tcpd_allows(section, address):
    """What tcpd.conf's allow and deny say: the longest prefix; else whoever no allow leaves out."""
    address = ipaddress.ip_address(address)
    best = {}
    for name in ("allow", "deny"):
        nets = [ipaddress.ip_network(text) for text in section.values(name)]
        best[name] = max([net.prefixlen for net in nets if address in net], default=-1)
    if best["allow"] == best["deny"] == -1:
        return "allow" not in section.settings
    return best["allow"] > best["deny"]
