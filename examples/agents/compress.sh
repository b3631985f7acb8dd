#!/bin/sh
# Compresses one file into its own work folder, checks the copy and reports the ratio. Keeps the newest 40 copies, at
# most 32 MiB of them. Arguments: path.
. "${0%/*}/lib.sh"

use_file
rm -f "$data"/part.* # what an attempt that was killed left behind: this agent runs one at a time
part=$data/part.$AGENTOS_RUN_ID
copy=$(key "$path").gz
gzip -c <"$file" >"$part"
gzip -t <"$part" || fail 'the copy is damaged' path "$path"
packed=$(($(wc -c <"$part")))
mv "$part" "$data/$copy"

# shellcheck disable=SC2012 # our own names: no line breaks in them
(cd "$data" && ls -t ./*.gz | while read -r name; do echo "$(wc -c <"$name") $name"; done |
    awk '{ total += $1; if (NR > 1 && (NR > 40 || total > 33554432)) print $2 }' |
    while read -r name; do rm -f "$name"; done)

percent=100
[ "$size" -eq 0 ] || percent=$((packed * 100 / size))
log info compressed bytes# "$size" packed# "$packed" percent# "$percent" path "$path"
finish bytes# "$size" packed_bytes# "$packed" percent# "$percent" copy "$copy" path "$path"
