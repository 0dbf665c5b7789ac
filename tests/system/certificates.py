# SPDX-License-Identifier: MIT
"""Certificates for tests, made by openssl(1) where they are used: nothing of them is kept."""

import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]  # takes milliseconds


def openssl(*arguments, data=None):
    """Runs openssl(1); what it has printed."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True,
                          check=False)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout


def key_options(kind):
    """"ec", "ec:CURVE", "ed25519", "rsa-pss" or "rsa:BITS" as options of openssl-req(1)."""
    if kind.startswith("ec:"):
        return ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{kind[3:]}"]
    return EC if kind == "ec" else ["-newkey", kind]


@dataclass(frozen=True)
class Certificate:
    """A file with the certificate and those above it, and its key's."""
    chain: Path
    key: Path

    def text(self, *what):
        """What openssl-x509(1) says of it."""
        return openssl("x509", "-in", self.chain, "-noout", *what).decode()

    @property
    def serial(self):
        return int(self.text("-serial").partition("=")[2], 16)

    def section(self, name="www", **more):
        """A `certificate` section of tcpd.conf."""
        return (f'certificate "{name}" {{ chain = {{"{self.chain}"}} '
                f'key = {{"{self.key}"}} }}\n')


class Authority:
    """One that signs; its own certificate is at .path. Below another one it is an intermediate."""

    def __init__(self, folder, name="test authority", above=None, digest="sha256", days=30, kind="ec",
                 more=()):
        self.folder, self.name, self.above = Path(folder), name, above
        self.stem = name.replace(" ", "-")
        self.path, self.key = self.folder / f"{self.stem}.pem", self.folder / f"{self.stem}.key"
        self.n = 0
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        if above:  # more: replaces these, or comes after
            names = {each.partition("=")[0] for each in more}
            extensions = [each for each in extensions if each.partition("=")[0] not in names]
            above.sign(self.path, self.key, f"/CN={name}", [*extensions, *more], digest=digest, days=days,
                       kind=kind)
        else:
            openssl("req", "-x509", *EC, "-nodes", "-days", days, "-subj", f"/CN={name}", "-keyout",
                    self.key, "-out", self.path, *(part for each in extensions[1:]
                                                   for part in ("-addext", each)))

    def sign(self, path, key, subject, extensions, *, kind="ec", days=30, digest="sha256",
             since=None):
        """A new key and its certificate. since: days from now on after which it is valid, if that is
        not now."""
        self.n += 1
        request, config = path.with_suffix(".csr"), path.with_suffix(".cnf")
        config.write_text("".join(f"{each}\n" for each in extensions))
        openssl("req", *key_options(kind), "-nodes", "-utf8", "-subj", subject, "-keyout", key,
                "-out", request)
        if since is None:
            serial = hex(int.from_bytes(self.stem.encode()[:4], "big") << 16 | self.n)
            openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-days",
                    days, f"-{digest}", "-set_serial", serial, "-extfile", config, "-out", path)
        else:
            now = datetime.now(timezone.utc)
            first, last = ((now + timedelta(each)).strftime("%Y%m%d%H%M%SZ") for each in (since, days))
            openssl("ca", "-batch", "-notext", "-config", self.database(), "-in", request,
                    "-startdate", first, "-enddate", last, "-extfile", config, "-out", path)
        key.chmod(0o640)

    def leaf(self, name, names=("DNS:localhost", "IP:127.0.0.1"), *, kind="ec", days=30,
             digest="sha256", usage="serverAuth", subject=None, authority=False, since=None, more=()):
        """A certificate of those names (subjectAltName; none: ()). days = -1: it has expired. Its
        chain has the intermediates, too. authority: it may sign. more: extensions, as openssl-x509(1)
        reads them."""
        path, key = self.folder / f"{name}.own.pem", self.folder / f"{name}.key"
        extensions = [f"basicConstraints=CA:{str(authority).upper()}"]
        extensions += [f"subjectAltName={','.join(names)}"] if names else []
        extensions += [f"extendedKeyUsage={usage}"] if usage else []
        self.sign(path, key, subject or f"/CN={name}", [*extensions, *more], kind=kind, days=days,
                  digest=digest, since=since)
        chain, signer = path.read_text(), self
        while signer.above:
            chain += signer.path.read_text()
            signer = signer.above
        whole = self.folder / f"{name}.pem"
        whole.write_text(chain)
        return Certificate(whole, key)

    def database(self):
        """A new one for openssl-ca(1); the configuration that names it."""
        database, config = self.folder / f"{self.stem}.index", self.folder / f"{self.stem}.ca"
        database.write_text("")
        config.write_text(f"[ca]\ndefault_ca=it\n[it]\ndatabase={database}\ndefault_md=sha256\n"
                          f"certificate={self.path}\nprivate_key={self.key}\npolicy=any\n"
                          "rand_serial=yes\n"
                          f"new_certs_dir={self.folder}\n[any]\ncommonName=supplied\n")
        return config

    def revoked(self, *certificates, days=30):
        """A list of revoked certificates (CRL) with those; its path."""
        config = self.database()
        for each in certificates:
            openssl("ca", "-config", config, "-revoke", each.chain)
        path = self.folder / f"{self.stem}.crl"
        openssl("ca", "-config", config, "-gencrl", "-crlsec", days * 86400 if days > 0 else 1,
                "-out", path)
        return path
