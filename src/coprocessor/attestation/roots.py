"""Root certificates of hardware vendors: the few that make evidence genuine.

Every other root, the simulated vendor's above all, makes a verdict ``simulated``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from coprocessor.crypto.hashing import sha256
from coprocessor.values.identities import Digest

__all__ = ["INTEL_SGX_ROOT", "KNOWN_ROOTS", "SIMULATED_ROOT", "VendorRoot", "is_genuine"]


@dataclass(frozen=True, slots=True)
class VendorRoot:
    """A self-signed certificate that ends a vendor's chains.

    Args:
        name: for people.
        der: the certificate.
    """

    name: str
    der: bytes

    @property
    def digest(self) -> Digest:
        """SHA-256 of the certificate, 32 bytes: how policies and the chain name the root."""
        return sha256(self.der)


INTEL_SGX_ROOT: Final = VendorRoot(
    "Intel SGX Root CA",
    base64.b64decode(
        "MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIwaDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJv"
        "b3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJ"
        "BgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoXDTQ5MTIzMTIzNTk1OVowaDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0Ex"
        "GjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNVBAYT"
        "AlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi71OiOSLRFhWGjbnBVJfVnkY4u3IjkDYYL"
        "0MxO4mqsyYjlBalTVYxFP2sJBK5zlKOBuzCBuDAfBgNVHSMEGDAWgBQiZQzWWp00ifODtJVSv1AbOScGrDBSBgNVHR8ESzBJ"
        "MEegRaBDhkFodHRwczovL2NlcnRpZmljYXRlcy50cnVzdGVkc2VydmljZXMuaW50ZWwuY29tL0ludGVsU0dYUm9vdENBLmRl"
        "cjAdBgNVHQ4EFgQUImUM1lqdNInzg7SVUr9QGzknBqwwDgYDVR0PAQH/BAQDAgEGMBIGA1UdEwEB/wQIMAYBAf8CAQEwCgYI"
        "KoZIzj0EAwIDSQAwRgIhAOW/5QkR+S9CiSDcNoowLuPRLsWGf/Yi7GSX94BgwTwgAiEA4J0lrHoMs+Xo5o/sX6O9QWxHRAvZ"
        "UGOdRQ7cvqRXaqI="
    ),
)
"""Signs Intel's SGX and TDX platforms until 2049. **Source:** https://certificates.trustedservices.intel.com/"""

SIMULATED_ROOT: Final = VendorRoot(
    "SIMULATED INSECURE Root CA",
    base64.b64decode(
        "MIIB6jCCAY+gAwIBAgIRAI1jKsIsrH/bl5NlCRTAYrUwCgYIKoZIzj0EAwIwQjEjMCEGA1UEAwwaU0lNVUxBVEVEIElOU0VD"
        "VVJFIFJvb3QgQ0ExGzAZBgNVBAoMElNJTVVMQVRFRCBJTlNFQ1VSRTAeFw0yMDAxMDEwMDAwMDBaFw00OTEyMzEwMDAwMDBa"
        "MEIxIzAhBgNVBAMMGlNJTVVMQVRFRCBJTlNFQ1VSRSBSb290IENBMRswGQYDVQQKDBJTSU1VTEFURUQgSU5TRUNVUkUwWTAT"
        "BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQLX2MIaddzeP8HaOE3XD0YS6dkWmkUT+wPVzKv+6W7mOuhBLqZE9XQX3pZbkUyPMoK"
        "ENbG+8nj0zvr1bAqiv/jo2YwZDASBgNVHRMBAf8ECDAGAQH/AgEBMB0GA1UdDgQWBBTW2dx6H8c/skqdvJQop43bI7kwITAf"
        "BgNVHSMEGDAWgBTW2dx6H8c/skqdvJQop43bI7kwITAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSQAwRgIhAJiZctGk"
        "4hav2BQ+mVUg0vpqhBPHRyjaw5g01DmaOgFVAiEAybtNjXoAlHosQD873W30D7m6gqDZt+2QoqambEffFDI="
    ),
)
"""Signs simulated platforms; its key is public (``vendors.simulated``)."""

KNOWN_ROOTS: Final = (INTEL_SGX_ROOT, SIMULATED_ROOT)
"""All roots that verification tries; which of them count, a policy says."""

_GENUINE: Final = frozenset({INTEL_SGX_ROOT.digest})


def is_genuine(root: Digest) -> bool:
    """Whether the root with this digest is a hardware vendor's."""
    return root in _GENUINE
