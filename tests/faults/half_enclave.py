"""An enclave that answers whatever comes with some bytes and ends; run as a process by the tests.

``python half_enclave.py BYTES --fd N``: the bytes in hexadecimal.
"""

import socket
import sys

CHANNEL = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
CHANNEL.recv(65_536)
CHANNEL.sendall(bytes.fromhex(sys.argv[1]))
