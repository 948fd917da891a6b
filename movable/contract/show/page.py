"""What the HTML pages of all judgements share: their colours, the bar of verdicts, the table of rules."""

from __future__ import annotations

from movable.contract.verdict import NOT_APPLICABLE, WORST_FIRST, Judgement
from movable.shown import html_page, in_html

STYLE = """
:root { --held: #2e7d32; --broken: #c62828; --waived: #b26a00; --unproven: #5f6b76; --na: #8a94a0; }
@media (prefers-color-scheme: dark) { :root { --held: #66bb6a; --broken: #ef7a74; --waived: #ffb74d; --unproven: #9aa7b4;
  --na: #78838f; } }
.facts { color: var(--unproven); margin: 0 0 1rem; }
.bar { display: flex; height: 1.6rem; border-radius: .3rem; overflow: hidden; }
.bar span { min-width: .5rem; } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none; }
.legend b { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin-right: .3rem; }
pre { white-space: pre-wrap; }
.held { background: var(--held); } .broken { background: var(--broken); } .waived { background: var(--waived); }
.unproven { background: var(--unproven); } .na { background: var(--na); }
article { border-left: .3rem solid var(--broken); border-radius: .3rem; background: var(--soft); padding: .8rem 1rem;
  margin: 1rem 0; }
article h3 { margin: 0; font-size: 1rem; } .what { font-weight: 600; white-space: pre-line; }
ol.story { list-style: none; margin: .6rem 0; padding: 0 0 0 .6rem; border-left: 2px solid var(--line); }
ol.story li { padding: .1rem .6rem; font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; }
ol.story li.step { font-weight: 700; margin-top: .4rem; } ol.story li.seen { color: var(--broken); }
ol.story li.call { border-left: 3px solid var(--waived); }
code { font: 13px/1.5 ui-monospace, monospace; background: var(--soft); padding: .1rem .3rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .5rem; border-top: 1px solid var(--line); vertical-align: top; }
.rules td:first-child, .rules td:nth-child(2), .rules td:last-child { white-space: nowrap; }
th { overflow-wrap: normal; } .contents td:nth-child(2) { white-space: nowrap; } header:not(:first-child) { margin-top: 3rem; }
@media (max-width: 30rem) { td, th { padding: .25rem .3rem; font-size: 14px; } }
.dot { display: inline-block; width: .7rem; height: .7rem;
  border-radius: 50%; margin-right: .4rem; }
"""


def page(title: str, body: str, style: str = "") -> str:
    """A whole page in the colours of the verdicts; see `html_page`."""
    return html_page(title, body, STYLE + style)


def css(verdict: str) -> str:
    """The class name of a verdict."""
    return "na" if verdict == NOT_APPLICABLE else verdict


def bar(judged: Judgement) -> str:
    """How many rules have each verdict, as a bar with its legend."""
    counts = judged.counts().items()
    parts = "".join(f'<span class="{css(name)}" style="flex:{n}" title="{n} {name}"></span>' for name, n in counts if n)
    legend = "".join(f'<li><b class="{css(name)}"></b>{n} {name}</li>' for name, n in counts)
    return f'<div class="bar" role="img" aria-label="verdicts">{parts}</div><ul class="legend">{legend}</ul>'


def rules_table(judged: Judgement) -> str:
    """Every rule with its verdict, the worst first."""
    cells = "".join(
        f'<tr><td><span class="dot {css(found.verdict)}"></span>{found.rule}</td><td>{found.verdict}</td>'
        f"<td>{in_html(judged.rule(found.rule).title)}{'<br>' + in_html(found.reason) if found.reason else ''}</td>"
        f"<td>{found.exercised}</td></tr>"
        for found in sorted(judged.verdicts.values(), key=lambda found: WORST_FIRST.index(found.verdict))
    )
    head = "<tr><th>rule</th><th>verdict</th><th></th><th>exercised</th></tr>"
    return f'<table class="rules"><thead>{head}</thead><tbody>{cells}</tbody></table>'
