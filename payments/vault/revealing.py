"""Content of the vault, encrypted for somebody else's key: `rv1.<our fresh public key>.<nonce>.<ciphertext>`.

The same scheme as what browsers send us, turned round: ECDH on P-256, HKDF-SHA-256, AES-256-GCM, bound to the
token.
"""

import json
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from django.views.decorators.debug import sensitive_variables

from ledger.actors import Actor
from ledger.errors import Invalid
from payments.vault import exchange, tokens
from payments.vault.instruments import Instrument, Shown

SCHEME: Final = "rv1"


class PublicKeyInvalid(Invalid):
    """The public key is not a point of P-256, uncompressed, in base64url."""

    code = "public_key_invalid"


def check_public_key(text: str) -> bytes:
    """Return the point that a text states.

    :raises PublicKeyInvalid: it is none.
    """
    try:
        point = exchange.decoded(text)
        if len(point) != exchange.POINT_BYTES:
            raise ValueError("compressed, or no point")
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise PublicKeyInvalid("this is no public key of P-256", param="public_key") from error
    return point


@sensitive_variables()
def encrypted_for(
    token: str, public_key: str, *, merchant_id: UUID, purpose: str, actor: Actor, at: datetime
) -> str:
    """Return what a token stands for, encrypted for the holder of a key.

    :raises PublicKeyInvalid: no point of P-256. :raises VaultRecordNotFound: no such token.
    :raises RecordErased: :raises SealBroken: :raises KeyGone: :raises KeyStoreAway: it does not open.
    """
    point = check_public_key(public_key)

    @sensitive_variables()
    def hand_out(instrument: Instrument) -> str:
        plaintext = json.dumps(instrument.secret).encode()
        parts = exchange.encrypt_for(point, plaintext, f"{SCHEME}|{token}".encode())
        return ".".join((SCHEME, *map(exchange.encoded, parts)))

    return tokens.use(token, Shown(), hand_out, merchant_id=merchant_id, purpose=purpose, actor=actor, at=at)
