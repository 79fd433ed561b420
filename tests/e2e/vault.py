"""A program that keeps what it must not show: texts, and a key of its own."""

from phat import Contract, command, query


class Vault(Contract):
    kept: str = ""

    def init(self) -> None:
        self.kept = "nothing"

    @command
    def keep(self, text: str) -> str:
        self.kept = text[::-1] + "-in-state"
        self.env.log("kept " + text)
        return "output-" + text

    @command
    def own_key(self) -> str:
        return self.env.derive_key("vault").hex()

    @query
    def show(self) -> str:
        return self.kept
