"""The vault for adapters that keep files of their own: they know neither keys nor months, only that a value is sealed."""

from gateway.contract.errors import Rejected, TryLater
from gateway.store.port import Store, StoreUnavailable
from gateway.store.vault import Erased, Tampered


async def seal(store: Store, value: bytes, about: str, matter: str) -> bytes:
    """Raises TryLater."""
    try:
        return await store.wrap(value, about, matter)
    except StoreUnavailable as error:
        raise TryLater("store_unavailable", after_s=error.after_s) from None


async def unseal(store: Store, sealed: bytes, about: str) -> bytes:
    """Raises TryLater, and Rejected: `sealed_erased`, `sealed_changed`."""
    try:
        return await store.unwrap(sealed, about)
    except StoreUnavailable as error:
        raise TryLater("store_unavailable", after_s=error.after_s) from None
    except Erased:
        raise Rejected("sealed_erased", "Its time was over, and the key that opened it was destroyed.") from None
    except Tampered:
        raise Rejected("sealed_changed", "It was changed on the disk; look for it in a backup.") from None
