"""All that a call knows: caller, program, block, time, position, chain; keys, signatures and randomness of its own."""

from __future__ import annotations

from phat import Contract, command, keccak256, query

# > who []
# > asked []
# > keys [["a", "b", "a", ""]]
# > keys_in_query [["a"]]
# > signed ["hello"]
# > signed_in_query ["hello"]
# > long_purpose [1025]
# > bad_digest []
# > dice [5]
# > logged []


class Surroundings(Contract):
    @command
    def who(self) -> dict[str, str]:
        env = self.env
        names = [
            "caller",
            "program",
            "origin",
            "request_id",
            "block_number",
            "timestamp",
            "link",
            "position",
            "chain_id",
        ]
        return {name: str(getattr(env, name)) for name in names}

    @query
    def asked(self) -> list[int]:
        return [self.env.block_number, self.env.timestamp, self.env.link]

    @command
    def keys(self, purposes: list[str]) -> list[str]:
        return [self.env.derive_key(purpose).hex() for purpose in purposes]

    @query
    def keys_in_query(self, purposes: list[str]) -> list[str]:
        return [self.env.derive_key(purpose).hex() for purpose in purposes]

    @command
    def signed(self, text: str) -> str:
        return self.env.sign(keccak256(text.encode())).hex()

    @query
    def signed_in_query(self, text: str) -> str:
        return self.env.sign(keccak256(text.encode())).hex()

    @query
    def long_purpose(self, length: int) -> int:
        return len(self.env.derive_key("p" * length))

    @query
    def bad_digest(self) -> int:
        return len(self.env.sign(b"short"))

    @command
    def dice(self, count: int) -> list[int]:
        return [self.env.random().randint(1, 6) for _ in range(count)]

    @command
    def logged(self) -> None:
        for level in ("debug", "info", "warning", "error"):
            self.env.log("a line", level, {"x": 1}, level=level)
        print("printed", "too", sep=" - ")
        self.env.log("no such level", level="fatal")
