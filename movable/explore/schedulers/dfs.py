"""Every schedule, one after the other, with at most so many pre-emptions if asked: the yardstick for the clever strategies."""

from collections.abc import Sequence

from movable.explore.schedulers.tree import Node, Tree


class Dfs(Tree):
    """Exhaustive search. Parameter: ``bound``, the most pre-emptions a schedule may have (None: any number)."""

    name = "dfs"

    def __init__(self, bound: int | None = None, root: Sequence[int] = ()) -> None:
        super().__init__(root)
        self.bound = bound
        self.refused = False

    @property
    def claim(self) -> str:
        """What has been covered."""
        return covered(self.complete and not self.cut, self.bound if self.refused else None)

    def todo(self, node: Node) -> int | None:
        """Any enabled task that was not tried and that the bound allows."""
        done = node.backtrack or set()
        for task in node.enabled:
            if task != node.chosen and task not in done:
                if self.bound is None or node.paid + node.cost(task) <= self.bound:
                    return task
                self.refused = True
        return None

    def leave(self, node: Node) -> None:
        """Remember what was tried."""
        node.backtrack = (node.backtrack or set()) | {node.chosen}


def covered(complete: bool, bound: int | None) -> str:
    """The claim of a search that was, or was not, completed within a bound."""
    if not complete:
        return "some interleavings"
    if bound is None:
        return "all interleavings"
    return f"all interleavings with at most {bound} pre-emption{'' if bound == 1 else 's'}"
