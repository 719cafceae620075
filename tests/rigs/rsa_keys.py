"""Two RSA keys for all tests of a process: to make one takes 40 ms."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

RSA: Final = generate_private_key(public_exponent=65537, key_size=2048)
RSA_NEXT: Final = generate_private_key(public_exponent=65537, key_size=2048)
