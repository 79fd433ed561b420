"""The Game of Life on a torus: compact bytes in one field, a long computation in one command, a picture in a query."""

from __future__ import annotations

from phat import Contract, command, query

# > init [".#......\n..#.....\n###.....\n........\n........\n........"]
# > step [1]
# > picture []
# > step [32]
# > picture []
# > population []


class Life(Contract):
    width: int
    cells: bytes

    def init(self, picture: str) -> None:
        rows = picture.splitlines()
        self.width = len(rows[0])
        self.cells = bytes(character == "#" for row in rows for character in row)

    @command
    def step(self, generations: int) -> int:
        width, cells = self.width, self.cells
        height = len(cells) // width
        for _ in range(generations):
            rows = [cells[start : start + width] for start in range(0, len(cells), width)]
            cells = bytes(
                (
                    near := sum(rows[(y + dy) % height][(x + dx) % width] for dy in (-1, 0, 1) for dx in (-1, 0, 1))
                    - rows[y][x]
                )
                == 3
                or (near == 2 and rows[y][x])
                for y in range(height)
                for x in range(width)
            )
        self.cells = cells
        return sum(cells)

    @query
    def picture(self) -> str:
        drawn = "".join(".#"[cell] for cell in self.cells)
        return "\n".join(drawn[start : start + self.width] for start in range(0, len(drawn), self.width))

    @query
    def population(self) -> int:
        return self.cells.count(1)
