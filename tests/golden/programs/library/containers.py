"""collections: counters, deques, ordered and default dictionaries, chain maps, named tuples, an LRU cache."""

from __future__ import annotations

from collections import ChainMap, Counter, OrderedDict, UserList, defaultdict, deque, namedtuple

from phat import Contract, query

# > count ["the cat and the hat and the bat"]
# > josephus [41, 3]
# > lru [3, [1, 2, 3, 1, 4, 2, 5]]
# > layers []
# > graph [[["a", "b"], ["b", "c"], ["c", "a"], ["d", "e"]]]
# > named []
# > slices []

Card = namedtuple("Card", "rank suit", defaults=["hearts"])


class Containers(Contract):
    @query
    def count(self, text: str) -> list[str]:
        words, letters = Counter(text.split()), Counter(text)
        return [
            str(words.most_common(2)),
            str((words - Counter(the=2)).total()),
            str(letters & Counter("hat")),
            str(+Counter(a=-1, b=2)),
            str(words | letters)[:60],
        ]

    @query
    def josephus(self, people: int, step: int) -> int:
        ring = deque(range(1, people + 1))
        while len(ring) > 1:
            ring.rotate(1 - step)
            ring.popleft()
        return ring[0]

    @query
    def lru(self, size: int, keys: list[int]) -> list[str]:
        cache: OrderedDict[int, int] = OrderedDict()
        hits = 0
        for key in keys:
            hits += key in cache
            cache[key] = key * key
            cache.move_to_end(key)
            if len(cache) > size:
                cache.popitem(last=False)
        return [str(hits), str(cache)]

    @query
    def layers(self) -> list[str]:
        layers = ChainMap({"a": 1}, {"a": 2, "b": 3})
        child = layers.new_child({"c": 4})
        child["b"] = 9
        del child["c"]
        return [str(dict(child)), str(layers["b"]), str(list(child)), str(len(child.maps))]

    @query
    def graph(self, edges: list[tuple[str, str]]) -> list[str]:
        near: defaultdict[str, set[str]] = defaultdict(set)
        for left, right in edges:
            near[left].add(right)
            near[right].add(left)
        parts, seen = [], set()
        for start in near:
            if start in seen:
                continue
            queue, part = deque([start]), []
            while queue:
                node = queue.popleft()
                if node not in seen:
                    seen.add(node)
                    part.append(node)
                    queue.extend(sorted(near[node]))
            parts.append("".join(part))
        return parts

    @query
    def named(self) -> list[str]:
        card = Card("ace")
        return [
            str(card),
            str(card._replace(suit="clubs")),
            str(card == ("ace", "hearts")),
            str(Card._fields),
            str(card._asdict()),
        ]

    @query
    def slices(self) -> list[str]:
        values = UserList(range(10))
        values[2:5] = "xy"
        values[::3] = [0] * len(values[::3])
        text = bytearray(b"abcdef")
        text[1:3] = b"XYZ"
        view = memoryview(text)[::-2]
        return [
            str(values),
            text.decode(),
            view.tobytes().decode(),
            str(values[-1:2:-2]),
            str(slice(None, None, -1).indices(5)),
        ]
