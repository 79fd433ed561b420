"""Bytes: struct, arrays, memory views, base encodings, compression, and a small binary file format."""

from __future__ import annotations

import array
import base64
import binascii
import gzip
import io
import struct
import zlib

from phat import Contract, query

# > packed []
# > bases ["0x00ff10ab"]
# > compressed ["abcabcabcabcabcabc"]
# > file_format [[["one", 1.5], ["twø", -2.25]]]
# > broken []
# > arrays []
# > byte_methods ["The Quick brown fox"]


class Binary(Contract):
    @query
    def packed(self) -> list[str]:
        return [
            struct.pack("<bHiQ?", -1, 2, -3, 4, True).hex(),
            struct.pack(">fd", 0.1, 0.1).hex(),
            struct.pack("@ibl", 1, 2, 3).hex(),
            str(struct.unpack("<3s2xH", b"abc\0\0\1\2")),
            str(struct.calcsize("!2h4xd")),
            struct.pack("<e10p", 1.5, b"pascal").hex(),
            str(list(struct.iter_unpack("<H", b"\1\0\2\0"))),
        ]

    @query
    def bases(self, data: bytes) -> list[str]:
        said = [
            function(data).decode()
            for function in (
                base64.b64encode,
                base64.b32encode,
                base64.b16encode,
                base64.b85encode,
                base64.a85encode,
                base64.urlsafe_b64encode,
            )
        ]
        return [
            *said,
            binascii.hexlify(data, "-").decode(),
            str(binascii.crc_hqx(data, 0)),
            base64.b64decode("aGk=").decode(),
            data.hex(":", 2),
        ]

    @query
    def compressed(self, text: str) -> list[str]:
        data = text.encode() * 20
        deflated = zlib.compress(data, 9)
        return [
            deflated.hex()[:60],
            str(len(zlib.compress(data, 1))),
            str(zlib.decompress(deflated) == data),
            gzip.decompress(gzip.compress(data, mtime=0))[:5].decode(),
            str(zlib.crc32(data)),
        ]

    @query
    def file_format(self, records: list[tuple[str, float]]) -> list[str]:
        out = io.BytesIO()
        out.write(b"PHAT" + struct.pack(">H", len(records)))
        for name, value in records:
            encoded = name.encode()
            out.write(struct.pack(">B", len(encoded)) + encoded + struct.pack(">d", value))
        data = out.getvalue()
        source = io.BytesIO(data)
        assert source.read(4) == b"PHAT"
        (count,) = struct.unpack(">H", source.read(2))
        read = [(source.read(source.read(1)[0]).decode(), *struct.unpack(">d", source.read(8))) for _ in range(count)]
        return [data.hex(), str(read), str(source.read())]

    @query
    def broken(self) -> list[str]:
        said = []
        actions = [
            lambda: struct.pack("<B", 256),
            lambda: struct.unpack("<I", b"abc"),
            lambda: base64.b64decode("a", validate=True),
            lambda: zlib.decompress(b"nonsense"),
            lambda: bytes.fromhex("0g"),
            lambda: gzip.decompress(b"\x1f\x8b\x08"),
            lambda: b"\xff".decode(),
            lambda: bytes([300]),
            lambda: struct.pack("z"),
        ]
        for action in actions:
            try:
                said.append(repr(action()))
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        return said

    @query
    def arrays(self) -> list[str]:
        numbers = array.array("i", range(5))
        view = memoryview(numbers)
        view[1:3] = array.array("i", [70, 80])
        grid = memoryview(bytes(range(12))).cast("B", [3, 4])
        return [
            str(numbers),
            str(grid.tolist()),
            str(grid[2, 1]),
            numbers.tobytes().hex(),
            str(array.array("d", [0.5]).itemsize),
            str(view.format),
        ]

    @query
    def byte_methods(self, text: str) -> list[str]:
        data = text.encode()
        return [
            data.title().decode(),
            data.translate(bytes.maketrans(b"aeiou", b"AEIOU")).decode(),
            str(data.partition(b" ")),
            str(data.rfind(b"o")),
            data.zfill(25).decode(),
            str(data % () == data),
            (b"%05d %r" % (7, "é")).decode(),
        ]
