"""XML, HTML, URLs and addresses: parsing, building, escaping, entity bombs that are refused."""

from __future__ import annotations

import difflib
import html.parser
import ipaddress
import urllib.parse
from xml.etree import ElementTree

from phat import Contract, query

# > document []
# > entity_bomb [] fuel=300_000_000
# > outline ["<h1>Title</h1><p class=x>Some <b>bold &amp; brave</b> text<br>"]
# > urls ["https://user@example.org:8443/a/../b;c?d=1&d=2&e=%C3%A9#frag"]
# > addresses []
# > differences []


class Outline(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.said.append(f"<{tag} {attributes}")

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.said.append(f"{tag}>")


class Markup(Contract):
    @query
    def document(self) -> list[str]:
        root = ElementTree.fromstring(
            '<shop xmlns:p="urn:p"><item price="3">tea &amp; é</item><p:item/><item price="4">milk</item></shop>'
        )
        prices = [int(item.get("price")) for item in root.findall("item[@price]")]
        ElementTree.SubElement(root, "total").text = str(sum(prices))
        return [ElementTree.tostring(root).decode(), str([child.tag for child in root]), "".join(root.itertext())]

    @query
    def entity_bomb(self) -> str:
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
        bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x>&e11;</x>'
        return str(len(ElementTree.fromstring(bomb).text))

    @query
    def outline(self, text: str) -> list[str]:
        outline = Outline()
        outline.feed(text)
        outline.close()
        return outline.said

    @query
    def urls(self, text: str) -> list[str]:
        parts = urllib.parse.urlsplit(text)
        return [
            str(parts),
            str(parts.port),
            str(urllib.parse.parse_qs(parts.query)),
            urllib.parse.quote("a b/é?"),
            urllib.parse.unquote("%F0%9F%98%80+"),
            urllib.parse.urljoin(text, "../c?x"),
            urllib.parse.urlencode({"q": ["1", "é"]}, doseq=True),
        ]

    @query
    def addresses(self) -> list[str]:
        network = ipaddress.ip_network("192.168.4.0/22")
        return [
            str(network.num_addresses),
            str(ipaddress.ip_address("192.168.6.7") in network),
            str(ipaddress.ip_address("::1").is_loopback),
            str(next(network.subnets(new_prefix=24))),
            str(ipaddress.ip_address(2**32 + 5)),
            str([str(n) for n in ipaddress.collapse_addresses([network, ipaddress.ip_network("192.168.0.0/22")])]),
        ]

    @query
    def differences(self) -> list[str]:
        one, two = ["a", "b", "c", "d"], ["a", "c", "x", "d"]
        ratio = difflib.SequenceMatcher(None, "private", "pirate").ratio()
        return [
            *difflib.unified_diff(one, two, lineterm=""),
            repr(ratio),
            str(difflib.get_close_matches("appel", ["ape", "apple", "peach"])),
        ]
