"""The real gateway in front of the replay: one provider for each dialect, all with the replay's recordings as models.

A model is `PROVIDER/RECORDED~RECORDING`: the provider says which dialect is spoken, the recorded model's name lets the
gateway treat it as what it was, and the rest is for the replay.
"""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from running import KEY, PLUGINS, Running, free_port
from sdks import CALLERS

from replay.recordings import Recording
from replay.server import Replay

# Provider, wire format, base path at the replay, dialect, header of its key.
PROVIDERS = [
    ("anthropic", "anthropic.messages", "/anthropic/v1", "anthropic-messages", "x-api-key"),
    ("openai", "openai.chat", "/openai/v1", "openai-chat", None),
    ("responses", "openai.responses", "/openai/v1", "openai-responses", None),
    ("gemini", "gemini.generate", "/gemini/v1beta", "gemini", "x-goog-api-key"),
    ("bedrock", "bedrock.converse", "/bedrock", "bedrock-converse", None),
    ("cohere", "cohere.chat_v2", "/cohere/v2", "cohere", None),
]
PROVIDER_OF = {api: name for name, api, *_ in PROVIDERS}
# For its SDK, which names the version in its paths itself.
RAW = ("cohere-raw", "cohere.chat_v2", "/cohere", "cohere", None)
CREDENTIAL = "sk-upstream-0123456789"


def configuration(stand: "ReplayStand", address: str, secure: str, admin: str, plugins: str) -> str:
    def provider(name: str, path: str, dialect: str, header: str | None) -> str:
        auth = f", auth: {{header: {header}}}" if header else ""
        where = f'base_url: "{stand.replay.url}{path}", dialects: [{dialect}]'
        return f'  {name}: {{{where}{auth}, credentials: ["file:{stand.folder}/credential"]}}'

    providers = "\n".join(provider(name, *rest) for name, _, *rest in [*PROVIDERS, RAW])
    models = "\n".join(
        f'  - {{name: "{name}/*", targets: [{{provider: {name}, model: "*"}}]}}' for name, *_ in PROVIDERS
    )
    return f"""
listeners:
  - {{address: "{address}"}}
  - {{address: "{secure}", tls: {{certificate: "{stand.certificate}", key: "{stand.certificate}.key"}}}}
admin: {{address: "{admin}"}}
record: "{stand.log}"
plugin_dir: "{PLUGINS}"
{plugins}
providers:
{providers}
models:
{models}
keys:
  - {{name: tests, key: "file:{stand.folder}/key", models: ["*"]}}
"""


class ReplayStand(Running):
    def __init__(self, folder: Path, plugins: str = "", more: list = ()):
        super().__init__(folder)
        self.callers = {}
        (folder / "credential").write_text(CREDENTIAL)
        self.replay = Replay(more=more).start()
        self.certificate = folder / "gateway.pem"
        certify(self.certificate)
        address, secure, admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.url, self.secure_url = f"http://{address}", f"https://{secure}"
        self.run_gateway(configuration(self, address, secure, admin, plugins), admin)

    def caller(self, sdk: str):
        """An SDK with the right key, made once: some take long to make."""
        if sdk not in self.callers:
            self.callers[sdk] = CALLERS[sdk](self, KEY)
        return self.callers[sdk]

    def forget(self) -> None:
        """Lets the next test begin anew, whatever one that failed has left."""
        self.replay.take()
        self.settled = len(self.records())

    def settle(self, ending: str = "complete", calls: int = 1) -> tuple:
        """What the provider was asked and what was recorded, of each call once; of one call, not in lists."""
        records, asked = self.take_records(calls), self.replay.take()
        assert all(record["ending"] == ending for record in records), records
        assert all(record["key"] == "tests" for record in records)
        assert len(asked) == calls, f"{calls} calls, but the provider saw {len(asked)}"
        assert all(CREDENTIAL in "".join(one.headers.values()) for one in asked)
        return (asked[0], records[0]) if calls == 1 else (asked, records)

    def close(self) -> None:
        super().close()
        self.replay.close()


def certify(path: Path) -> None:
    """Writes a certificate for this machine, which vouches for itself, and beside it its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "penstock tests")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    Path(f"{path}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def model(*recordings: Recording, wishes: str = "") -> str:
    """The model that is answered with these recordings, one turn after the other."""
    (api,) = {recording.api for recording in recordings}
    names = ",".join(recording.name for recording in recordings)
    return f"{PROVIDER_OF[api]}/{recordings[0].model}~{names}{wishes}"
