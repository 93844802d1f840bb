"""What must not be readable at rest, and what must not be forged.

Seals contact addresses (Fernet) and makes the secret parts of acknowledgement links and session cookies (HMAC), each purpose
with a key of its own derived from the one secret key. Nothing here is ever logged.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Vault:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._fernet = Fernet(base64.urlsafe_b64encode(self._derived("seal")))

    def seal(self, text: str) -> str:
        """`text`, unreadable without the key."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """The text again. Raises `ValueError` when it was sealed under another key."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ValueError("sealed under another secret key") from error

    def sign(self, purpose: str, text: str) -> str:
        """A URL-safe mark that only the holder of the key can make; 32 characters."""
        digest = hmac.new(self._derived(purpose), text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode()

    def verify(self, purpose: str, text: str, mark: str) -> bool:
        return hmac.compare_digest(self.sign(purpose, text).encode(), mark.encode("utf-8", "replace"))

    def _derived(self, purpose: str) -> bytes:
        return hashlib.blake2b(
            purpose.encode(), key=hashlib.sha512(self._key).digest(), digest_size=32
        ).digest()
