"""GitHub's tokens as they are kept: sealed with XChaCha20-Poly1305 (libsodium), bound to the account they belong to.

The key is derived from the secret of the access tokens, so there is one secret to look after. A new JWT secret makes
what was sealed unreadable; the person's next sign-in seals a new token. The mission's backend wrote tokens in clear:
such a row is read as it is, until that next sign-in too.

PyNaCl is imported when it is needed first: a cold start does without it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nacl.secret import Aead

SEALED = "sealed.v1."


def seal(secret: str, token: str, github_id: int) -> str:
    return SEALED + urlsafe_b64encode(cipher(secret).encrypt(token.encode(), aad(github_id))).decode()


def unseal(secret: str, kept: str, github_id: int) -> str | None:
    """The token; None if it was sealed with another secret, or for another account."""
    from nacl.exceptions import CryptoError

    if not kept.startswith(SEALED):
        return kept
    try:
        sealed = urlsafe_b64decode(kept.removeprefix(SEALED))
        return cipher(secret).decrypt(sealed, aad(github_id)).decode()
    except (CryptoError, ValueError):
        return None


def cipher(secret: str) -> "Aead":
    """The key is the first block of HKDF-Expand (RFC 5869): the secret is long and random, so nothing is extracted."""
    from nacl.secret import Aead

    return Aead(hmac.digest(secret.encode(), b"miyabi github token\x01", hashlib.sha256))


def aad(github_id: int) -> bytes:
    return str(github_id).encode()
