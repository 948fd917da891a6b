"""Shell that finds single instructions in the running kernel, and sets probes on them.

In kernels whose marks stay, a mark is set by ``lock orb $0x8,(page)``, and the isolated bit by ``lock orb $0x1,0x2(page)``; it is
cleared by ``lock andb $0xfe,0x2(page)``, and a page of zsmalloc is released right after ``lock andb $0xbf,0x1(page)``. All lie in
the middle of functions that each build inlines in its own way. /proc/kallsyms says where a function is, /proc/kcore holds its code,
and the bytes of the instruction tell the register that holds the page. The kernel refuses a probe that lies at no instruction.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from movable.trace.record.driver_probes import Instruction
from movable.trace.record.sticky_probes import CORE_INSTRUCTIONS, state

PATTERNS = {
    "set_page_movable": "80(0[89abef]08|0c2408|4[89abdef]0008|4c240008)",
    "set_isolated": "80(4[89abdef]|4c24)0201",
    "clear_isolated": "80(6[0123567]|6424)02fe",
    "zs_reset": "80(6[0123567]|6424)01bf",
}
"""What comes behind the lock prefix, and the one for registers from r8 on: an operation, the register, a distance, and the bit."""

SHELL = r"""
# Instructions: a mark, its release and the isolated bit are single instructions of functions that lie in the kernel's own code.
KALLSYMS=${KALLSYMS:-/proc/kallsyms}
KCORE=${KCORE:-/proc/kcore}
INSTRUCTIONS=''
UNSEEN=''
WANTED=''
PHNUM=$(od -An -v -t u2 -j 56 -N 2 "$KCORE" 2>/dev/null | tr -d ' ')
# Of each loaded part of the kernel its address, in 16 digits, and its place in the file.
PARTS=$(od -An -v -t x8 -j 64 -N $((${PHNUM:-0} * 56)) "$KCORE" 2>/dev/null | tr -s ' ' '\n' | awk '
  NF { word[n++ % 7] = $1; if (n % 7 == 0 && substr(word[0], 9) == "00000001") print word[2], word[1] }')

code_of() { # FUNCTION: its code, as hexadecimal digits; nothing where it cannot be had
  PLACE=$(awk -v name="$1" '$3 == name && $2 ~ /^[tT]$/ { begin = $1 "" }
    $2 ~ /^[tT]$/ { all[++n] = $1 "" }
    END { for (i = 1; i <= n; i++) if (all[i] > begin && (end == "" || all[i] < end)) end = all[i]
      if (begin != "") print begin, end }
    ' "$KALLSYMS" 2>/dev/null)
  BEGIN=${PLACE%% *}; END=${PLACE#* }
  case $BEGIN in ''|0000000000000000) return;; esac
  PART=$(echo "$PARTS" | awk -v at="$BEGIN" '
    $1 "" <= at "" && $1 "" >= best "" { best = $1; place = $2 } END { print best, place }')
  [ "$PART" = ' ' ] && return
  SIZE=$((0x${END#????} - 0x${BEGIN#????}))
  [ "$SIZE" -gt 0 ] && [ "$SIZE" -le 65536 ] || return
  OFFSET=$((0x${PART#* } + 0x${BEGIN#????} - 0x$(echo "${PART%% *}" | cut -c 5-)))
  dd if="$KCORE" bs=1 skip="$OFFSET" count="$SIZE" 2>/dev/null | od -An -v -t x1 | tr -d ' \n'
}

places_of() { # PATTERN: the distance and the register of each such instruction of the code on standard input
  awk -v pattern="$1" 'BEGIN {
    split("ax cx dx bx sp bp si di", low, " "); digits = "0123456789abcdef" } {
    for (i = 1; i < length($0); i += 2) {
      if (substr($0, i, 2) != "f0") continue
      rest = substr($0, i + 2, 16); high = substr(rest, 1, 2) == "41"
      if (high) rest = substr(rest, 3)
      if (!match(rest, "^" pattern)) continue
      number = (index(digits, substr(rest, 4, 1)) - 1) % 8
      if (number == 4 && !high) continue  # the stack pointer
      print (i - 1) / 2, high ? "r" number + 8 : low[number + 1] } }'
}

place() { # EVENT PATTERN FUNCTION...: the first of the functions that has the instruction, with its places
  E=$1; PATTERN=$2; shift 2
  THERE=''
  for F in "$@"; do
    CODE=$(code_of "$F")
    [ -n "$CODE" ] && THERE=1
    FOUND=$(echo "$CODE" | places_of "$PATTERN" | awk -v f="$F" '{ print f "+" $1 ":" $2 }')
    if [ -n "$FOUND" ]; then WANTED="$WANTED $(echo $FOUND)"; return; fi
  done
  # A function that is in no symbol table belongs to a driver that is not here; one that is here and lacks it was built otherwise.
  [ -n "$THERE" ] && WANTED="$WANTED none"
}

set_places() { # EVENT FETCH: probes at all places of WANTED, or at none
  E=$1; PENDING=$1
  case " $WANTED " in *' none '*|'  ') WANTED='';; esac
  SEEN=' '
  for P in $WANTED; do
    case $SEEN in *" $P "*) continue;; esac
    SEEN="$SEEN$P "
    FETCH=$(echo "$2" | sed "s/{0}/%${P#*:}/g")
    echo "p:kp/$E ${P%:*} $FETCH" >> "$TRACEFS/kprobe_events" 2>/dev/null || { WANTED=''; break; }
  done
  if [ -n "$WANTED" ]; then
    DEFINED="$DEFINED $E"
    INSTRUCTIONS="$INSTRUCTIONS,$E"
  else
    [ "$SEEN" = ' ' ] || echo "-:kp/$E" >> "$TRACEFS/kprobe_events" 2>/dev/null
    UNSEEN="$UNSEEN $E"
  fi
  PENDING=''
  WANTED=''
}
"""

TOLD = r"""[ -n "$UNSEEN" ] && say "not found in this kernel's code:$UNSEEN (rules D2, D16 and D59 may be unproven)"
"""


def instruction_commands(own: Iterable[Instruction], arch: str) -> str:
    """The part of the script that finds instructions, those of the core and of the balloon layer before a driver's ``own``."""
    if arch != "x86_64":
        return "INSTRUCTIONS=''\nsay 'instructions are looked for on x86_64 only (rules D2, D16 and D59 will be unproven)'"
    every = (*CORE_INSTRUCTIONS, *own)
    lines = [SHELL]
    for event in dict.fromkeys(one.event for one in every):
        groups = (one.functions for one in every if one.event == event)
        lines.extend(f"place {event} '{PATTERNS[event]}' {' '.join(map(shlex.quote, group))}" for group in groups)
        lines.append(f"set_places {event} {shlex.quote(f'page={{0}}:x64 {state(0)}')}")
    return "\n".join([*lines, TOLD])
