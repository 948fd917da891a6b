"""What is refused before the compiler sees it."""

from __future__ import annotations

from pathlib import Path

from movable.c.target import find
from tests.c.building import needs_compiler, written


@needs_compiler
def test_words_in_comments_and_texts_are_not_refused(tmp_path: Path) -> None:
    find(written(tmp_path, '/* rcu_read_lock, asm */\nconst char *f(void) { return "jiffies asm"; } // call_rcu\n'), "")


@needs_compiler
def test_names_of_the_drivers_own_are_not_refused(tmp_path: Path) -> None:
    own = "struct s { int timer_start; };\nstatic int timer_init(struct s *s) { return s->timer_start; }\n"
    find(written(tmp_path, own + "int f(void) { struct s s = { .timer_start = 1 }; return timer_init(&s); }\n"), "")
