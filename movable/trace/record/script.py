"""The recording script: POSIX shell that sets the probes in a tracing instance of its own, records, checks, and cleans up."""

from __future__ import annotations

import shlex

from movable.eras import ERAS
from movable.trace.record.driver_probes import Callbacks, Probe
from movable.trace.record.instructions import instruction_commands
from movable.trace.record.probes import TRACE_EVENTS, filters, probe_set

SCRIPT = r"""#!/bin/sh
# Records the movable pages of driver @DRIVER@ (era @ERA@). Run as root on the test machine:
#   sh record.sh [-o FILE] [-t SECONDS] [-b KILOBYTES] [-- COMMAND ...]
# FILE defaults to movable-@DRIVER@.trace (a name ending in .gz is compressed). Without a command it records for SECONDS
# (default 10), with one until the command ends. KILOBYTES is the buffer per CPU. Everything is removed at the end,
# also when the script is interrupted. TRACEFS names the tracefs mount, found by itself when unset.
set -u

OUT='movable-@DRIVER@.trace'
SECONDS_TO_RECORD=10
BUFFER_KB=32768
usage() { sed -n '2,6s/^# //p' "$0"; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    -o) [ $# -ge 2 ] || usage; OUT=$2; shift 2;;
    -t) [ $# -ge 2 ] || usage; SECONDS_TO_RECORD=$2; shift 2;;
    -b) [ $# -ge 2 ] || usage; BUFFER_KB=$2; shift 2;;
    --) shift; break;;
    *) usage;;
  esac
done

say() { echo "record: $*" >&2; }
die() { say "$*"; exit 1; }
for N in "$SECONDS_TO_RECORD" "$BUFFER_KB"; do
  case $N in ''|*[!0-9]*) die "'$N' is no number; give whole seconds (-t) and KiB (-b)";; esac
done
if [ -e "$OUT" ] && [ ! -f "$OUT" ]; then die "$OUT is no regular file; name another with -o"; fi

if [ -z "${TRACEFS:-}" ]; then
  for TRACEFS in /sys/kernel/tracing /sys/kernel/debug/tracing ''; do [ -e "$TRACEFS/kprobe_events" ] && break; done
  if [ -z "$TRACEFS" ]; then
    TRACEFS=/sys/kernel/tracing
    mount -t tracefs tracefs "$TRACEFS" 2>/dev/null || die "no tracefs; mount -t tracefs tracefs /sys/kernel/tracing (as root)"
  fi
fi
[ -w "$TRACEFS/kprobe_events" ] || die "cannot write $TRACEFS/kprobe_events; run as root on a kernel with CONFIG_KPROBE_EVENTS"
INSTANCE=$TRACEFS/instances/movable
if [ -e "$INSTANCE" ] || grep -q ':kp/' "$TRACEFS/kprobe_events"; then
  say "another recording is running, or was killed: $INSTANCE or probes of group kp are there. If none is running, clean up:"
  echo "  rmdir $INSTANCE" >&2
  echo "  grep -o ':kp/[^ ]*' $TRACEFS/kprobe_events | while read -r E; do echo \"-\$E\" >> $TRACEFS/kprobe_events; done" >&2
  exit 1
fi

# What is about to be made is noted before it is made: an interruption comes at any time, and what is there must go again.
DEFINED=''
PENDING=''
STARTED=''
CHILD=''
TMP=''

teardown() {
  trap '' INT TERM HUP
  [ "$CHILD" = begun ] && CHILD=${!:-}
  [ -n "$CHILD" ] && kill "$CHILD" 2>/dev/null
  if [ -n "$STARTED" ] && [ -e "$INSTANCE" ]; then
    echo 0 > "$INSTANCE/tracing_on"
    echo 0 > "$INSTANCE/events/enable"
    rmdir "$INSTANCE" || say "could not remove $INSTANCE; try again with rmdir"
  fi
  for E in $DEFINED; do echo "-:kp/$E" >> "$TRACEFS/kprobe_events" || say "could not remove probe kp/$E"; done
  [ -n "$PENDING" ] && echo "-:kp/$PENDING" 2>/dev/null >> "$TRACEFS/kprobe_events"
  [ -n "$TMP" ] && rm -f "$TMP"
}
trap teardown EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

TMP=$OUT.part
( : > "$TMP" ) 2>/dev/null || die "cannot write $TMP; name another file with -o"

CPUS=$(getconf _NPROCESSORS_CONF 2>/dev/null || echo 2)
ACTIVE=$((CPUS * 2))
[ "$ACTIVE" -lt 10 ] && ACTIVE=10

REFUSED=''
set_probe() { # EVENT TYPE FETCH SYMBOL...: the first symbol that the kernel takes
  E=$1; T=$2; F=$3; PENDING=$1; shift 3
  for SYM in "$@"; do
    if echo "$T:kp/$E $SYM${F:+ $F}" >> "$TRACEFS/kprobe_events" 2>/dev/null; then DEFINED="$DEFINED $E"; PENDING=''; return; fi
  done
  PENDING=''
  REFUSED="$REFUSED $E"
}
@PROBES@
@INSTRUCTIONS@
for E in @NEEDED@; do
  case " $DEFINED " in *" $E "*) ;; *) die "no probe $E: is the driver loaded, is its symbol in /proc/kallsyms?";; esac
done
[ -n "$REFUSED" ] && say "the kernel refused:$REFUSED (rules that need them will be unproven)"

STARTED=1
mkdir "$INSTANCE" || { STARTED=''; die "cannot make $INSTANCE; is another recording running?"; }
echo 0 > "$INSTANCE/tracing_on"
echo global > "$INSTANCE/trace_clock"
echo "$BUFFER_KB" > "$INSTANCE/buffer_size_kb"
set_filter() { if [ -e "$INSTANCE/events/kp/$1" ]; then echo "$2" > "$INSTANCE/events/kp/$1/filter" || die "no filter for $1"; fi; }
@FILTERS@
for E in $DEFINED; do echo 1 > "$INSTANCE/events/kp/$E/enable" || die "cannot switch on kp/$E"; done
for E in @EVENTS@; do
  [ -e "$INSTANCE/events/$E/enable" ] && echo 1 > "$INSTANCE/events/$E/enable"
done

echo 1 > "$INSTANCE/tracing_on"
echo 'movable: begin' > "$INSTANCE/trace_marker"
STATUS=0
CHILD=begun
if [ $# -gt 0 ]; then "$@" & else sleep "$SECONDS_TO_RECORD" & fi
CHILD=$!
wait "$CHILD" || STATUS=$?
CHILD=''
echo 'movable: end' > "$INSTANCE/trace_marker"
echo 0 > "$INSTANCE/tracing_on"

LOST=0
for S in "$INSTANCE"/per_cpu/cpu*/stats; do
  [ -e "$S" ] || continue
  N=$(awk -F': *' '/^(overrun|commit overrun|dropped events):/ { n += $2 } END { print n + 0 }' "$S")
  LOST=$((LOST + N))
done
MISSED=0
[ -e "$TRACEFS/kprobe_profile" ] && for E in $DEFINED; do
  N=$(awk -v e="$E" '$1 == e { print $NF; exit }' "$TRACEFS/kprobe_profile")
  MISSED=$((MISSED + ${N:-0}))
done

{
  echo "# movable: driver=@DRIVER@ era=@ERA@ lost=$LOST missed=$MISSED refused=$(echo $REFUSED | tr ' ' ,)@TOLD@"
  cat "$INSTANCE/trace"
} > "$TMP" || die "cannot write $TMP"
case $OUT in
  *.gz) gzip -c "$TMP" > "$OUT" || die "gzip failed";;
  *) mv "$TMP" "$OUT" || die "cannot write $OUT"; TMP='';;
esac
say "wrote $OUT: $(awk '!/^#/' "$INSTANCE/trace" | wc -l | tr -d ' ') events, $LOST lost, $MISSED missed"
[ $((LOST + MISSED)) -gt 0 ] && say "events were lost: record again with a larger buffer (-b) or a shorter time (-t)"
[ "$STATUS" -eq 0 ] || say "the command ended with status $STATUS"
exit 0
"""


