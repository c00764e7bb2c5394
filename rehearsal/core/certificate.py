"""Certificates: of clusters in memory, and of pods that speak TLS, which clients do not verify."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import shake_256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# An AKS cluster's authority has 30 years (learn: aks/certificate-rotation).
_FROM: Final = datetime(2024, 1, 1, tzinfo=UTC)
_UNTIL: Final = datetime(2054, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory(prefix="rehearsal-") as folder:  # Python's TLS reads both from files only
            file = Path(folder) / "server.pem"
            file.touch(mode=0o600)
            file.write_text(self.key + self.certificate, encoding="ascii")
            context.load_cert_chain(file)
        return context


@lru_cache(maxsize=1024)
def authority(secret: str) -> Pair:
    """Return a certificate authority, always the same for the same secret."""
    return _signed(secret, "ca", "", secret)


@lru_cache(maxsize=1024)
def issued(secret: str, purpose: str, host: str = "") -> Pair:
    """Return a certificate from the authority of a secret, for a purpose or for a server.

    Args:
        secret: the authority's secret.
        purpose: each purpose has another key.
        host: the server's name; empty for a client.
    """
    return _signed(f"{secret}|{purpose}", purpose, host, secret)


@lru_cache
def server() -> ssl.SSLContext:
    """Return the TLS context of a pod."""
    return authority("pods").context()


def _signed(secret: str, name: str, host: str, signer: str) -> Pair:
    key, ca = _key(secret), _key(signer)
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (host or name, "ca"))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), _number(secret, 16))
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=secret == signer, path_length=None), critical=True)
        .add_extension(_usage(ca=secret == signer), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(ca, hashes.SHA256(), ecdsa_deterministic=True)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key(secret: str) -> ec.EllipticCurvePrivateKey:
    """Return a key derived from a secret. It is not RSA as in AKS, because RSA keys take long to generate."""
    return ec.derive_private_key(_number(secret, 31), ec.SECP256R1())


def _number(secret: str, size: int) -> int:
    return int.from_bytes(shake_256(secret.encode()).digest(size)) + 1


@lru_cache
def client() -> ssl.SSLContext:
    """Return the TLS context of a client that does not verify the server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
