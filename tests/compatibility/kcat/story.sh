#!/usr/bin/env bash
# The story through kcat: `story.sh BOOTSTRAP PREFIX [CHAPTER...]`. kcat creates no topics: PREFIX-orders
# has four partitions, PREFIX-codecs one and PREFIX-shared six, all for messages of at most 20,000 bytes.
set -euo pipefail
bootstrap=$1 prefix=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
orders=$prefix-orders codecs=$prefix-codecs shared=$prefix-shared group=$prefix-group
epoch=1700000000000
everything='%p@%o %K %k %S %s [%h] %T\n'

fact() { echo "$1: ${*:2}"; }

# Prints each line of a command's output as a fact, and how it ended if it failed.
facts() { # NAME COMMAND...
  local name=$1 status=0
  shift
  "$@" >"$work/facts" 2>&1 || status=$?
  while IFS= read -r line; do fact "$name" "$line"; done < <(grep -v '^%[0-9]|' "$work/facts")
  ((status == 0)) || fact "$name" "ended with $status"
}

wait_until() { # NAME COMMAND...
  local name=$1 deadline=$((SECONDS + 60))
  shift
  until "$@"; do
    if ((SECONDS > deadline)); then
      fact "$name" "did not happen"
      exit 1
    fi
    sleep 0.05 # between two looks at what the members print
  done
}

produce() { kcat -b "$bootstrap" -P -X topic.metadata.propagation.max.ms=0 "$@"; }
consume() { kcat -b "$bootstrap" -C -q -e -f "$everything" "$@"; }
# The broker that answered goes by its id or as "bootstrap", whichever it has in librdkafka when kcat asks: that races
# with librdkafka's own first Metadata request. Which of the nodes is told to be the controller is chance.
list() {
  kcat -b "$bootstrap" -L "$@" | sed -E \
    -e 's#\(from broker ([0-9]+: ([^)]*)/[0-9]+|-1: ([^)]*)/bootstrap)\)#(from \2\3)#' \
    -e 's# \(controller\)##' \
    -e 's#"originating_broker":\{("id":[0-9]+,"name":"([^"]*)/[0-9]+"|"id":-1,"name":"([^"]*)/bootstrap")\}#"from":"\2\3"#'
}
end_of() { kcat -b "$bootstrap" -Q -t "$1:0:-1" | sed 's/.* offset //'; }

topics() {
  facts listed list -t "$orders"
  facts json list -J -t "$codecs"
  facts unknown list -t "$prefix-unknown"
}

produce_all() {
  for n in 0 1 2 3 4 5 6 7; do
    echo "key-$((n % 5))|value $n" | produce -t "$orders" -K '|' -X partitioner=murmur2_random -H h=one -H h=two -H null
  done
  echo alone | produce -t "$orders" -p 0
  echo 'key-1|' | produce -t "$orders" -p 0 -K '|' -Z
  head -c 50000 /dev/zero | tr '\0' x >"$work/large"
  facts "too large" produce -t "$orders" -p 0 "$work/large"
  echo lost >"$work/lost"
  facts "unknown topic" produce -t "$prefix-unknown" -p 0 -X message.timeout.ms=3000 "$work/lost"
  for codec in none gzip snappy lz4 zstd; do
    for acks in acks=0 acks=1 acks=all enable.idempotence=true; do
      produce_with "$codec" "$acks"
    done
  done
}

produce_with() { # CODEC ACKS
  local expected=$(($(end_of "$codecs") + 20))
  for n in {1..20}; do
    echo "$1 $2 $n $1 $2 $n $1 $2 $n"
  done | produce -t "$codecs" -p 0 -z "$1" -X "$2" -X linger.ms=20
  wait_until delivery reaches "$codecs" "$expected"
  fact codec "$1" "$2" "up to $expected"
}

reaches() { (($(end_of "$1") == $2)); }

consume_all() {
  # kcat sets no times: these are of today.
  for partition in 0 1 2 3; do
    facts record consume -t "$orders" -p "$partition" -o beginning
  done
  facts committed consume -t "$orders" -p 0 -o beginning -X isolation.level=read_committed
  consume -t "$codecs" -p 0 -o beginning -f '%s\n' >"$work/codecs"
  fact codecs "$(wc -l <"$work/codecs") $(sort -u "$work/codecs" | wc -l) $(sha256sum <"$work/codecs")"
  facts "from an offset" consume -t "$codecs" -p 0 -o 77 -c 1 -f '%o\n'
  facts "from the end" consume -t "$codecs" -p 0 -o -3 -f '%o\n'
  facts "from a time" consume -t "$orders" -p 0 -o "s@$epoch" -c 1 -f '%o\n'
  for time in -2 -1 0 "$epoch" 4000000000000; do
    facts "offset at" kcat -b "$bootstrap" -Q -t "$orders:0:$time"
  done
  facts "out of range" consume -t "$codecs" -p 0 -o 1000 -X auto.offset.reset=error
  facts "unknown topic" consume -t "$prefix-unknown" -p 0 -o beginning
}

member() { # NAME: starts a member of the group; its process is `$!`
  exec kcat -b "$bootstrap" -G "$group" -f '%p@%o %s\n' -u -X auto.offset.reset=earliest -X session.timeout.ms=6000 \
    -X heartbeat.interval.ms=500 -X auto.commit.interval.ms=100 -X client.id=member "$shared" >"$work/$1.out" 2>"$work/$1.err"
}

# How many partitions a member was assigned last.
share() { grep -s rebalanced "$work/$1.err" | tail -1 | grep 'assigned:' | grep -v revoked | grep -o '\[[0-9]*\]' | wc -l; }
shares() { # COUNT MEMBER...
  local count=$1
  shift
  for name in "$@"; do
    (($(share "$name") == count)) || return 1
  done
}
seen() { # COUNT MEMBER...
  local count=$1
  shift
  (($(cat "${@/#/$work/}" | sort -u | wc -l) >= count))
}

groups() {
  for n in {0..11}; do
    echo "first $n" | produce -t "$shared" -p $((n % 6))
  done
  local pids=()
  for name in a b killed; do
    member "$name" &
    pids+=($!)
  done
  wait_until "three members" shares 2 a b killed
  fact "three members" "$(share a) $(share b) $(share killed)"
  wait_until "all records" seen 12 a.out b.out killed.out
  kill -KILL "${pids[2]}"
  wait_until "the others take over" shares 3 a b
  fact "one was killed" "$(share a) $(share b)"
  facts seen sort -u "$work/a.out" "$work/b.out" "$work/killed.out"
  for n in {0..5}; do
    echo "second $n" | produce -t "$shared" -p "$n"
  done
  wait_until "the new records" seen 18 a.out b.out killed.out
  kill -TERM "${pids[0]}" "${pids[1]}" # a member that ends commits and leaves
  wait "${pids[@]}" || true
  for n in {0..5}; do
    echo "third $n" | produce -t "$shared" -p "$n"
  done
  member resumed &
  pids=($!)
  wait_until "the newest records" seen 6 resumed.out
  kill -TERM "${pids[0]}"
  wait "${pids[0]}" || true
  facts resumed sort -u "$work/resumed.out"
}

for chapter in topics produce consume groups; do
  [[ $# == 0 || " $* " == *" $chapter "* ]] || continue
  fact chapter "$chapter"
  case $chapter in
    produce) produce_all ;;
    consume) consume_all ;;
    *) "$chapter" ;;
  esac
done
fact end "of the story"