def _set_probe(probe: Probe, arch: str) -> str:
    kind, _, rest = probe.definition(arch).partition(":")
    words = rest.split(" ", 2)
    fetch = words[2] if len(words) > 2 else ""
    type_ = '"r$ACTIVE"' if kind != "p" else "p"
    return f"set_probe {probe.name} {type_} {shlex.quote(fetch)} {probe.symbol} {probe.other}".rstrip()


def recording_script(
    driver: Callbacks, name: str, era: str = "6.1", *, arch: str = "x86_64", objects: bool = False, base: bool = False
) -> str:
    """The shell script that records the driver ``name`` with these callbacks.

    Parameters as for ``probe_set``; ``arch`` is a key of ARCHES. Raises UsageError for an era without probes.
    """
    probes = probe_set(driver, era, objects=objects, base=base)
    sticky = ERAS[era].sticky_mark
    needed = [f"{driver.prefix}_{callback}" for callback in ("isolate", "migrate", "putback")]
    needed += [f"{event}_ret" for event in needed[:2]]
    isolate = probes[0].name
    needed = [isolate, f"{isolate}_ret", *needed]
    words = {
        "@DRIVER@": name,
        "@ERA@": era,
        "@PROBES@": "\n".join(_set_probe(probe, arch) for probe in probes),
        "@INSTRUCTIONS@": instruction_commands(driver.instructions, arch) if sticky else "",
        "@TOLD@": " instructions=${INSTRUCTIONS#,}" if sticky else "",
        "@NEEDED@": " ".join(needed),
        "@FILTERS@": "\n".join(f"set_filter {event} {shlex.quote(filter_)}" for event, filter_ in filters(era).items()),
        "@EVENTS@": " ".join(TRACE_EVENTS),
    }
    script = SCRIPT
    for mark, text in words.items():
        script = script.replace(mark, text)
    return script
